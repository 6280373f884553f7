"""Put filled windows back into the picture, at its own resolution and depth."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swapfill.blending import composite
from swapfill.detail import Copy, copied_detail
from swapfill.masks import Box, feather_weight
from swapfill.planning import Piece
from swapfill.windows import enlarged

Floats: TypeAlias = NDArray[np.float32]
Pixels: TypeAlias = NDArray[Any]

_PIXELS_AT_ONCE = 1 << 20  # that are blended at once: 12 MB of float32


def put_piece(
    result: Pixels, piece: Piece, filled: Floats, feather: int, copy: Copy | None = None
) -> None:
    """Put a filled window's piece into the picture, band by band; in place.

    Args:
        result: [H, W, 3], uint8, uint16 or floating point with white at 1.
        piece: which window was filled, and which of its pixels are to be written.
        filled: [R, R, 3] in [0, 1], at the resolution that the networks see.
        feather: pixels around the piece over which the fill fades.
        copy: of a reduced window, fills the hole of values [R, R, 3] by its pieces.
    """
    size = (result.shape[0], result.shape[1])
    zone = piece.box.widened(feather, size)
    rows = max(_PIXELS_AT_ONCE // zone.width, 1)
    white, detail = white_of(result.dtype), None
    if copy is not None:
        detail = copied_detail(result, white, piece.window, filled, zone, copy)
    for top in range(zone.top, zone.bottom, rows):
        band = Box(top, zone.left, min(top + rows, zone.bottom), zone.right)
        weight = _weight(piece, band, size, feather)
        before = result[band.slices]
        known = before.astype(np.float32) / np.float32(white)
        fill = enlarged(filled, piece.window, band)
        if detail is not None:
            fill = fill + detail[top - zone.top : band.bottom - zone.top]
        after = composite(weight, fill, known) * white
        if result.dtype.kind == "u":
            after = np.rint(after)
        np.copyto(before, after.astype(result.dtype), where=(weight > 0)[..., None])


def _weight(piece: Piece, band: Box, size: tuple[int, int], feather: int) -> Floats:
    """Weigh the fill in a band of the piece and its feather.

    The feather runs over the fill of earlier pieces too, so that two of them meet softly.
    """
    wide = band.widened(feather, size)  # what the weights in the band depend on
    own = np.zeros((wide.height, wide.width), np.bool_)
    top, left = max(wide.top, piece.box.top), max(wide.left, piece.box.left)
    seen = Box(top, left, min(wide.bottom, piece.box.bottom), min(wide.right, piece.box.right))
    part = piece.part[seen.shifted(-piece.box.top, -piece.box.left).slices]
    own[seen.shifted(-wide.top, -wide.left).slices] = part
    return feather_weight(own, feather)[band.shifted(-wide.top, -wide.left).slices]


def white_of(dtype: np.dtype[Any]) -> int:
    """Give the value of white in samples of a type."""
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else 1
