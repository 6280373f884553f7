"""Have freed memory given back: after a model is loaded, and where a large picture needs room."""

import ctypes
import platform

_M_MMAP_THRESHOLD = -3  # from glibc's malloc.h
_LARGE_BLOCK = 4 << 20  # bytes
_LARGE_PICTURE = 30_000_000  # pixels, from which what a fill leaves behind counts beside them


def make_room_for(pixels: int) -> bool:
    """Give freed memory back from now on, if a picture has so many pixels that it matters.

    Returns:
        Whether it was done.
    """
    return pixels > _LARGE_PICTURE and _give_back_large_blocks()


def give_back() -> bool:
    """Give back what is free now, of every thread: of loading networks at once, 0.18 GB.

    Returns:
        Whether it was done; elsewhere than on glibc nothing is.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).malloc_trim(0))


def _give_back_large_blocks() -> bool:
    """Tell glibc to map each block of 4 MiB or more by itself, and to unmap it when it is freed.

    By default the size from which it does so grows up to 32 MiB, and what lies below stays with the
    process: after a window of 1,024 pixels, 0.3 GB that a picture of 100 megapixels has use for.
    Mapping costs time, which beside reading and writing such a picture does not count.

    Returns:
        Whether it was done; elsewhere than on glibc nothing is.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK))
