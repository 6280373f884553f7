import torch

from swapfill.beside import beside
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
