import pytest
import torch
from torch import Tensor

from swapfill.alignment import align
from swapfill.patch_swap import Match, touching


def periodic(period: int, size: tuple[int, int]) -> Tensor:
    """Features that repeat every `period` columns and are different everywhere else."""
    generator = torch.Generator().manual_seed(0)
    height, width = size
    one = torch.randn(16, height, period, generator=generator)
    return one.repeat(1, 1, width // period + 1)[:, :, :width]


def a_hole(size: tuple[int, int], factor: int) -> tuple[Tensor, Tensor]:
    """One of 4 x 4 coarse cells, on the coarse map and on the fine one."""
    coarse = torch.zeros(1, size[0] // factor, size[1] // factor, dtype=torch.bool)
    coarse[:, 3:7, 3:7] = True
    return coarse, coarse.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)


def one_piece(coarse_hole: Tensor, columns: int) -> Match:
    query = touching(coarse_hole).nonzero()
    return Match(query, query + torch.tensor([0, columns]), torch.ones(len(query)))


@pytest.mark.parametrize(("factor", "period", "move"), [(2, 23, 3), (4, 42, 2), (4, 37, -3)])
def test_a_piece_moves_to_where_it_continues_the_rim(factor: int, period: int, move: int) -> None:
    """Carried by ten coarse cells, it misses the period by `move` fine ones."""
    size = (10 * factor, 24 * factor)
    coarse_hole, hole = a_hole(size, factor)
    match = one_piece(coarse_hole, (period - move) // factor)
    moved = align(match, periodic(period, size), hole, factor)
    assert moved.tolist() == [[0, move]] * len(match.query)  # the middle moves with its piece


def test_a_far_move_is_found_coarse_to_fine() -> None:
    factor, period = 8, 8 * 9 + 7  # 7 fine cells: one step of two too little, then one back
    size = (10 * factor, 24 * factor)
    coarse_hole, hole = a_hole(size, factor)
    smooth = torch.nn.functional.avg_pool2d(periodic(period, size)[None], 5, 1, 2)[0]
    moved = align(one_piece(coarse_hole, 9), smooth, hole, factor)
    assert float((moved[:, 1] - 7).abs().max()) <= 1
    assert float(moved[:, 0].abs().max()) <= 1


def test_ties_stay() -> None:
    size = (40, 96)
    coarse_hole, hole = a_hole(size, 4)
    match = one_piece(coarse_hole, 10)
    assert not align(match, torch.ones(16, *size), hole, 4).any()


def test_matches_of_the_maps_own_scale_stay() -> None:
    coarse_hole, hole = a_hole((10, 24), 1)
    match = one_piece(coarse_hole, 10)
    assert not align(match, periodic(7, (10, 24)), hole, 1).any()


def test_pieces_from_different_places_move_on_their_own() -> None:
    """The upper half comes from ten cells to the right, the lower from where it fits already."""
    factor, period = 4, 44
    size = (40, 160)
    features = periodic(period, size)
    coarse_hole, hole = a_hole(size, factor)
    match = one_piece(coarse_hole, 11)
    features[:, :20] = periodic(42, (20, 160))
    upper = match.query[:, 0] < 4
    match.candidate[upper] -= torch.tensor([0, 1])
    moved = align(match, features, hole, factor)
    assert moved[~upper].tolist() == [[0, 0]] * int((~upper).sum())
    assert (moved[upper] == torch.tensor([0, 2])).all(dim=1).float().mean() > 0.9
