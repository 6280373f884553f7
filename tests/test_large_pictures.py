"""Cost follows the hole: what is asked of the networks, and the memory, file to file."""

import tracemalloc
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from swapfill.config import FillSettings
from swapfill.engines.interface import Engine
from swapfill.images import Photograph
from swapfill.inpainter import Inpainter

Pixels = NDArray[Any]


class Grey(Inpainter):
    """Fills without networks, and remembers the windows that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

        def fill(engine: Any, incomplete: Any, hole: Any, how: Any) -> Any:
            self.asked.append((len(hole), hole.shape[1]))
            return np.full_like(incomplete, 0.5)

        super().__init__(cast("Engine[Any]", None), FillSettings(), fill_windows=fill)


def _hole(side: int, hole: int) -> NDArray[np.bool_]:
    missing = np.zeros((side, side), np.bool_)
    missing[side // 3 : side // 3 + hole, side // 2 : side // 2 + hole] = True
    return missing


def _grain(side: int, dtype: Any = np.uint8) -> Pixels:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (side, side, 3), dtype)


def test_a_hole_costs_the_same_windows_in_pictures_of_any_size() -> None:
    for hole, window in ((40, 128), (250, 512)):
        asked = []
        for side in (600, 3000):
            painter = Grey()
            painter.fill_photograph(Photograph.from_array(_grain(side)), _hole(side, hole))
            asked.append(painter.asked)
        assert asked[0] == asked[1] == [(1, window)]


def test_the_largest_hole_asks_for_no_window_above_2048() -> None:
    painter, side = Grey(), 4100
    painter.fill_photograph(Photograph.from_array(_grain(side)), _hole(side, 1700))
    assert painter.asked == [(1, 2048)]


def test_hundreds_of_specks_share_windows() -> None:
    painter, hole = Grey(), np.zeros((1000, 1000), np.bool_)
    for row, column in np.random.default_rng(1).integers(0, 995, (400, 2)):
        hole[row : row + 5, column : column + 5] = True
    painter.fill_photograph(Photograph.from_array(_grain(1000)), hole)
    assert sum(count for count, _ in painter.asked) < 130
    assert len(painter.asked) < 60


@pytest.mark.parametrize(("dtype", "compression"), [("u1", None), ("u2", None), ("u2", "zlib")])
def test_a_tiff_is_filled_in_little_more_than_its_samples(
    dtype: str, compression: str | None, tmp_path: Path
) -> None:
    photo, mask, out = (tmp_path / f"{name}.tif" for name in ("photo", "mask", "out"))
    grain = _grain(2200, dtype).reshape(-1, 550, 3)  # tall: some rows at a time are few pixels
    hole = np.zeros(grain.shape[:2], np.bool_)
    hole[100:140, 200:240] = True
    tifffile.imwrite(photo, grain, photometric="rgb", compression=compression, rowsperstrip=16)
    tifffile.imwrite(mask, hole.astype(np.uint8) * 255)
    painter = Grey()
    tracemalloc.start()
    painter.inpaint_file(photo, mask, out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (2.3 if dtype == "u1" else 1.8) * grain.nbytes  # of the mask as much in both
    assert np.array_equal(tifffile.imread(out)[~hole], grain[~hole])
