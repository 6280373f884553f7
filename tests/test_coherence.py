import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from swapfill import coherence
from swapfill.coherence import Shortlist, agree, carry
from swapfill.patch_swap import Match


def similarities(seed: int, queries: tuple[int, int], candidates: tuple[int, int]) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*queries, *candidates, generator=generator)


def everyone(similarity: Tensor) -> Tensor:
    return torch.ones(similarity.shape[:2], dtype=torch.bool)


def listed(similarity: Tensor, asked: Tensor) -> Shortlist:
    """All candidates of [a, b, h, w], for who is asked."""
    flat = similarity.flatten(2)[asked]
    index = torch.arange(flat.shape[1]).expand_as(flat)
    return Shortlist(asked.nonzero(), index, flat, similarity.shape[3])


def all_different(similarity: Tensor) -> Tensor:
    """Cells that have nothing in common, [C, h + 2, w + 2]: only a piece of one place goes on."""
    height, width = (n + 2 for n in similarity.shape[2:])
    return torch.eye(height * width).view(-1, height, width)


def some_alike(similarity: Tensor, seed: int) -> Tensor:
    """Cells of which some resemble others, as features do."""
    height, width = (n + 2 for n in similarity.shape[2:])
    cells = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(cells.square(), dim=0)


def looks(similarity: Tensor, seed: int) -> Tensor:
    """How cells look, [2, h + 2, w + 2], off from where squares are small."""
    height, width = (n + 2 for n in similarity.shape[2:])
    return torch.rand(2, height, width, generator=torch.Generator().manual_seed(seed)) + 0.5


def chosen_of(
    similarity: Tensor,
    asked: Tensor,
    bonus: float,
    sweeps: int,
    unit: Tensor | None = None,
    look: Tensor | None = None,
) -> Tensor:
    """The choices as a map, [a, b]; -1 where nobody asked."""
    chosen = torch.full(asked.shape, -1)
    unit = all_different(similarity) if unit is None else unit
    chosen[asked] = agree(listed(similarity, asked), unit, bonus, sweeps, look)
    return chosen


def value(
    similarity: Tensor, chosen: Tensor, bonus: float, unit: Tensor, look: Tensor | None = None
) -> float:
    """What is maximised, written out: similarities, and how well pieces continue each other."""
    look = unit[:0] if look is None else look
    height, width = similarity.shape[:2]
    place = {
        (y, x): divmod(int(chosen[y, x]), similarity.shape[3])
        for y, x in itertools.product(range(height), range(width))
    }
    total = sum(float(similarity[q][c]) for q, c in place.items())
    for ((y, x), one), (down, right) in itertools.product(place.items(), ((0, 1), (1, 0))):
        if other := place.get((y + down, x + right)):
            here, there = ((slice(None), r + 1, c + 1) for r, c in (one, other))
            onward = (slice(None), one[0] + 1 + down, one[1] + 1 + right)
            backward = (slice(None), other[0] + 1 - down, other[1] + 1 - right)
            for first, second in ((onward, there), (here, backward)):
                total += bonus * float(unit[first] @ unit[second]) / 2
                total -= float((look[first] - look[second]).square().sum())
    return total


@pytest.mark.parametrize("seed", range(4))
def test_without_a_bonus_each_query_takes_its_own_best(seed: int) -> None:
    similarity = similarities(seed, (3, 4), (4, 5))
    wanted = similarity.flatten(2).argmax(dim=-1)
    assert torch.equal(chosen_of(similarity, everyone(similarity), 0.0, 5), wanted)
    assert torch.equal(chosen_of(similarity, everyone(similarity), 0.3, 0), wanted)


