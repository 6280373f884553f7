"""The demonstration: a packaged photograph, its hole, and the hole filled, on one sheet."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swapfill.images import Photograph, read_hole
from swapfill.inpainter import Inpainter

_GAP = 12  # white pixels between two pictures of the sheet
_PAINT = (214, 30, 110)  # RGB; what marks the hole: no colour of the photograph


def write_sheet(
    output: Path, painter: Inpainter, on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Fill the packaged photograph and write before | mask | after side by side.

    Args:
        output: the picture file to write; its suffix names the format.
        painter: fills the hole.
        on_progress: called with the number of windows done, and of all.

    Raises:
        OutputError: the sheet cannot be written.
    """
    before, hole = packaged()
    after = painter.fill(before, hole, on_progress=on_progress)
    Photograph.from_array(sheet(before, hole, after)).save(output)


def packaged() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Give the photograph, [H, W, 3], and the hole, [H, W]; `assets/NOTICE.md` has their terms."""
    assets = resources.files("swapfill") / "assets"
    photo = Photograph.from_bytes((assets / "demo.jpg").read_bytes(), "demo.jpg")
    return photo.rgb, read_hole((assets / "demo-mask.png").read_bytes(), photo.size)


def sheet(
    before: NDArray[np.uint8], hole: NDArray[np.bool_], after: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Lay three pictures [H, W, 3] side by side, the hole painted in the middle one."""
    marked = np.where(hole[..., None], np.array(_PAINT, np.uint8), before)
    gap = np.full((before.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([before, gap, marked, gap, after], axis=1)
