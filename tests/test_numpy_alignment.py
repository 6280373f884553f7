import numpy as np
import pytest
import torch

from swapfill import alignment
from swapfill.engines.numpy_alignment import align
from swapfill.engines.numpy_swap import Match, touching
from swapfill.patch_swap import Match as TorchMatch


def periodic(period: int, size: tuple[int, int]) -> np.ndarray:
    """Features that repeat every `period` columns and are different everywhere else."""
    one = np.random.default_rng(0).normal(size=(16, size[0], period)).astype(np.float32)
    return np.tile(one, (1, 1, size[1] // period + 1))[:, :, : size[1]]


def a_hole(size: tuple[int, int], factor: int) -> tuple[np.ndarray, np.ndarray]:
    """One of 4 x 4 coarse cells, on the coarse map and on the fine one."""
    coarse = np.zeros((size[0] // factor, size[1] // factor), bool)
    coarse[3:7, 3:7] = True
    return coarse, coarse.repeat(factor, axis=0).repeat(factor, axis=1)


def one_piece(coarse_hole: np.ndarray, columns: int) -> Match:
    query = np.argwhere(touching(coarse_hole))
    return Match(query, query + np.array([0, columns]))


@pytest.mark.parametrize(("factor", "period", "move"), [(2, 23, 3), (4, 42, 2), (4, 37, -3)])
def test_a_piece_moves_to_where_it_continues_the_rim(factor: int, period: int, move: int) -> None:
    """Carried by ten coarse cells, it misses the period by `move` fine ones."""
    size = (10 * factor, 24 * factor)
    coarse_hole, hole = a_hole(size, factor)
    match = one_piece(coarse_hole, (period - move) // factor)
    moved = align(match, periodic(period, size), hole, factor)
    assert (moved == (0, move)).all()  # the middle moves with its piece


@pytest.mark.parametrize("factor", [1, 2, 4, 8, 16])
def test_moves_are_those_of_torch(factor: int) -> None:
    size = (10 * factor, 24 * factor)
    coarse_hole, hole = a_hole(size, factor)
    hole[: 4 * factor, : 4 * factor] = False  # ragged
    match = one_piece(coarse_hole, 10)
    match.candidate[::3] -= (0, 1)  # three pieces
    match.candidate[1::7] += (1, 0)
    fine = np.random.default_rng(1).random((5, *size), dtype=np.float32)
    query, candidate = (torch.from_numpy(part) for part in match)
    as_theirs = TorchMatch(query, candidate, torch.ones(1))
    wanted = alignment.align(
        as_theirs, torch.from_numpy(fine), torch.from_numpy(hole)[None], factor
    )
    found = align(match, fine, hole, factor)
    np.testing.assert_array_equal(found, wanted.numpy())
    assert found.any() == (factor > 1)


def test_ties_stay() -> None:
    coarse_hole, hole = a_hole((40, 96), 4)
    assert not align(one_piece(coarse_hole, 10), np.ones((16, 40, 96), np.float32), hole, 4).any()
