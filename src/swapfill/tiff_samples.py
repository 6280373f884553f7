"""The samples of a page of a TIFF, strip by strip or tile by tile, whatever lies between them.

tifffile knows where each belongs, and unpacks all but LZW. That Pillow's libtiff does: a strip's
bytes, whatever samples they mean, are to it a grey picture of one row.
"""

import copy
import io
import math
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from swapfill.raster import Samples

PLAIN, LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 8, 32946, 32773

_BY_TIFFFILE = (PLAIN, DEFLATE, OLD_DEFLATE, PACKBITS)
_READ_AT_ONCE = 1 << 22  # bytes of the file; tifffile's own choice is 256 MB
_LARGEST = 1 << 26  # bytes of a strip or tile of LZW; a larger one Pillow decodes with less memory


class _Segment(NamedTuple):
    """A strip or tile, as tifffile gives it."""

    samples: Samples | None  # [1, rows, columns, samples]; None where the file leaves it out
    place: tuple[int, int, int, int, int]  # plane, 0, row, column, 0
    shape: tuple[int, int, int, int]


def is_known(page: Any) -> bool:
    """Tell whether `samples_of` reads a page of tifffile's."""
    small = math.prod(page.chunks) * page.bitspersample // 8 <= _LARGEST
    return (
        page.bitspersample in (8, 16, 32)
        and (page.compression in _BY_TIFFFILE or (page.compression == LZW and small))
        and page.predictor in (1, 2)
        and page.fillorder == 1
    )


def samples_of(page: Any) -> Samples:
    """Read the samples of a page, [H, W, C], in the order of this machine.

    Args:
        page: one of tifffile's for which `is_known` holds.
    """
    planes, _, height, width, together = page.shaped
    if planes == 1 and page.compression != LZW:
        samples = page.asarray(squeeze=False, maxworkers=1, buffersize=_READ_AT_ONCE)
        return _in_native_order(samples.reshape(height, width, together))
    samples = np.empty((height, width, planes, together), page.dtype.newbyteorder("="))
    for found, (plane, _, top, left, _), (_, rows, columns, _) in _segments(page):
        part = samples[top : top + rows, left : left + columns, plane]
        part[:] = page.nodata if found is None else found[0, : part.shape[0], : part.shape[1]]
    return samples.reshape(height, width, planes * together)


def _in_native_order(samples: Samples) -> Samples:
    """Turn the bytes of each sample round in place: of a large picture a copy counts."""
    if samples.dtype.isnative:
        return samples
    return samples.byteswap(inplace=True).view(samples.dtype.newbyteorder("="))


def _segments(page: Any) -> Iterator[_Segment]:
    """Give every strip or tile."""
    if page.compression != LZW:
        for segment in page.segments(maxworkers=1, buffersize=_READ_AT_ONCE):
            yield _Segment(*segment)
        return
    unpacked = copy.copy(page)  # what is left to do to a strip once it is unpacked
    unpacked.compression = PLAIN
    packed = page.parent.filehandle.read_segments(
        page.dataoffsets,
        page.databytecounts,
        length=math.prod(page.chunked),
        buffersize=_READ_AT_ONCE,
    )
    for data, index in packed:
        segment = _Segment(*unpacked.decode(None, index))
        if data is not None:
            size = math.prod(segment.shape) * page.bitspersample // 8
            # To be written into: where samples are stored as differences, these are summed there.
            segment = _Segment(*unpacked.decode(bytearray(_without_lzw(data, size)), index))
        yield segment


def _without_lzw(data: bytes, size: int) -> bytes:
    """Undo LZW by Pillow: `size` bytes."""
    tags = {
        256: size,  # pixels in a row
        257: 1,  # rows
        258: 8,  # bits of a pixel
        259: LZW,
        262: 1,  # 0 is black
        273: 8 + 2 + 10 * 12 + 4,  # where the strip is
        277: 1,  # samples of a pixel
        278: 1,  # rows of a strip
        279: len(data),
        284: 1,  # samples lie together
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    file = struct.pack("<4sIH", b"II*\0", 8, len(tags)) + entries + bytes(4) + data
    return Image.open(io.BytesIO(file), formats=["TIFF"]).tobytes()
