from collections.abc import Callable

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from swapfill.masks import Box, Hole, bounding_box, components
from swapfill.random_holes import (
    blob_hole,
    box_hole,
    centre_hole,
    close_hole,
    free_form_hole,
    mixed_hole,
)

Kind = Callable[[np.random.Generator, tuple[int, int]], Hole]
KINDS: list[Kind] = [box_hole, free_form_hole, blob_hole, mixed_hole]
SIZES = [(16, 16), (64, 64), (48, 96), (96, 30)]


@pytest.mark.parametrize(("side", "first", "inner"), [(512, 144, 224), (256, 72, 112)])
def test_the_centre_hole_is_the_one_of_the_paper(side: int, first: int, inner: int) -> None:
    hole = centre_hole(side)
    assert hole.shape == (side, side)
    assert bounding_box(hole) == Box(first, first, first + inner, first + inner)
    assert hole.sum() == inner**2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_every_hole_misses_some_pixels_and_leaves_most_known(
    kind: Kind, size: tuple[int, int]
) -> None:
    for seed in range(20):
        hole = kind(np.random.default_rng(seed), size)
        assert hole.shape == size
        assert hole.dtype == np.bool_
        assert 0 < hole.mean() < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_its_hole_and_another_seed_another(kind: Kind) -> None:
    first, again, other = (kind(np.random.default_rng(seed), (64, 64)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("kind", [free_form_hole, blob_hole])
@pytest.mark.parametrize("share", [(0.02, 0.05), (0.1, 0.2), (0.4, 0.5), (0.6, 0.7)])
def test_the_share_of_missing_pixels_lies_in_the_asked_range(
    kind: Callable[..., Hole], share: tuple[float, float]
) -> None:
    for seed in range(8):
        hole = kind(np.random.default_rng(seed), (64, 80), share)
        assert share[0] <= hole.mean() <= share[1]


def test_boxes_are_full_rectangles_that_reach_every_border() -> None:
    boxes = []
    for seed in range(400):
        hole = box_hole(np.random.default_rng(seed), (20, 30))
        box = bounding_box(hole)
        assert box is not None
        assert hole[box.slices].all()
        boxes.append(box)
    tops, lefts, bottoms, rights = np.array(boxes).T
    assert (tops.min(), lefts.min(), bottoms.max(), rights.max()) == (0, 0, 20, 30)


def test_strokes_go_everywhere() -> None:
    rng = np.random.default_rng(0)
    often = np.mean([free_form_hole(rng, (32, 64)) for _ in range(120)], axis=0)
    assert often.min() > 0.02
    border = np.concatenate([often[0], often[-1], often[:, 0], often[:, -1]])
    assert border.mean() < often.mean()


def test_a_close_hole_is_a_part_of_strokes_over_twice_the_size() -> None:
    tops, lefts = set(), set()
    for seed in range(12):
        shown = close_hole(np.random.default_rng(seed), (32, 48))
        whole = free_form_hole(np.random.default_rng(seed), (64, 96), (0.1, 0.5))
        parts = sliding_window_view(whole, shown.shape)
        found = np.argwhere((parts == shown).all(axis=(2, 3)))
        assert shown.any()
        assert not shown.all()
        assert len(found)
        tops.add(found[0][0])
        lefts.add(found[0][1])
    assert len(tops) > 6
    assert len(lefts) > 6


def test_blobs_are_compact() -> None:
    for seed in range(20):
        hole = blob_hole(np.random.default_rng(seed), (96, 96), (0.1, 0.3))
        largest = max(components(hole), key=lambda found: int(found.part.sum()))
        assert largest.part.mean() > 0.3
