import time

import numpy as np
import pytest
from numpy.typing import NDArray

from swapfill.blending import RIM, align_rim, composite
from swapfill.masks import Hole, grow

Floats = NDArray[np.float32]
SIDE = 96
Y, X = (np.mgrid[:SIDE, :SIDE] / SIDE).astype(np.float32)


def smooth_truth() -> Floats:
    planes = [0.5 + 0.2 * np.sin(3 * X + 2 * Y), 0.4 + 0.2 * np.cos(4 * Y), 0.5 + 0.1 * X * Y]
    return np.stack(planes, axis=-1).astype(np.float32)


def square() -> Hole:
    hole = np.zeros((SIDE, SIDE), np.bool_)
    hole[24:66, 30:72] = True
    return hole


def disc() -> Hole:
    inside: Hole = np.hypot(X - 0.5, Y - 0.5) < 0.3
    return inside


def at_the_border() -> Hole:
    hole = np.zeros((SIDE, SIDE), np.bool_)
    hole[:40, 50:] = True
    return hole


def two() -> Hole:
    hole = np.zeros((SIDE, SIDE), np.bool_)
    hole[10:30, 10:30] = hole[40:80, 45:80] = True
    return hole


HOLES = [square, disc, at_the_border, two]


@pytest.mark.parametrize("hole", [make() for make in HOLES], ids=lambda hole: "")
def test_a_fill_of_another_tint_becomes_the_truth(hole: Hole) -> None:
    truth = smooth_truth()
    tint = np.array([0.1, -0.05, 0.02], np.float32)
    aligned = align_rim(truth + tint, truth, hole)
    np.testing.assert_allclose(aligned[hole], truth[hole], atol=1e-5)


@pytest.mark.parametrize("hole", [square(), disc(), two()], ids=lambda hole: "")
def test_a_fill_off_by_a_ramp_becomes_the_truth(hole: Hole) -> None:
    truth = smooth_truth()
    ramp = np.stack([0.2 * (X - 0.5), 0.2 * (Y - 0.5), 0.1 * (X - Y)], axis=-1)
    aligned = align_rim(truth + ramp, truth, hole)
    # Each rim pixel stands for the mean of its neighbours, some 2 pixels further out.
    np.testing.assert_allclose(aligned[hole], truth[hole], atol=3 * 0.2 / SIDE)
    assert np.abs(aligned - truth)[hole].mean() < 0.1 * np.abs(ramp[hole]).mean()


def test_the_gradient_across_the_seam_is_that_of_the_truth() -> None:
    truth, hole = smooth_truth(), square()
    tint = np.array([0.1, -0.05, 0.02], np.float32)
    result = composite(hole, align_rim(truth + tint, truth, hole), truth)
    for axis in (0, 1):
        found, wanted = np.diff(result, axis=axis), np.diff(truth, axis=axis)
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_fill_that_agrees_with_the_picture_on_the_rim_is_left_as_it_is() -> None:
    picture, hole = smooth_truth(), square()
    filled = np.where(hole[..., None], np.float32(0.25), picture)
    np.testing.assert_array_equal(align_rim(filled, picture, hole), filled)


def test_outside_the_hole_the_picture_comes_back_bit_for_bit() -> None:
    truth, hole = smooth_truth(), square()
    filled = truth + np.float32(0.1)
    aligned = align_rim(filled, truth, hole)
    np.testing.assert_array_equal(aligned[~hole], truth[~hole])
    assert (filled == smooth_truth() + np.float32(0.1)).all()


def test_only_the_rim_of_the_picture_changes_the_fill() -> None:
    picture, hole = smooth_truth(), square()
    rim = grow(hole, RIM) & ~hole
    elsewhere = np.where(rim[..., None], picture, np.float32(7))
    filled = picture + np.float32(0.1)
    expected = align_rim(filled, picture, hole)[hole]
    np.testing.assert_array_equal(align_rim(filled, elsewhere, hole)[hole], expected)


def test_the_texture_of_the_fill_is_kept() -> None:
    truth, hole = smooth_truth(), square()
    texture = np.random.default_rng(0).normal(0, 0.1, truth.shape).astype(np.float32)
    inside = grow(hole, -10)
    filled = np.where(grow(hole, -2)[..., None], truth + texture, truth) + np.float32(0.05)
    change = (align_rim(filled, truth, hole) - filled)[inside]
    np.testing.assert_allclose(change, -0.05, atol=1e-3)


def test_a_speck_on_the_rim_stains_only_what_is_next_to_it() -> None:
    truth, hole = smooth_truth(), square()
    odd = truth.copy()
    odd[44:47, 26:30] = 1  # a bright speck beside the hole that the fill knows nothing of
    stain = np.abs(align_rim(truth, odd, hole) - truth)
    assert stain[hole].max() > 0.1  # the rim is met where it is odd
    assert stain[grow(hole, -8)].max() < 0.08  # of 0.4, twice its size further in


def test_without_anything_known_the_fill_is_left_as_it_is() -> None:
    filled, hole = smooth_truth(), np.ones((SIDE, SIDE), np.bool_)
    np.testing.assert_array_equal(align_rim(filled, np.zeros_like(filled), hole), filled)


def test_without_a_hole_the_picture_comes_back() -> None:
    picture, hole = smooth_truth(), np.zeros((SIDE, SIDE), np.bool_)
    aligned = align_rim(np.zeros_like(picture), picture, hole)
    np.testing.assert_array_equal(aligned, picture)
    assert aligned is not picture


def test_the_aligned_fill_stays_between_black_and_white() -> None:
    picture, hole = np.ones((SIDE, SIDE, 3), np.float32), square()
    filled = np.where(hole[..., None], np.float32(0.9), 0.7 * picture)
    assert align_rim(filled, picture, hole)[hole].max() == 1


@pytest.mark.parametrize("size", [(1, 30), (30, 1), (2, 2), (3, 50)])
def test_the_thinnest_pictures_are_aligned(size: tuple[int, int]) -> None:
    hole = np.zeros(size, np.bool_)
    hole[0, 0] = True
    filled = np.full((*size, 3), 0.3, np.float32)
    aligned = align_rim(filled, filled + np.float32(0.1), hole)
    np.testing.assert_allclose(aligned[0, 0], 0.4, atol=1e-6)


def test_the_hole_of_the_paper_takes_a_fraction_of_the_networks_time() -> None:
    hole = np.zeros((512, 512), np.bool_)
    hole[144:368, 144:368] = True
    picture = np.full((512, 512, 3), 0.5, np.float32)
    start = time.perf_counter()
    align_rim(picture * np.float32(0.9), picture, hole)
    assert time.perf_counter() - start < 0.3  # 0.015 s when nothing else runs


def test_a_composite_is_the_fill_in_the_hole_and_the_very_picture_outside() -> None:
    picture, filled, hole = smooth_truth(), 1 - smooth_truth(), square()
    result = composite(hole, filled, picture)
    np.testing.assert_array_equal(result, np.where(hole[..., None], filled, picture))


def test_a_composite_by_weight_lies_between_the_two() -> None:
    picture, filled = np.zeros((1, 3, 3), np.float32), np.full((1, 3, 3), 1.5, np.float32)
    weight = np.array([[0, 0.25, 1]], np.float32)
    assert composite(weight, filled, picture)[0, :, 0].tolist() == [0, 0.25, 1]
