"""Windows: squares cut out of a picture, and put back.

The networks see squares. A window may reach beyond the picture, which is mirrored there, and a
very large one is reduced, so that a window needs a bounded memory whatever the picture.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill.masks import Box, Hole

Element = TypeVar("Element", bound=np.generic)
Floats = NDArray[np.float32]

LARGEST_RESOLUTION = 2048  # pixels a side of what the networks see; a larger window is reduced

# Rows of a window that are converted at once: 32 rows of 16,384 pixels are 6 MB of float32.
_ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Window:
    """A square of picture pixels; it may reach beyond the picture."""

    top: int
    left: int
    side: int

    @property
    def scale(self) -> int:
        """Picture pixels, along a side, to one pixel that the networks see: 1, 2, 4 ..."""
        return max(self.side // LARGEST_RESOLUTION, 1)

    @property
    def box(self) -> Box:
        """The same square as a box."""
        return Box(self.top, self.left, self.top + self.side, self.left + self.side)

    def inside(self, size: tuple[int, int]) -> Box:
        """The part of the window that lies in a picture of `size`."""
        box = self.box
        return Box(
            max(box.top, 0), max(box.left, 0), min(box.bottom, size[0]), min(box.right, size[1])
        )


def cut_known(picture: NDArray[Any], hole: Hole, window: Window) -> tuple[Floats, Hole]:
    """Cut out what is known of a window, at the resolution that the networks see.

    Args:
        picture: [H, W, C], of any number type.
        hole: [H, W], bool.
        window: where; R is its side over its scale.

    Returns:
        The window as float32 [R, R, C], in the units of `picture`, 0 in the hole, and its hole
        [R, R]. A pixel of a reduced window is the mean of the picture's; it is hole if any is.
    """
    scale, side = window.scale, window.side // window.scale
    known = np.empty((side, side, picture.shape[2]), np.float32)
    missing = np.empty((side, side), np.bool_)
    for top in range(0, side, _ROWS_AT_ONCE):
        rows = slice(top, min(top + _ROWS_AT_ONCE, side))
        first, last = rows.start * scale, rows.stop * scale
        known[rows] = _summed(_cut_rows(picture, window, first, last), scale) / scale**2
        missing[rows] = _summed(_cut_rows(hole, window, first, last)[..., None], scale)[..., 0] > 0
    known[missing] = 0
    return known, missing


def cut_phase(picture: NDArray[Any], window: Window, row: int, column: int) -> Floats:
    """Cut out one pixel of each scale x scale square of a window: that at `row`, `column` in it.

    Returns:
        [R, R, C], float32, in the units of `picture`.
    """
    rows, columns = (
        _mirrored(first, first + window.side, length)[start :: window.scale]
        for first, start, length in (
            (window.top, row, picture.shape[0]),
            (window.left, column, picture.shape[1]),
        )
    )
    return picture[np.ix_(rows, columns)].astype(np.float32)


def _summed(values: NDArray[Any], scale: int) -> Floats:
    """Add up squares of scale x scale pixels, [H, W, C]."""
    # Line by line: 20 times as fast as one reduction over two axes, as NumPy has it.
    by_rows = values[0::scale].astype(np.float32)
    for i in range(1, scale):
        by_rows += values[i::scale]
    total = by_rows[:, 0::scale]
    for i in range(1, scale):
        total = total + by_rows[:, i::scale]
    return total


def enlarged(values: Floats, window: Window, box: Box) -> Floats:
    """Give a box of the picture at the picture's resolution, from a window of the networks'.

    Args:
        values: [R, R, C], float32, as `cut_known` sizes it.
        window: where the values were cut.
        box: picture pixels, inside the window.

    Returns:
        [box.height, box.width, C], float32: the very values where the scale is 1, else bicubic.
    """
    inner = box.shifted(-window.top, -window.left)
    if window.scale == 1:
        return values[inner.slices]
    seen = [edge / window.scale for edge in (inner.left, inner.top, inner.right, inner.bottom)]
    size = (box.width, box.height)
    return np.stack(
        [
            np.asarray(
                Image.fromarray(values[..., channel]).resize(
                    size, Image.Resampling.BICUBIC, box=(seen[0], seen[1], seen[2], seen[3])
                )
            )
            for channel in range(values.shape[2])
        ],
        axis=-1,
    )


def _cut_rows(picture: NDArray[Element], window: Window, first: int, last: int) -> NDArray[Element]:
    """Cut out rows first..last of a window, mirrored at the border, again and again."""
    box, (height, width) = window.box, picture.shape[:2]
    rows = _mirrored(box.top + first, box.top + last, height)
    left, right = (min(max(edge, 0), width) for edge in (box.left, box.right))
    # What lies in the picture is copied row by row: 10 times as fast as pixel by pixel.
    before = picture[np.ix_(rows, _mirrored(box.left, min(box.right, left), width))]
    after = picture[np.ix_(rows, _mirrored(max(right, box.left), box.right, width))]
    return np.concatenate([before, picture[:, left:right][rows], after], axis=1)


def _mirrored(first: int, last: int, length: int) -> NDArray[np.int64]:
    """Fold the indices first..last into 0..length: -1 is 0 again, -2 is 1."""
    index = np.arange(first, last) % (2 * length)
    return np.where(index < length, index, 2 * length - 1 - index)
