import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill import coherent_maps
from swapfill.beside import Beside, beside
from swapfill.coherent_maps import swap_maps_coherently
from swapfill.errors import NoKnownPatchError
from swapfill.matching import swap_coherently
from swapfill.patch_swap import Match

SIDE = 20
# Rows, columns and sizes of holes; together ragged ones, at borders, far apart; none.
HOLES = [
    [(6, 7, 5, 6)],
    [(0, 13, 4, 7), (4, 17, 6, 3)],
    [(15, 0, 5, 4), (2, 9, 1, 6), (3, 14, 6, 1)],
    [],
    [(8, 0, 3, 20)],
]


def holes(factor: int = 1) -> Tensor:
    found = torch.zeros(len(HOLES), 1, SIDE * factor, SIDE * factor, dtype=torch.bool)
    for one, parts in zip(found[:, 0], HOLES, strict=True):
        for top, left, height, width in parts:
            rows = slice(top * factor + factor // 2, (top + height) * factor)
            one[rows, left * factor : (left + width) * factor] = True
    return found


def maps(factor: int = 1, channels: int = 8, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rough = torch.rand(len(HOLES), channels, SIDE * factor, SIDE * factor, generator=generator)
    return F.avg_pool2d(rough, 3, stride=1, padding=1)


def one_by_one(
    features: Tensor,
    hole: Tensor,
    expected: Tensor | None,
    coarse: list[Match | None],
    factor: int,
    values: Tensor,
    seed: int = 0,
    around: list[Beside] | None = None,
) -> tuple[Tensor, list[Match | None]]:
    found = [
        swap_coherently(
            *(features[i], hole[i], None if expected is None else expected[i], coarse[i], factor),
            bonus=0.05,
            values=values[i],
            seed=seed,
            beside=None if around is None else around[i],
        )
        for i in range(len(hole))
    ]
    return torch.stack([one for one, _ in found]), [its for _, its in found]


def assert_same(found: list[Match | None], wanted: list[Match | None]) -> None:
    assert [one is None for one in found] == [one is None for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        if one is not None and other is not None:
            assert torch.equal(one.query, other.query)
            assert torch.equal(one.candidate, other.candidate)
            torch.testing.assert_close(one.similarity, other.similarity)


@pytest.mark.parametrize(("asks", "seed", "block"), [(False, 0, 1 << 25), (True, 3, 1 << 17)])
def test_a_batch_is_matched_as_each_map_alone(
    asks: bool, seed: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coherent_maps, "_BLOCK", block)
    features, hole, values = maps(), holes(), maps(channels=5, seed=1)
    expected = F.normalize(maps(seed=2), dim=1) if asks else None
    nothing: list[Match | None] = [None] * len(hole)
    around = [
        beside(one[:3], its, 2.0, 0.7)._replace(look=look)
        for one, its, look in zip(features, hole, maps(channels=4, seed=3), strict=True)
    ]
    colours = around if asks else None
    own = swap_maps_coherently(features, hole, expected, nothing, 1, 0.05, values, seed, colours)
    wanted = one_by_one(features, hole, expected, nothing, 1, values, seed, colours)
    assert_same(own[1], wanted[1])
    torch.testing.assert_close(own[0], wanted[0])
    assert torch.equal(own[0][~hole.expand_as(values)], values[~hole.expand_as(values)])


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_batch_is_carried_as_each_map_alone(factor: int) -> None:
    nothing: list[Match | None] = [None] * len(HOLES)
    _, coarse = one_by_one(maps(), holes(), None, nothing, 1, maps())
    features, hole, values = maps(factor, seed=4), holes(factor), maps(factor, 5, seed=5)
    own = swap_maps_coherently(features, hole, None, coarse, factor, 0.05, values)
    wanted = one_by_one(features, hole, None, coarse, factor, values)
    assert_same(own[1], wanted[1])
    torch.testing.assert_close(own[0], wanted[0])


def test_what_no_coarse_match_leads_to_a_candidate_takes_the_nearest() -> None:
    nothing: list[Match | None] = [None] * len(HOLES)
    _, coarse = one_by_one(maps(), holes(), None, nothing, 1, maps())
    elsewhere = torch.roll(holes(2), (6, -4), (2, 3))
    features = maps(2, seed=4)
    own = swap_maps_coherently(features, elsewhere, None, coarse, 2, 0.05, features)
    wanted = one_by_one(features, elsewhere, None, coarse, 2, features)
    assert_same(own[1], wanted[1])


def test_large_maps_are_asked_tile_by_tile_as_each_alone() -> None:
    hole = torch.zeros(2, 1, 66, 66, dtype=torch.bool)
    hole[0, 0, 5:60, 20:22] = hole[1, 0, 30:32, 3:9] = True
    features = torch.rand(2, 4, 66, 66, generator=torch.Generator().manual_seed(6))
    own = swap_maps_coherently(features, hole, None, [None, None], 1, 0.05, features)
    wanted = one_by_one(features, hole, None, [None, None], 1, features)
    assert_same(own[1], wanted[1])


def test_maps_with_few_candidates_list_what_they_have() -> None:
    features, hole = maps()[:2], holes()[:2]
    hole[1] = True
    hole[1, 0, 3:8, 3:9] = False  # twelve candidates
    own = swap_maps_coherently(features, hole, None, [None, None], 1, 0.05, features)
    wanted = one_by_one(features, hole, None, [None, None], 1, features)
    assert_same(own[1], wanted[1])


def test_a_batch_without_holes_stays_as_it_is() -> None:
    features, hole = maps()[:2], torch.zeros(2, 1, SIDE, SIDE, dtype=torch.bool)
    swapped, found = swap_maps_coherently(features, hole, None, [None, None], 1, 0.05, features)
    assert torch.equal(swapped, features)
    assert found == [None, None]


def test_a_hole_that_leaves_no_candidate_is_refused() -> None:
    hole = holes()
    hole[2] = True
    with pytest.raises(NoKnownPatchError, match="20x20 features"):
        swap_maps_coherently(maps(), hole, None, [None] * 5, 1, 0.05, maps())
