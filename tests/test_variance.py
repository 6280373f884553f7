"""Variance-preserving means of copies: who gains detail, how much, and who does not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from swapfill.variance import preserved

SIDE, CELL = 128, 4
HOLE = slice(40, 88)
FIRST, LAST = 8, 21  # patches that touch the hole, in cells
MOST = 1.5
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


def hole() -> NDArray[np.bool_]:
    missing = np.zeros((SIDE, SIDE), bool)
    missing[HOLE, HOLE] = True
    return missing


def noise(seed: int = 0, least: float = 0.3, most: float = 0.7) -> Floats:
    """Draw grey noise, blurred a little: [SIDE, SIDE, 3]."""
    shades = np.random.default_rng(seed).random((SIDE, SIDE))
    shades = (shades + np.roll(shades, 1, axis=0) + np.roll(shades, 1, axis=1)) / 3
    grey = least + (most - least) * shades
    return np.repeat(grey[..., None], 3, axis=2).astype(np.float32)


def queries() -> Integers:
    return np.stack(np.meshgrid(*[np.arange(FIRST, LAST + 1)] * 2, indexing="ij"), axis=-1).reshape(
        -1, 2
    )


def found_apart(seed: int = 1) -> Integers:
    """Let every patch take one of the top rows, each another."""
    asked, rng = queries(), np.random.default_rng(seed)
    places = np.stack([rng.integers(0, 6, len(asked)), rng.integers(0, 29, len(asked))], axis=1)
    return np.concatenate([asked, places], axis=1)


def found_together(rows: int) -> Integers:
    """Let every patch take what lies so many cells below."""
    return np.concatenate([queries(), queries() + np.array([rows, 0])], axis=1)


def mean_of_copies(picture: Floats, found: Integers) -> Floats:
    total, count = np.zeros_like(picture), np.zeros((SIDE, SIDE, 1), np.float32)
    for row, column, from_row, from_column in CELL * found:
        here = slice(row, row + 3 * CELL), slice(column, column + 3 * CELL)
        total[here] += picture[from_row : from_row + 3 * CELL, from_column : from_column + 3 * CELL]
        count[here] += 1
    pasted = np.where(count > 0, total / np.maximum(count, 1), picture)
    return np.where(hole()[..., None], pasted, picture)


def energy(picture: Floats, part: slice = HOLE) -> float:
    """Sum the squared differences of neighbouring pixels."""
    inside = picture[part, part].astype(np.float64)
    return float(
        np.square(np.diff(inside, axis=0)).sum() + np.square(np.diff(inside, axis=1)).sum()
    )


def test_what_a_mean_of_copies_that_disagree_loses_is_given_back_in_part() -> None:
    picture, found = noise(), found_apart()
    pasted = mean_of_copies(picture, found)
    assert energy(pasted) < 0.3 * energy(picture)  # nine copies
    again = preserved(pasted, picture, hole(), found)
    middle = slice(HOLE.start + 8, HOLE.stop - 8)
    assert energy(again, middle) > 1.35 * energy(pasted, middle)
    assert energy(again, middle) < MOST**2 * energy(pasted, middle)


def test_copies_that_show_the_same_lose_nothing_and_gain_nothing() -> None:
    truth, found = np.tile(noise()[: 8 * CELL], (4, 1, 1)), found_together(8)
    pasted = mean_of_copies(truth, found)
    np.testing.assert_allclose(pasted, truth, atol=1e-6)
    again = preserved(pasted, truth, hole(), found)
    assert energy(again) == pytest.approx(energy(truth), rel=0.02)  # the picture ends below


def test_it_is_amplified_by_a_half_at_most() -> None:
    """A mean that is nearly flat, of copies that are not."""
    picture, found = noise(), found_apart()
    faint = np.where(hole()[..., None], 0.5 + 0.1 * (noise(3) - 0.5), picture).astype(np.float32)
    change = preserved(faint, picture, hole(), found) - faint
    middle = slice(HOLE.start + 8, HOLE.stop - 8)
    assert energy(faint + change, middle) == pytest.approx(MOST**2 * energy(faint, middle), rel=0.2)


def test_what_has_more_detail_than_its_copies_stays() -> None:
    flat = np.full((SIDE, SIDE, 3), 0.4, np.float32)
    pasted = np.where(hole()[..., None], noise(), flat)
    np.testing.assert_array_equal(preserved(pasted, flat, hole(), found_apart()), pasted)


def test_known_pixels_and_colours_stay() -> None:
    colours = noise() * np.array([0.9, 1, 0.5], np.float32)
    found = found_apart()
    pasted = mean_of_copies(colours, found)
    change = preserved(pasted, colours, hole(), found) - pasted
    assert np.array_equal(change[~hole()], np.zeros_like(change[~hole()]))
    assert np.abs(change[hole()]).max() > 0.01
    np.testing.assert_allclose(change, change[..., :1].repeat(3, axis=2), atol=1e-6)


def test_values_stay_in_range() -> None:
    picture, found = noise(4, -0.6, 1.6).clip(0, 1), found_apart()
    dark = np.where(hole()[..., None], np.roll(picture, 44, axis=0) ** 8, picture)
    again = preserved(dark.astype(np.float32), picture, hole(), found)
    assert again.min() >= 0
    assert again.max() <= 1
    assert again.dtype == np.float32


def test_a_hole_at_the_border_of_a_window() -> None:
    picture, found = noise(), found_apart()
    missing = np.zeros((SIDE, SIDE), bool)
    missing[32:, :] = True
    asked = np.stack(np.meshgrid(np.arange(8, 30), np.arange(30), indexing="ij"), -1).reshape(-1, 2)
    found = np.concatenate([asked, asked % [6, 30]], axis=1)
    again = preserved(picture * missing[..., None] * 0.5, picture, missing, found)
    assert np.isfinite(again).all()
    assert not again[:32].any()