@pytest.mark.parametrize("upright", [False, True])
def test_two_neighbours_agree_if_the_bonus_outweighs_what_it_costs(upright: bool) -> None:
    """By hand: apart they score 1.0 + 1.0; together 1.0 + 0.8 + bonus."""
    similarity = torch.zeros(1, 2, 1, 4)
    similarity[0, 0, 0] = torch.tensor([0.0, 0.9, 1.0, 0.0])
    similarity[0, 1, 0] = torch.tensor([1.0, 0.0, 0.0, 0.8])
    if upright:
        similarity = similarity.permute(1, 0, 3, 2).contiguous()
    asked = everyone(similarity)
    assert chosen_of(similarity, asked, 0.19, 3).flatten().tolist() == [2, 0]
    assert chosen_of(similarity, asked, 0.21, 3).flatten().tolist() == [2, 3]


def test_a_bonus_goes_to_the_same_offset_only_never_to_the_same_place() -> None:
    similarity = torch.zeros(1, 2, 1, 4)
    similarity[0, 0, 0] = torch.tensor([0.0, 0.0, 1.0, 0.0])
    similarity[0, 1, 0] = torch.tensor([0.5, 0.4, 0.45, 0.3])
    # right of candidate 2 is 3; staying at 2, or stepping back to 1, is no agreement
    assert chosen_of(similarity, everyone(similarity), 0.15, 3).flatten().tolist() == [2, 0]
    assert chosen_of(similarity, everyone(similarity), 0.25, 3).flatten().tolist() == [2, 3]


@pytest.mark.parametrize("cells", [lambda similarity, _: all_different(similarity), some_alike])
@pytest.mark.parametrize(
    ("bonus", "seen"), [(0.1, False), (0.4, False), (1.0, False), (0.4, True), (0.0, True)]
)
@pytest.mark.parametrize("seed", range(3))
def test_is_exact_along_a_row(
    bonus: float, seen: bool, seed: int, cells: Callable[[Tensor, int], Tensor]
) -> None:
    """Without cycles max-product finds the optimum: against trying everything."""
    similarity = similarities(seed, (1, 4), (2, 3))
    unit, look = cells(similarity, seed), looks(similarity, seed) if seen else None
    tried = [
        value(similarity, torch.tensor([choice]), bonus, unit, look)
        for choice in itertools.product(range(6), repeat=4)
    ]
    found = chosen_of(similarity, everyone(similarity), bonus, 8, unit, look)
    assert value(similarity, found, bonus, unit, look) == pytest.approx(max(tried))


@pytest.mark.parametrize("bonus", [0.1, 0.4])
@pytest.mark.parametrize("seed", range(6))
def test_is_never_worse_than_each_for_itself_over_a_square(bonus: float, seed: int) -> None:
    similarity = similarities(seed, (4, 4), (5, 5))
    alone = similarity.flatten(2).argmax(dim=-1)
    unit, look = some_alike(similarity, seed), looks(similarity, seed)
    for asked in ((all_different(similarity), None), (unit, None), (unit, look)):
        found = chosen_of(similarity, everyone(similarity), bonus, 12, *asked)
        gained = value(similarity, found, bonus, *asked) - value(similarity, alone, bonus, *asked)
        assert gained > 0


@pytest.mark.parametrize("seed", range(6))
def test_no_query_alone_would_choose_better(seed: int) -> None:
    similarity = similarities(seed, (4, 4), (5, 5))
    unit, look = some_alike(similarity, seed), looks(similarity, seed)
    found = chosen_of(similarity, everyone(similarity), 0.4, 4, unit, look)
    reached = value(similarity, found, 0.4, unit, look)
    for y, x, other in itertools.product(range(4), range(4), range(25)):
        tried = found.clone()
        tried[y, x] = other
        assert value(similarity, tried, 0.4, unit, look) < reached + coherence.STEP


def test_of_what_is_as_good_but_for_rounding_the_first_is_chosen() -> None:
    similarity = torch.full((3, 3, 4, 4), 0.25)
    similarity += 1e-6 * similarities(0, (3, 3), (4, 4))
    assert (chosen_of(similarity, everyone(similarity), 0.0, 4) == 0).all()


def test_before_the_first_word_all_cells_look_the_same() -> None:
    """Squares that are part of messages may not count before the products that go with them."""
    similarity = similarities(0, (3, 3), (4, 4))
    alone = chosen_of(similarity, everyone(similarity), 0.4, 0)
    look = 9 * looks(similarity, 0)
    assert torch.equal(chosen_of(similarity, everyone(similarity), 0.4, 0, look=look), alone)


