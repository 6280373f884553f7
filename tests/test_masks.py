import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from swapfill.masks import (
    Box,
    Hole,
    bounding_box,
    components,
    feather_weight,
    grow,
    holds_square,
    invert,
    squared_distance,
)

small_holes = arrays.arrays(
    np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.booleans()
)


def random_hole(height: int, width: int, share: float, seed: int = 0) -> Hole:
    return np.random.default_rng(seed).random((height, width)) < share


def distance_by_definition(hole: Hole) -> NDArray[np.int64]:
    """Squared distance of each pixel to each hole pixel, and the least of them."""
    missing = np.argwhere(hole)
    everywhere = np.argwhere(np.ones_like(hole))
    squares = ((everywhere[:, None] - missing[None]) ** 2).sum(axis=2)
    nearest: NDArray[np.int64] = squares.min(axis=1, initial=10**6).reshape(hole.shape)
    return nearest


@pytest.mark.parametrize("radius", [0.5, 1, 1.5, 2, 3, 4.3, 9, 40])
def test_grows_by_exactly_the_pixels_within_the_radius(radius: float) -> None:
    hole = random_hole(23, 31, 0.01)
    np.testing.assert_array_equal(grow(hole, radius), distance_by_definition(hole) <= radius**2)


@pytest.mark.parametrize("radius", [1, 2, 2.5, 5])
def test_a_negative_radius_shrinks_by_exactly_the_pixels_within_it(radius: float) -> None:
    hole = ~random_hole(23, 31, 0.01, seed=1)
    expected = hole & (distance_by_definition(~hole) > radius**2)
    np.testing.assert_array_equal(grow(hole, -radius), expected)


def test_a_hole_at_the_border_does_not_shrink_from_the_border() -> None:
    hole = np.zeros((8, 8), np.bool_)
    hole[:4] = True
    expected = np.zeros((8, 8), np.bool_)
    expected[:2] = True
    np.testing.assert_array_equal(grow(hole, -2), expected)


@pytest.mark.parametrize("radius", [-3, 0, 3])
def test_growing_nothing_gives_nothing_and_leaves_its_argument_alone(radius: int) -> None:
    hole = np.zeros((5, 6), np.bool_)
    grown = grow(hole, radius)
    assert not grown.any()
    grown[:] = True
    assert not hole.any()


def test_distances_are_the_same_when_measured_in_bands_of_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hole = random_hole(200, 30, 0.001, seed=3)
    whole = squared_distance(hole, 9)
    monkeypatch.setattr("swapfill.masks._ELEMENTS_AT_ONCE", 1)
    np.testing.assert_array_equal(squared_distance(hole, 9), whole)


def test_a_large_picture_costs_only_its_small_hole() -> None:
    hole = np.zeros((6000, 6000), np.bool_)
    hole[100:140, 5000:5060] = True
    start = time.perf_counter()
    grow(hole, 12)
    assert time.perf_counter() - start < 0.5


def test_the_feather_is_one_in_the_hole_and_zero_from_the_radius_on() -> None:
    hole = random_hole(40, 50, 0.005, seed=2)
    weight, distance = feather_weight(hole, 6), np.sqrt(distance_by_definition(hole))
    assert weight.dtype == np.float32
    np.testing.assert_array_equal(weight == 1, hole)
    np.testing.assert_array_equal(weight > 0, distance < 6)


def test_the_feather_falls_steadily_with_the_distance_and_is_half_at_half_of_it() -> None:
    hole = np.zeros((1, 30), np.bool_)
    hole[0, :5] = True
    weight = feather_weight(hole, 10)[0, 4:]
    assert (np.diff(weight[:11]) < 0).all()
    assert weight[5] == pytest.approx(0.5)


@pytest.mark.parametrize("radius", [0, 1])
def test_a_feather_of_nothing_is_the_hole(radius: int) -> None:
    hole = random_hole(10, 10, 0.3)
    np.testing.assert_array_equal(feather_weight(hole, radius), hole)


def test_inverting_swaps_missing_and_known() -> None:
    assert invert(np.array([[True, False]])).tolist() == [[False, True]]


def test_the_bounding_box_ends_behind_the_last_hole_pixel() -> None:
    hole = np.zeros((9, 12), np.bool_)
    hole[2, 7] = hole[5, 3] = True
    assert bounding_box(hole) == Box(2, 3, 6, 8)
    assert bounding_box(np.zeros((3, 3), np.bool_)) is None


def groups_by_definition(hole: Hole, reach: int) -> set[frozenset[tuple[int, int]]]:
    """Flood from pixel to pixel."""
    left = {(int(y), int(x)) for y, x in np.argwhere(hole)}
    steps = list(itertools.product(range(-reach, reach + 1), repeat=2))
    groups = set()
    while left:
        group = edge = {left.pop()}
        while edge:
            edge = {(y + dy, x + dx) for y, x in edge for dy, dx in steps} & left
            left -= edge
            group = group | edge
        groups.add(frozenset(group))
    return groups


@settings(deadline=None)
@given(small_holes, st.integers(1, 5))
def test_components_are_the_groups_that_a_flood_finds(hole: Hole, reach: int) -> None:
    found = components(hole, reach)
    groups = {
        frozenset((int(y) + c.box.top, int(x) + c.box.left) for y, x in np.argwhere(c.part))
        for c in found
    }
    assert groups == groups_by_definition(hole, reach)
    assert len(groups) == len(found)


@settings(deadline=None)
@given(small_holes, st.integers(1, 5))
def test_the_box_of_a_component_fits_it_tightly(hole: Hole, reach: int) -> None:
    for component in components(hole, reach):
        height, width = component.box.height, component.box.width
        assert bounding_box(component.part) == Box(0, 0, height, width)


def test_a_spiral_is_one_component() -> None:
    angle = np.linspace(0, 40, 20_000)
    hole = np.zeros((200, 200), np.bool_)
    hole[
        (100 + angle * 2 * np.sin(angle)).astype(int), (100 + angle * 2 * np.cos(angle)).astype(int)
    ] = True
    assert len(components(hole)) == 1


def test_a_picture_of_36_megapixels_is_labelled_in_about_a_second() -> None:
    hole = np.zeros((6000, 6000), np.bool_)
    hole[::200, ::200] = hole[-1, -1] = True
    start = time.perf_counter()
    found = components(hole, 16)
    assert time.perf_counter() - start < 3
    assert len(found) == 30 * 30 + 1


@given(small_holes, st.integers(1, 15))
def test_a_square_that_a_hole_holds_is_missing_wholly(hole: Hole, side: int) -> None:
    squares = (
        hole[top : top + side, left : left + side]
        for top in range(hole.shape[0] - side + 1)
        for left in range(hole.shape[1] - side + 1)
    )
    assert holds_square(hole, side) == any(square.all() for square in squares)
