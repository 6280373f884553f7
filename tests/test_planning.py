import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from swapfill.masks import Box, Hole
from swapfill.planning import Piece, batches, plan_windows
from swapfill.random_holes import mixed_hole
from swapfill.windows import Window


def with_boxes(size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> Hole:
    hole = np.zeros(size, np.bool_)
    for box in boxes:
        hole[Box(*box).slices] = True
    return hole


def with_line(size: tuple[int, int], start: tuple[int, int], end: tuple[int, int]) -> Hole:
    canvas = Image.new("1", (size[1], size[0]))
    ImageDraw.Draw(canvas).line([start[::-1], end[::-1]], fill=1, width=4)
    return np.array(canvas)


def sides(pieces: list[Piece]) -> list[int]:
    return [piece.window.side for piece in pieces]


def count_of_responsible(
    pieces: list[Piece], size: tuple[int, int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    count = np.zeros(size, np.int64)
    for piece in pieces:
        count[piece.box.slices] += piece.part
    return count


@pytest.mark.parametrize("inner", [224, 256])
def test_the_hole_of_the_paper_gets_exactly_its_picture(inner: int) -> None:
    first = 256 - inner // 2
    hole = with_boxes((512, 512), (first, first, first + inner, first + inner))
    (piece,) = plan_windows(hole)
    assert piece.window == Window(0, 0, 512)
    assert piece.box == Box(first, first, first + inner, first + inner)
    assert piece.part.all()


@pytest.mark.parametrize(
    ("length", "side"),
    [(1, 128), (64, 128), (70, 128), (71, 256), (128, 256), (256, 512), (300, 1024)],
)
def test_a_window_is_about_twice_as_long_as_its_hole(length: int, side: int) -> None:
    hole = with_boxes((1200, 1300), (500, 600, 500 + length, 600 + length))
    (piece,) = plan_windows(hole)
    assert piece.window.side == side
    middle = piece.window.top + side / 2, piece.window.left + side / 2
    assert middle == pytest.approx((500 + length / 2, 600 + length / 2), abs=1)


def test_a_window_at_the_border_is_shifted_into_the_picture() -> None:
    (piece,) = plan_windows(with_boxes((300, 400), (0, 360, 40, 400)))
    assert piece.window == Window(0, 272, 128)


def test_a_picture_smaller_than_its_window_lies_in_the_middle_of_it() -> None:
    (piece,) = plan_windows(with_boxes((16, 400), (4, 4, 12, 12)))
    assert piece.window == Window(-56, 0, 128)


def test_no_window_is_larger_than_what_holds_the_whole_picture() -> None:
    (piece,) = plan_windows(with_boxes((900, 700), (10, 10, 890, 690)))
    assert piece.window == Window(-62, -162, 1024)


def test_near_holes_share_a_window_and_far_ones_do_not() -> None:
    near = plan_windows(with_boxes((600, 600), (100, 100, 120, 120), (130, 140, 150, 160)))
    assert sides(near) == [128]
    far = plan_windows(with_boxes((600, 600), (100, 100, 120, 120), (400, 400, 420, 420)))
    assert sides(far) == [128, 128]


def test_a_small_hole_joins_the_large_window_beside_it() -> None:
    hole = with_boxes((600, 600), (100, 100, 220, 220), (225, 225, 235, 235))
    assert sides(plan_windows(hole)) == [256]


def test_a_long_scratch_gets_many_small_windows() -> None:
    hole = with_line((3000, 4000), (100, 200), (2900, 3700))
    pieces = plan_windows(hole)
    assert set(sides(pieces)) == {128}
    assert 30 < len(pieces) < 80


def test_a_whole_row_gets_many_small_windows() -> None:
    pieces = plan_windows(with_boxes((200, 5000), (90, 0, 91, 5000)))
    assert set(sides(pieces)) == {128}


def test_a_scratch_with_a_blot_gets_a_larger_window_for_the_blot_alone() -> None:
    hole = with_line((2000, 2000), (50, 50), (1900, 1900)) | with_boxes(
        (2000, 2000), (900, 900, 1020, 1020)
    )
    found = sides(plan_windows(hole))
    assert max(found) in (256, 512)
    assert found.count(128) > 15


def test_a_thick_hole_is_not_cut() -> None:
    assert len(plan_windows(with_boxes((2000, 2000), (500, 500, 800, 1400)))) == 1


def test_a_window_in_which_nearly_all_is_missing_is_made_larger() -> None:
    rng = np.random.default_rng(0)
    hole = np.zeros((1000, 1000), np.bool_)
    hole[300:700, 300:700] = rng.random((400, 400)) < 0.9
    for piece in plan_windows(hole):
        assert hole[piece.window.inside((1000, 1000)).slices].mean() <= 0.75


def test_a_scratch_is_not_drawn_into_the_reduced_window_of_a_large_hole() -> None:
    size = (3000, 5000)
    hole = with_boxes(size, (900, 500, 2100, 1700)) | with_line(size, (900, 1800), (2100, 2300))
    found = sides(plan_windows(hole))
    assert found[-1] == 4096
    assert set(found[:-1]) == {128}


def test_a_margin_makes_the_window_of_a_small_hole_larger() -> None:
    hole = with_boxes((900, 900), (400, 400, 440, 440))
    assert [sides(plan_windows(hole, margin)) for margin in (30, 60, 200)] == [[128], [256], [512]]


def test_a_row_across_a_small_picture_needs_one_window() -> None:
    assert plan_windows(with_boxes((90, 128), (40, 0, 41, 128)))[0].window == Window(-19, 0, 128)


@settings(deadline=None, max_examples=40)
@given(st.integers(16, 700), st.integers(16, 700), st.integers(0, 10**6), st.integers(0, 30))
def test_each_hole_pixel_belongs_to_one_piece_whose_window_shows_it_and_its_margin(
    height: int, width: int, seed: int, margin: int
) -> None:
    size = (height, width)
    hole = mixed_hole(np.random.default_rng(seed), size)
    pieces = plan_windows(hole, margin)
    np.testing.assert_array_equal(count_of_responsible(pieces, size), hole)
    for piece in pieces:
        seen, wide = piece.window.inside(size), piece.box.widened(margin, size)
        assert seen.top <= wide.top
        assert seen.left <= wide.left
        assert seen.bottom >= wide.bottom
        assert seen.right >= wide.right


def test_no_hole_needs_no_window() -> None:
    assert plan_windows(np.zeros((30, 40), np.bool_)) == []


def test_small_windows_come_first() -> None:
    hole = with_boxes((900, 900), (100, 100, 300, 300), (700, 700, 720, 720))
    assert sides(plan_windows(hole)) == [128, 512]


def test_a_large_picture_with_a_few_scratches_is_planned_in_about_a_second() -> None:
    hole = with_line((5000, 6000), (100, 200), (4900, 5700))
    hole |= with_line((5000, 6000), (4900, 200), (100, 5700))
    start = time.perf_counter()
    plan_windows(hole)
    assert time.perf_counter() - start < 3


def test_batches_hold_every_piece_once_and_never_windows_that_see_each_other() -> None:
    size = (1500, 2000)
    pieces = plan_windows(
        with_line(size, (30, 40), (1400, 1900)) | with_boxes(size, (0, 0, 200, 200))
    )
    found = list(batches(pieces, size))
    assert sorted(id(p) for batch in found for p in batch) == sorted(id(p) for p in pieces)
    assert max(len(batch) for batch in found) > 1
    for batch in found:
        seen = np.zeros(size, np.int64)
        for piece in batch:
            seen[piece.window.inside(size).slices] += 1
        assert seen.max() == 1
        assert len(set(sides(batch))) == 1


def test_a_batch_has_no_more_pixels_than_one_window_of_512() -> None:
    size = (1500, 1500)
    dots = [(y, x, y + 40, x + 40) for y in range(0, 1500, 200) for x in range(0, 1500, 200)]
    found = list(batches(plan_windows(with_boxes(size, *dots)), size))
    assert [len(batch) for batch in found] == [16, 16, 16, 16]
