"""Pieces put in place by the pixel: what moves them, what does not, and what is copied again."""

import numpy as np
import pytest
from numpy.typing import NDArray

from swapfill.registration import moved_pieces, registered

SIDE, CELL, PERIOD = 128, 4, 22  # the period is no multiple of a cell
HOLE = slice(40, 80)
Integers = NDArray[np.int64]


def hole(side: int = SIDE) -> NDArray[np.bool_]:
    missing = np.zeros((side, side), bool)
    missing[HOLE, HOLE] = True
    return missing


def slats(side: int = SIDE, period: int = PERIOD) -> NDArray[np.float32]:
    """Draw upright slats, round and unlike from side to side: [side, side, 3]."""
    angle = 2 * np.pi * (np.arange(side)[:, None] + np.array([0, 2, 5])) / period
    shades = 0.5 + 0.2 * np.sin(angle) + 0.2 * np.cos(2 * angle + 1)
    return np.tile(shades.astype(np.float32), (side, 1, 1))


def found_at(row: int, column: int, first: int = 8, last: int = 19) -> Integers:
    """Let every patch of rows and columns first..last take what lies at one offset, in cells."""
    places = np.stack(np.meshgrid(*[np.arange(first, last + 1)] * 2, indexing="ij"), -1)
    query = places.reshape(-1, 2)
    return np.concatenate([query, query + np.array([row, column])], axis=1)


def moved(picture: NDArray[np.float32], found: Integers) -> Integers:
    return registered(
        np.where(hole(len(picture))[..., None], 0, picture), hole(len(picture)), found
    )


def test_slats_are_moved_into_step() -> None:
    """Six cells are 24 pixels, a period is 22."""
    moves = moved(slats(), found_at(0, 6, 8, 14))
    assert (moves == (0, -2)).all()


@pytest.mark.parametrize(("columns", "move"), [(5, 2), (-6, 2), (-5, -2), (10, 4), (11, 0)])
def test_they_are_moved_by_what_is_left_of_a_period(columns: int, move: int) -> None:
    assert (moved(slats(), found_at(0, columns, 8, 10)) == (0, move)).all()


def test_a_move_may_be_up_and_down_and_odd() -> None:
    upright = slats(period=19).transpose(1, 0, 2)
    assert (moved(upright, found_at(6, 0, 8, 12)) == (-5, 0)).all()
    assert (moved(upright, found_at(4, 0, 8, 12)) == (3, 0)).all()


def test_each_piece_has_its_own_move() -> None:
    found = np.concatenate([found_at(0, 6, 8, 12), found_at(0, -6, 13, 17)])
    moves = moved(slats(), found)
    assert (moves[:25] == (0, -2)).all()
    assert (moves[25:] == (0, 2)).all()


def test_what_is_hardly_a_piece_stays() -> None:
    found = found_at(0, 6, 8, 10)
    assert moved(slats(), found[:5]).any()
    assert not moved(slats(), found[:4]).any()


def test_where_nothing_is_better_a_piece_stays() -> None:
    plain = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    assert not moved(plain, found_at(0, 6)).any()
    noise = np.random.default_rng(1).random((SIDE, SIDE, 3), dtype=np.float32)
    assert not moved(noise, found_at(0, 11)).any()


def test_where_next_to_nothing_is_known_a_piece_stays() -> None:
    everywhere = np.ones((SIDE, SIDE), bool)
    everywhere[:, 9::40] = False
    assert not registered(slats(), everywhere, found_at(0, 6)).any()


def test_what_lies_in_the_hole_is_not_looked_at() -> None:
    found = found_at(0, 6, 8, 14)
    wild = np.where(hole()[..., None], np.random.default_rng(2).random((SIDE, SIDE, 3)), slats())
    assert np.array_equal(registered(wild.astype(np.float32), hole(), found), moved(slats(), found))


def test_a_large_window_is_sampled_and_moved_alike() -> None:
    side = 1024
    assert (moved(slats(side), found_at(0, 6, 8, 14)) == (0, -2)).all()


def test_what_moves_is_copied_from_there() -> None:
    picture = np.random.default_rng(3).random((SIDE, SIDE, 3), dtype=np.float32)
    found = found_at(1, 11)
    pasted = np.where(hole()[..., None], np.roll(picture, (-4, -44), (0, 1)), picture)
    again = moved_pieces(pasted, picture, hole(), found, np.tile([3, -2], (len(found), 1)))
    expected = np.roll(picture, (-7, -42), (0, 1))
    inside = hole() & ~hole()[np.roll(np.arange(SIDE), -7)][:, np.roll(np.arange(SIDE), -42)]
    assert np.allclose(again[inside], expected[inside], atol=1e-6)
    assert np.array_equal(again[~hole()], pasted[~hole()])


def test_slats_that_were_out_of_step_are_as_they_were() -> None:
    truth, found = slats(), found_at(0, 12)
    known = np.where(hole()[..., None], 0, truth)
    pasted = np.where(hole()[..., None], np.roll(truth, -48, axis=1), truth)
    moves = registered(known, hole(), found)
    assert (moves == (0, -4)).all()
    again = moved_pieces(pasted, known, hole(), found, moves)
    assert np.abs(pasted - truth).max() > 0.1
    assert np.allclose(again, truth, atol=1e-6)


def test_where_two_pieces_meet_each_has_its_share() -> None:
    """A cell is covered by nine patches: where half of them move, half of it changes."""
    truth, left, right = slats(), found_at(0, 12, 8, 13), found_at(0, 12, 8, 13)
    right[:, [1, 3]] += 6
    found = np.concatenate([left, right])
    moves = np.concatenate([np.zeros_like(left[:, :2]), np.tile([0, -4], (len(right), 1))])
    zeros = np.zeros_like(truth)
    change = moved_pieces(zeros, truth, hole(), found, moves)
    whole = np.roll(truth, -44, axis=1) - np.roll(truth, -48, axis=1)
    row, columns = 4 * 11, 4 * np.arange(13, 17)  # covered by 0, 3, 6 and 9 of the right's copies
    for share, column in zip((0, 1 / 3, 2 / 3, 1), columns, strict=True):
        assert np.allclose(change[row, column], share * whole[row, column], atol=1e-6)


def test_what_would_be_taken_from_the_hole_is_taken_from_where_it_was() -> None:
    truth, found = slats(), found_at(0, 10)  # 40 pixels: the hole's own width
    moves = np.tile([0, -4], (len(found), 1))
    holed = np.where(hole()[..., None], 9, truth).astype(np.float32)
    again = moved_pieces(np.zeros_like(truth), holed, hole(), found, moves)
    assert np.abs(again).max() < 2  # nowhere the hole's 9
    assert np.array_equal(again[HOLE, 40:44], np.zeros_like(again[HOLE, 40:44]))
    assert again[HOLE, 44:80].any()
