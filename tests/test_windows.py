import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapfill.masks import Box
from swapfill.windows import Window, cut_known, enlarged

windows = st.builds(
    Window, st.integers(-40, 40), st.integers(-40, 40), st.sampled_from([1, 2, 8, 32, 64])
)


def numbered(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.arange(height * width).reshape(height, width)


@settings(deadline=None)
@given(windows, st.integers(1, 20), st.integers(1, 20))
def test_a_window_is_what_endless_mirroring_shows_there(
    window: Window, height: int, width: int
) -> None:
    picture = numbered(height, width)
    room = 128
    mirrored = np.pad(picture, room, mode="symmetric")
    top, left = window.top + room, window.left + room
    expected = mirrored[top : top + window.side, left : left + window.side]
    known, _ = cut_known(picture[..., None], np.zeros_like(picture, np.bool_), window)
    np.testing.assert_array_equal(known[..., 0], expected)


def test_what_mirrors_the_hole_is_hole() -> None:
    hole = np.zeros((5, 4), np.bool_)
    hole[0, 1] = True
    picture = np.where(hole, 7, 1)[..., None]
    known, missing = cut_known(picture, hole, Window(-3, -2, 16))
    assert missing.sum() > 1
    np.testing.assert_array_equal(known[..., 0], ~missing)


def test_the_part_inside_the_picture_ends_where_the_picture_does() -> None:
    assert Window(-3, 5, 16).inside((10, 30)) == Box(0, 5, 10, 21)
    assert Window(2, -4, 16).inside((40, 9)) == Box(2, 0, 18, 9)


@pytest.mark.parametrize(("side", "scale"), [(128, 1), (2048, 1), (4096, 2), (16384, 8)])
def test_windows_over_2048_are_reduced_to_it(side: int, scale: int) -> None:
    assert Window(0, 0, side).scale == scale


def test_known_pixels_come_as_they_are_and_the_hole_as_nothing() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(1, 255, (50, 60, 3), dtype=np.uint8)
    hole = rng.random((50, 60)) < 0.3
    window = Window(-7, 5, 64)
    known, missing = cut_known(picture, hole, window)
    mirrored = np.pad(picture, [(7, 7), (0, 9), (0, 0)], mode="symmetric")[:64, 5:]
    np.testing.assert_array_equal(missing, np.pad(hole, [(7, 7), (0, 9)], mode="symmetric")[:, 5:])
    np.testing.assert_array_equal(known, np.where(missing[..., None], 0, mirrored))
    assert known.dtype == np.float32


def test_a_reduced_window_holds_means_and_is_hole_where_any_pixel_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swapfill.windows.LARGEST_RESOLUTION", 64)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (256, 256, 3), dtype=np.uint8)
    hole = np.zeros((256, 256), np.bool_)
    hole[9, 14] = True
    known, missing = cut_known(picture, hole, Window(0, 0, 256))
    assert np.argwhere(missing).tolist() == [[2, 3]]
    assert (known[2, 3] == 0).all()
    np.testing.assert_allclose(known[5, 6], picture[20:24, 24:28].mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(known[63, 63], picture[252:, 252:].mean(axis=(0, 1)), rtol=1e-6)


def test_at_scale_one_a_box_is_given_as_it_is() -> None:
    values = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    found = enlarged(values, Window(-10, 20, 64), Box(0, 25, 4, 30))
    np.testing.assert_array_equal(found, values[10:14, 5:10])


def test_a_box_of_a_reduced_window_is_the_same_in_bands_and_lies_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swapfill.windows.LARGEST_RESOLUTION", 64)
    window = Window(-8, 16, 256)
    across, down = np.meshgrid(np.arange(64) * 4 + 1.5, np.arange(64) * 4 + 1.5)
    places = np.stack([down - 8, across + 16], axis=-1).astype(np.float32)
    whole = enlarged(places, window, Box(20, 40, 60, 90))
    rows, columns = np.mgrid[20:60, 40:90]
    np.testing.assert_allclose(whole, np.stack([rows, columns], axis=-1), atol=1e-3)
    bands = [enlarged(places, window, Box(top, 40, top + 10, 90)) for top in (20, 30, 40, 50)]
    np.testing.assert_allclose(np.concatenate(bands), whole, atol=1e-3)
