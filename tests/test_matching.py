import torch

from swapfill.matching import (
    apart,
    carried_match,
    coherent_match,
    swap_coherently,
    with_pixels,
)
from swapfill.patch_swap import touching


def a_map(side: int = 16, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.rand(8, side, side, generator=torch.Generator().manual_seed(seed))
    hole = torch.zeros(1, side, side, dtype=torch.bool)
    hole[0, 6:10, 6:10] = True
    return features, hole


def repeated(side: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    """A texture of period 5: what the hole had is found at every period."""
    tile = torch.rand(8, 5, 5, generator=torch.Generator().manual_seed(1)) + 0.1
    features = tile.repeat(1, 4, 4)[:, :side, :side].clone()
    hole = torch.zeros(1, side, side, dtype=torch.bool)
    hole[0, 8:12, 8:12] = True
    return features, hole


def test_a_periodic_texture_is_completed_exactly() -> None:
    features, hole = repeated()
    swapped, found = swap_coherently(features, hole, None, None, 1, bonus=0.05)
    torch.testing.assert_close(swapped, features)
    assert found is not None
    assert bool(((found.candidate - found.query) % 5 == 0).all())


def test_the_expected_features_ask_instead_of_the_guess() -> None:
    features, hole = repeated()
    guess = torch.where(hole, torch.rand(8, 1, 1), features)
    expected = torch.nn.functional.normalize(features, dim=0)
    swapped, _ = swap_coherently(guess, hole, expected, None, 1, bonus=0.0)
    torch.testing.assert_close(swapped, features)
    misled, _ = swap_coherently(guess, hole, None, None, 1, bonus=0.0)
    assert not torch.allclose(misled, features)


def test_candidates_are_wholly_outside_the_hole() -> None:
    features, hole = a_map()
    found = coherent_match(features, hole, None, 0.2)
    touched = touching(hole)
    assert not bool(touched[found.candidate[:, 0], found.candidate[:, 1]].any())
    assert len(found.query) == int(touched.sum())


def test_a_larger_bonus_makes_more_neighbours_agree() -> None:
    features, hole = a_map()

    def pieces(bonus: float) -> int:
        found = coherent_match(features, hole, None, bonus)
        return len(torch.unique(found.candidate - found.query, dim=0))

    assert pieces(0.3) < pieces(0.0)


def test_another_try_copies_from_elsewhere_and_can_be_had_again() -> None:
    features, hole = a_map(24)
    tries = [coherent_match(features, hole, None, 0.05, seed).candidate for seed in (0, 1, 2, 1)]
    assert torch.equal(tries[0], coherent_match(features, hole, None, 0.05).candidate)
    assert torch.equal(tries[1], tries[3])
    moved = [bool((tries[i] != tries[j]).any()) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert moved == [True] * 3


def test_a_carried_match_copies_the_same_piece_in_finer_cells() -> None:
    coarse, hole = repeated()
    found = coherent_match(coarse, hole, None, 0.05)
    fine = torch.nn.functional.interpolate(coarse[None], scale_factor=2.0, mode="nearest")[0]
    fine_hole = hole.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    swapped, carried = swap_coherently(fine, fine_hole, None, found, 2, bonus=0.0)
    torch.testing.assert_close(swapped, fine)
    assert carried is not None
    assert bool(((carried.candidate - carried.query) % 10 == 0).all())


def test_a_carried_match_never_lands_in_the_hole() -> None:
    coarse, hole = a_map()
    found = coherent_match(coarse, hole, None, 0.1)
    fine_hole = hole.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    fine = coarse.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    carried = carried_match(found, fine, fine_hole, 2)
    touched = touching(fine_hole)
    assert not bool(touched[carried.candidate[:, 0], carried.candidate[:, 1]].any())


def test_a_map_without_a_hole_comes_back_as_it_is() -> None:
    features, hole = a_map()
    swapped, found = swap_coherently(features, torch.zeros_like(hole), None, None, 1, 0.1)
    assert swapped is features
    assert found is None


def test_a_cells_pixels_travel_beside_its_features() -> None:
    features, picture = torch.rand(2, 5, 4, 4), torch.rand(2, 3, 16, 16)
    nowhere = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    values = with_pixels(features, picture)
    assert values.shape == (2, 5 + 3 * 16, 4, 4)
    moved = values.roll(1, dims=3)
    back, pixels = apart(moved, picture, ~nowhere)
    assert torch.equal(back, features.roll(1, dims=3))
    assert torch.equal(pixels, picture.roll(4, dims=3))
    assert torch.equal(apart(moved, picture, nowhere)[1], picture)  # what is known stays


def test_the_pieces_pixels_are_those_of_the_matched_cells() -> None:
    generator = torch.Generator().manual_seed(0)
    features, picture = torch.rand(8, 6, 6, generator=generator), torch.rand(1, 3, 12, 12)
    hole = torch.zeros(1, 6, 6, dtype=torch.bool)
    hole[0, 0, 0] = True  # one patch alone covers this corner
    values = with_pixels(features[None], picture)[0]
    swapped, found = swap_coherently(features, hole, None, None, 1, 0.0, values)
    assert found is not None
    row, column = (int(c) for c in found.candidate[0])
    _, pixels = apart(swapped[None], picture, torch.ones(1, 1, 12, 12, dtype=torch.bool))
    wanted = picture[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
    torch.testing.assert_close(pixels[0, :, :2, :2], wanted)
