"""Keep freed memory in the process, so that a step does not fetch its pages anew."""

import ctypes
import platform

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_memory() -> bool:
    """Tell glibc to hand large blocks out of its heap and never to give the heap back.

    By default glibc maps every large block from the system and unmaps it when it is freed: each
    step of training then faults in all of its activations, page by page, zeroed by the kernel.
    Measured on two cores (Feature2Image, batch 16 at 128): 2.1 s a step before, 0.85 s after. It
    is for a process that does the same again and again; it holds its peak until it ends.

    Returns:
        Whether it was done; elsewhere than on glibc nothing is.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
