from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from swapfill import detail
from swapfill.config import FillSettings
from swapfill.detail import can_copy, copied_detail, fill_with_copy
from swapfill.inpainter import Inpainter
from swapfill.masks import Box
from swapfill.pipeline import fill_windows
from swapfill.windows import Window, cut_known, cut_phase, enlarged

Floats = NDArray[np.float32]


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let windows be reduced from 256 pixels a side on."""
    for place in ("windows", "planning"):
        monkeypatch.setattr(f"swapfill.{place}.LARGEST_RESOLUTION", 128)


def texture(seed: int, side: int) -> Floats:
    """Give noise of single pixels: all of it is detail."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.2, 0.8, (side, side, 3)).astype(np.float32)


def test_phases_are_the_pixels_of_each_square_and_their_mean_the_reduced_window(
    small_windows: None,
) -> None:
    picture, window = texture(0, 600), Window(-40, 30, 512)
    phases = [cut_phase(picture, window, row, column) for row in range(4) for column in range(4)]
    known, _ = cut_known(picture, np.zeros((600, 600), np.bool_), window)
    np.testing.assert_allclose(np.mean(phases, axis=0), known, atol=1e-6)
    np.testing.assert_array_equal(phases[6][20, 5], picture[-40 + 20 * 4 + 1, 30 + 5 * 4 + 2])


@pytest.mark.parametrize("zone", [Box(130, 90, 300, 333), Box(131, 93, 132, 94)])
def test_detail_of_a_piece_makes_the_enlarged_fill_the_piece_itself(
    small_windows: None, zone: Box
) -> None:
    """The fill is the picture moved by whole reduced pixels; so is what the detail adds up to."""
    window, moved = Window(20, 10, 512), (5, -7)  # in reduced pixels
    picture = texture(0, 600)
    wanted = np.roll(picture, [4 * move for move in moved], axis=(0, 1))

    def copy(values: Floats) -> Floats:
        return np.roll(values, moved, axis=(0, 1))

    reduced, _ = cut_known(picture, np.zeros((600, 600), np.bool_), window)
    # What is known keeps its place in the window; the copy alone is moved.
    detail = copied_detail(picture, 1, window, reduced, zone, copy)
    found = enlarged(copy(reduced), window, zone) + detail
    np.testing.assert_allclose(found, wanted[zone.slices], atol=2e-3)
    assert np.abs(enlarged(copy(reduced), window, zone) - wanted[zone.slices]).mean() > 0.1


def test_a_window_is_filled_bit_for_bit_as_without_a_copy(tiny_bundle: Path) -> None:
    painter = Inpainter.load(tiny_bundle, device="cpu", precision="fp32", refine=1)
    incomplete, hole = texture(1, 256)[None], np.zeros((1, 256, 256), np.bool_)
    hole[0, 90:170, 80:150] = True
    filled, copy = fill_with_copy(painter.engine, incomplete, hole, painter.settings)
    plain = fill_windows(painter.engine, incomplete, hole, painter.settings)
    np.testing.assert_array_equal(filled, plain)
    again = copy(incomplete[0])
    np.testing.assert_array_equal(again[~hole[0]], incomplete[0][~hole[0]])
    constant = copy(np.where(hole[0][..., None], np.float32(0.9), np.float32(0.25)))
    np.testing.assert_allclose(constant, 0.25, atol=1e-6)  # of the hole itself nothing is copied


def test_detail_is_copied_from_where_a_moved_piece_is() -> None:
    """By as many pixels as the piece; what would then come from the hole does not move."""
    hole = np.zeros((128, 128), np.bool_)
    hole[40:80, 40:80] = True
    query = np.argwhere(np.ones((12, 12), np.bool_)) + 8
    found = np.concatenate([query, query + np.array([0, 11])], axis=1)  # 44 pixels to the right
    moves = np.tile([3, -5], (len(found), 1))
    places = np.argwhere(hole)
    stayed = np.stack(np.divmod(detail._origins(found, None, hole), 128), axis=1)
    np.testing.assert_array_equal(stayed, places + np.array([0, 44]))
    moved = np.stack(np.divmod(detail._origins(found, [moves], hole), 128), axis=1)
    assert not hole[tuple(moved.T)].any()
    apart = moved - stayed
    assert (apart[places[:, 1] >= 41] == (3, -5)).all()  # 41 + 44 - 5 is right of the hole
    bad = (places[:, 1] == 40) & (places[:, 0] < 77)
    assert (apart[bad] == 0).all()


def test_only_pieces_that_are_matched_up_to_the_windows_side_can_be_copied() -> None:
    assert can_copy(2048, FillSettings())
    assert not can_copy(2048, FillSettings(scales=(128, 512)))
    assert not can_copy(2048, FillSettings(matching="literal"))


def sharpness(pixels: NDArray[Any]) -> float:
    return float(np.abs(np.diff(pixels.astype(float), axis=0)).mean())


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_reduced_window_is_filled_as_sharp_as_the_picture(
    small_windows: None, tiny_bundle: Path, dtype: str
) -> None:
    picture = texture(2, 512)
    if dtype != "float32":
        picture = (picture * np.iinfo(dtype).max).astype(dtype)
    hole = np.zeros((512, 512), np.bool_)
    hole[150:390, 140:380] = True
    painter = Inpainter.load(tiny_bundle, device="cpu", precision="fp32")
    filled = painter.fill(picture, hole)
    inside = np.s_[160:380, 150:370]
    assert sharpness(filled[inside]) > 0.5 * sharpness(picture[inside])
    blurred = Inpainter.load(tiny_bundle, device="cpu", precision="fp32", matching="literal")
    assert sharpness(blurred.fill(picture, hole)[inside]) < 0.2 * sharpness(picture[inside])
    np.testing.assert_array_equal(filled[~hole], picture[~hole])
    with painter.shared() as together:
        np.testing.assert_array_equal(together.fill(picture, hole), filled)
