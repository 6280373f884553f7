import torch

from swapfill.beside import beside, look_of
from swapfill.matching import coherent_match


def half_and_half(side: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Dark on the left, bright on the right, with a hole between the two."""
    colours = torch.full((3, side, side), 0.2)
    colours[:, :, side // 2 :] = 0.8
    hole = torch.zeros(1, side, side, dtype=torch.bool)
    hole[0, 8:16, 8:16] = True
    return colours, hole


def test_the_product_is_what_the_difference_of_two_cells_costs() -> None:
    colours, hole = half_and_half(40)
    channels = beside(colours, torch.zeros_like(hole), 3.0, 2.0)

    def cost(asks: int, keys: int) -> torch.Tensor:
        return channels.asks[:, 20, asks] @ channels.keys[:, 20, keys]

    # Far from the border between the halves a blur changes nothing.
    near, far = -2.0 * (3 / 40) ** 2, -2.0 * (36 / 40) ** 2
    torch.testing.assert_close(cost(2, 5), torch.tensor(near), atol=1e-5, rtol=0)
    torch.testing.assert_close(cost(2, 38), torch.tensor(far - 3.0 * 3 * 0.6**2), atol=1e-4, rtol=0)


def test_candidates_are_blurred_without_what_is_missing() -> None:
    colours, hole = half_and_half()
    misled = torch.where(hole, 5.0, colours)  # what lies in the hole is only a guess
    one, other = beside(colours, hole, 1.0, 0.0), beside(misled, hole, 1.0, 0.0)
    assert torch.equal(one.keys, other.keys)
    assert not torch.equal(one.asks, other.asks)


def test_pieces_come_from_places_of_the_guess_s_colour() -> None:
    colours, hole = half_and_half()
    features = torch.rand(8, 24, 24, generator=torch.Generator().manual_seed(2)) + 0.5

    def share_from_own_half(cost: float) -> float:
        around = beside(colours, hole, cost, 0.0) if cost else None
        found = coherent_match(features, hole, None, 0.02, beside=around)
        inner = (found.query[:, 1] - 11).abs() > 2  # a patch that is of one half
        same = (found.query[:, 1] < 11) == (found.candidate[:, 1] < 11)
        return float(same[inner].float().mean())

    assert share_from_own_half(8.0) == 1.0
    assert share_from_own_half(0.0) < 0.9


def test_of_equal_pieces_the_nearest_is_taken() -> None:
    tile = torch.rand(8, 4, 4, generator=torch.Generator().manual_seed(3)) + 0.1
    features = tile.repeat(1, 8, 8)
    hole = torch.zeros(1, 32, 32, dtype=torch.bool)
    hole[0, 20:26, 20:26] = True
    around = beside(torch.full((3, 32, 32), 0.5), hole, 0.0, 0.7)
    found = coherent_match(features, hole, None, 0.0, beside=around)
    moved = (found.candidate - found.query).float()
    assert bool((moved % 4 == 0).all())
    assert float(moved.norm(dim=1).max()) <= 12  # eight periods are to choose from


def test_cells_look_as_different_as_their_quarters_colours() -> None:
    picture = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    look = look_of(picture, 8, 5.0)
    assert look.shape == (2, 12, 8, 8)
    quarters = (
        picture.unflatten(2, (16, 2)).unflatten(4, (16, 2)).mean(dim=(3, 5))
    )  # [2, 3, 16, 16]
    one, other = quarters[1, :, 4:6, 6:8], quarters[1, :, 10:12, 0:2]
    found = (look[1, :, 2, 3] - look[1, :, 5, 0]).square().sum()
    torch.testing.assert_close(found, 5.0 * (one - other).square().mean())


def test_a_piece_is_not_copied_beside_itself_if_that_shows() -> None:
    """All queries ask for the features of a few columns, which are dark and bright in turn."""
    features = torch.rand(8, 16, 16, generator=torch.Generator().manual_seed(1))
    features[:, :, 11:15] = torch.eye(8)[:, :1, None]  # two patches wide: both are listed
    expected = torch.eye(8)[:, 0, None, None].expand_as(features)
    hole = torch.zeros(1, 16, 16, dtype=torch.bool)
    hole[0, 6:10, :5] = True  # with one end, or it might be an odd number of cells to fill
    picture = (torch.arange(64) // 4 % 2).float().expand(1, 3, 64, 64)
    nothing = beside(torch.full((3, 16, 16), 0.5), hole, 0.0, 0.0)

    def copied_beside_itself(cost: float) -> float:
        around = nothing._replace(look=look_of(picture, 16, cost)[0])
        found = coherent_match(features, hole, expected, 0.0, beside=around)
        taken = {tuple(q.tolist()): c for q, c in zip(found.query, found.candidate, strict=True)}
        whole = [(y, x) for y in (6, 7) for x in (0, 1)]  # and the one after: nothing known in them
        pairs = [(taken[y, x], taken[y, x + 1]) for y, x in whole]
        return sum(float(one[1] == other[1]) for one, other in pairs) / len(pairs)

    assert copied_beside_itself(0.0) == 1
    assert copied_beside_itself(2.0) == 0