def test_a_border_between_two_pieces_lies_where_it_does_not_show() -> None:
    """By hand: the second query's best is a place like nothing next to the first's; the next best
    one looks just as what lies right of the first's piece."""
    similarity = torch.zeros(1, 2, 1, 8)
    similarity[0, 0, 0, 0] = 1.0
    similarity[0, 1, 0, [4, 6]] = torch.tensor([0.5, 0.45])
    unit = all_different(similarity)
    unit[:, 1, 7] = unit[:, 1, 2]  # the middle of piece 6, and what follows that of piece 0
    asked = everyone(similarity)
    assert chosen_of(similarity, asked, 0.09, 3, unit).flatten().tolist() == [0, 4]
    assert chosen_of(similarity, asked, 0.11, 3, unit).flatten().tolist() == [0, 6]


def test_one_whole_piece_is_copied_where_noise_hides_it() -> None:
    """Each query's own best is noise; the right piece is a little below it, everywhere."""
    similarity = 0.5 * similarities(0, (4, 4), (8, 8))
    for y, x in itertools.product(range(4), range(4)):
        similarity[y, x, y + 3, x + 2] = 0.45
    wanted = [(y + 3) * 8 + x + 2 for y in range(4) for x in range(4)]
    assert similarity.flatten(2).argmax(dim=-1).flatten().tolist() != wanted
    assert chosen_of(similarity, everyone(similarity), 0.1, 8).flatten().tolist() == wanted


def test_an_opinion_travels_one_query_a_sweep_at_least() -> None:
    """A sure query at one end decides for those that see no difference."""
    similarity = torch.zeros(1, 6, 1, 9)
    similarity[0, 0, 0, 2] = 1.0
    found = chosen_of(similarity, everyone(similarity), 0.1, 6)
    assert found.flatten().tolist() == [2, 3, 4, 5, 6, 7]


def test_candidates_that_are_not_allowed_are_never_chosen() -> None:
    similarity = similarities(0, (3, 3), (4, 4))
    barred = torch.zeros(4, 4, dtype=torch.bool)
    barred[1:3, 1:3] = True
    for low in (-1e30, -10.0, -torch.inf):
        chosen = chosen_of(similarity.masked_fill(barred, low), everyone(similarity), 0.5, 8)
        assert not barred.flatten()[chosen].any()


def test_queries_that_are_not_asked_say_nothing() -> None:
    similarity = torch.zeros(1, 3, 1, 4)
    similarity[0, 0, 0, 0] = 5.0  # would pull the second to candidate 1
    similarity[0, 1, 0] = torch.tensor([0.0, 0.0, 0.1, 0.0])
    similarity[0, 2, 0] = torch.tensor([0.0, 0.0, 0.0, 0.1])
    asked = torch.tensor([[False, True, True]])
    assert chosen_of(similarity, asked, 0.4, 4)[0, 1:].tolist() == [2, 3]
    # and none, asked or not, is carried past one: the first and the third do not know each other
    alone = torch.tensor([[True, False, True]])
    assert chosen_of(similarity, alone, 0.4, 4)[0, [0, 2]].tolist() == [0, 3]


def test_the_end_of_a_row_does_not_touch_the_start_of_the_next() -> None:
    """Candidate 3 lies right of candidate 2 in reading order, but in the next row of three."""
    similarity = torch.zeros(1, 2, 2, 3)
    similarity[0, 0].view(-1)[2] = 1.0
    similarity[0, 1].view(-1)[[3, 5]] = torch.tensor([0.8, 0.9])
    assert chosen_of(similarity, everyone(similarity), 0.3, 4).tolist() == [[2, 5]]


def test_what_comes_in_is_left_as_it_was() -> None:
    similarity = similarities(0, (3, 3), (4, 4))
    given = listed(similarity, everyone(similarity))
    before = given.similarity.clone()
    agree(given, all_different(similarity), 0.5, 3)
    assert torch.equal(given.similarity, before)


def matches(pairs: dict[tuple[int, int], tuple[int, int]]) -> Match:
    query, candidate = torch.tensor(list(pairs)), torch.tensor(list(pairs.values()))
    return Match(query, candidate, torch.ones(len(pairs)))


def test_a_fine_query_inherits_the_offset_of_the_coarse_one_it_lies_in() -> None:
    """By hand, factor 2. Patches are named by their top left cell, so a centre is one further.

    The fine centre (7, 8) lies in coarse cell (3, 4), the centre of coarse patch (2, 3).
    """
    coarse = matches({(2, 3): (0, 5), (2, 4): (6, 1), (3, 3): (2, 2), (3, 4): (3, 3)})
    query = torch.tensor([[6, 7], [6, 9], [7, 8], [8, 10]])
    found = carry(coarse, query, 2, (30, 30))
    # offsets (-2, 2), (4, -3), (-1, -1), (0, -1), each twice as far
    # centres (7,8) (7,10) (8,9) (9,11): cells (3,4) (3,5) (4,4) (4,5): patches (2,3) (2,4) ...
    assert found.tolist() == [[2, 11], [14, 3], [5, 6], [8, 8]]


def test_neighbours_in_one_coarse_cell_stay_neighbours() -> None:
    coarse = matches({(2, 2): (7, 9), (2, 3): (0, 0), (3, 2): (0, 0), (3, 3): (0, 0)})
    query = torch.tensor([[5, 5], [5, 6], [6, 5], [6, 6]])  # centres (6..7, 6..7): one cell
    found = carry(coarse, query, 2, (40, 40))
    assert (found - query).tolist() == [[10, 14]] * 4


def test_a_factor_of_four_reaches_four_times_as_far() -> None:
    coarse = matches({(1, 1): (3, 0), (1, 2): (1, 2), (2, 1): (2, 1), (2, 2): (2, 2)})
    query = torch.tensor([[7, 7], [10, 10], [11, 11]])  # centres 8, 11 (cell 2) and 12 (cell 3)
    assert (carry(coarse, query, 4, (60, 60)) - query).tolist() == [[8, -4], [8, -4], [0, 0]]


def test_a_query_beyond_the_coarse_ones_takes_the_nearest() -> None:
    coarse = matches({(2, 2): (2, 4), (5, 5): (5, 8), (2, 5): (2, 5)})
    # centres (4, 4): coarse patch (1, 1), outside their box; (10, 10): (4, 4), missing inside it
    query = torch.tensor([[3, 3], [9, 9]])
    assert (carry(coarse, query, 2, (40, 40)) - query).tolist() == [[0, 4], [0, 6]]


def test_an_inherited_place_stays_inside_the_map() -> None:
    coarse = matches({(2, 2): (0, 9), (3, 3): (9, 0)})
    query = torch.tensor([[5, 5], [8, 8]])
    # offsets (-4, 14) and (12, -6)
    assert carry(coarse, query, 2, (14, 14)).tolist() == [[1, 13], [13, 2]]


def test_the_nearest_is_the_same_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    points, among = torch.randint(0, 9, (50, 2)).float(), torch.randint(0, 9, (30, 2)).float()
    at_once = coherence.nearest(points, among)
    monkeypatch.setattr(coherence, "_DISTANCES", 90)
    assert torch.equal(coherence.nearest(points, among), at_once)
    distance = (points[:, None] - among[None]).square().sum(dim=2)
    assert torch.equal(at_once, distance.argmin(dim=1))


def test_agreement_is_the_same_under_autocast() -> None:
    """Feature2Image learns in bf16 on pieces that are matched there."""
    similarity = similarities(3, (4, 5), (6, 6))
    asked = everyone(similarity)
    asked[1, 2:] = False  # lines end within what is weighed at once
    given = (listed(similarity, asked), some_alike(similarity, 1), 0.9, 4)
    wanted = agree(*given)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(agree(*given), wanted)
