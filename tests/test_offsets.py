"""What all queries are offered beside their own: offsets at which the picture repeats itself."""

import numpy as np
import pytest
import torch

from swapfill import shortlists
from swapfill.coherence import Shortlist, agree
from swapfill.engines import numpy_shortlists
from swapfill.matching import coherent_match
from swapfill.offsets import NEAR, SHARED, offered, shared_offsets, voters
from swapfill.patch_swap import PATCH, candidates

SIDE = 24


def square() -> torch.Tensor:
    hole = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    hole[0, 8:16, 8:16] = True
    return hole


def random_map(seed: int, channels: int = 6) -> torch.Tensor:
    values = torch.randn(channels, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(values, dim=0)


def own_of(asks: torch.Tensor, keys: torch.Tensor, count: int = 4) -> Shortlist:
    return shortlists.shortlist(asks, square(), keys, count)


def votes_at(*offsets: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Six voters in a row for each of these offsets, and where each is found again; a hole."""
    valid = np.ones((SIDE, SIDE), bool)
    valid[12, 12:14] = False
    asked = np.array([[10, column] for column in range(8, 14)])
    found = [(asked + offset) @ [SIDE, 1] for offset in offsets]
    return np.tile(asked, (len(offsets), 1)), np.concatenate(found), valid


def test_what_most_voters_found_is_offered_to_all() -> None:
    asked, found, valid = votes_at((-10, 2), (9, 0))
    found[6:9] = [0, 100, 500]  # half of the second's votes are scattered
    offsets = shared_offsets(asked, found, valid)
    assert offsets[:2].tolist() == [[-10, 2], [9, 0]]
    told = offered(np.argwhere(~valid), np.zeros((2, 1), np.int64), offsets, valid)
    assert told.places[:, 0].tolist() == [2 * SIDE + 14, 2 * SIDE + 15]
    assert told.allowed[:, :2].all()


def test_of_neighbouring_offsets_the_better_one_is_offered_alone() -> None:
    asked, found, valid = votes_at((-10, 2), (-10, 3))
    found[6] -= 1  # one vote more for the first
    offsets = shared_offsets(asked, found, valid).tolist()
    assert [-10, 2] in offsets
    assert [-10, 3] not in offsets


def test_where_few_have_votes_the_rest_is_offered_to_nobody() -> None:
    asked, found, valid = votes_at((-10, 2))
    own = np.arange(2)[:, None]
    offsets = shared_offsets(asked, found, valid)
    assert offsets.shape == (SHARED, 2)
    assert offsets[0].any()
    assert not offsets[1:].any()
    told = offered(np.argwhere(~valid), own, offsets, valid)
    assert not told.allowed[:, 1:].any()
    assert (told.places[:, 1:] == own).all()


def test_what_lies_beside_a_voter_has_no_vote() -> None:
    asked, found, valid = votes_at((0, NEAR), (-NEAR, 3))
    assert not shared_offsets(asked, found, valid).any()


def test_an_offset_of_use_to_many_is_preferred_to_one_of_more_votes() -> None:
    asked, found, valid = votes_at((-10, 2), (9, 0))
    found[6] = 0
    valid[2:5, 5] = False  # ten rows up from these is off the map
    assert shared_offsets(asked, found, valid)[:2].tolist() == [[9, 0], [-10, 2]]


def test_an_offset_of_use_to_nobody_is_not_offered() -> None:
    asked, found, valid = votes_at((-10, 2))
    valid[2, 14:16] = False  # what lies there is missing, too, and ten up from it the map ends
    assert not shared_offsets(asked, found, valid).any()


def test_voters_are_known_and_around_the_hole_and_not_too_many() -> None:
    valid = candidates(square()).numpy()
    asked = voters(valid)
    assert valid[tuple(asked.T)].all()
    gap = np.abs(asked[:, None] - np.argwhere(~valid)).max(axis=2).min(axis=1)
    assert 1 <= gap.min() <= gap.max() <= 8
    assert len(np.unique(asked, axis=0)) == len(asked)
    full = np.ones((126, 126), bool)
    full[10::20] = False  # strokes all over: nearly all would vote
    assert 300 < len(voters(full)) < 1024


@pytest.mark.parametrize("matched", ["torch", "numpy"])
def test_a_picture_that_repeats_itself_tells_by_how_much(matched: str) -> None:
    """Noise that comes again every ten cells, around a hole: the first offsets are its periods."""
    tile, hole = random_map(5, 16)[:, :10, :10], square()
    unit = tile.repeat(1, 3, 3)[:, :SIDE, :SIDE]
    blank = torch.where(hole, random_map(6, 16), unit)
    valid = candidates(hole).numpy()
    if matched == "torch":
        offsets = shortlists.offsets_around(blank, valid)
    else:
        offsets = numpy_shortlists.offsets_around(blank.numpy(), valid)
    assert offsets.any(axis=1).sum() >= 4
    assert not (offsets[:4] % 10).any()


def test_a_window_with_nothing_far_enough_offers_nothing_to_share() -> None:
    valid = np.zeros((12, 12), bool)
    valid[:3] = True
    valid[:, 8:] = False
    unit = random_map(7)[:, :14, :14].contiguous()
    assert not shortlists.offsets_around(unit, valid).any()
    assert not numpy_shortlists.offsets_around(unit.numpy(), valid).any()
    valid[:] = False
    valid[0, 1] = True  # not one of the chessboard's: nobody votes
    assert not len(voters(valid))
    assert not shortlists.offsets_around(unit, valid).any()
    assert not numpy_shortlists.offsets_around(unit.numpy(), valid).any()


def test_nothing_off_the_map_or_in_the_hole_is_allowed() -> None:
    hole = square()
    valid = candidates(hole).numpy()
    query = np.argwhere(~valid)
    own = np.zeros((len(query), 1), np.int64)
    offsets = np.array([[-20, 0], [0, 3], [0, -9], [30, 30]])
    told = offered(query, own, offsets, valid)
    for (row, column), places, allowed in zip(query, told.places, told.allowed, strict=True):
        for (down, right), place, may in zip(offsets, places, allowed, strict=True):
            y, x = row + down, column + right
            inside = 0 <= y < valid.shape[0] and 0 <= x < valid.shape[1]
            assert may == (inside and valid[y, x])
            assert place == (y * valid.shape[1] + x if may else 0)
    assert told.allowed.any()
    assert not told.allowed.all()


@pytest.mark.parametrize("seed", [0, 4])
def test_what_is_offered_is_compared_as_what_is_listed(seed: int) -> None:
    asks, keys, hole = random_map(1), random_map(2), square()
    valid = candidates(hole).numpy()
    preferred = None
    if seed:
        preferred = np.random.default_rng(seed).random(valid.shape, dtype=np.float32)
    own = shortlists.shortlist(asks, hole, keys, 4, preferred)
    offsets = shortlists.offsets_around(keys, valid)
    assert offsets.any()
    listed = shortlists.with_shared(own, asks, keys, offsets, valid, preferred)
    assert listed.places.shape[1] == 4 + SHARED
    assert bool((listed.places.diff(dim=1) >= 0).all())
    patches = [
        one.unfold(1, PATCH, 1).unfold(2, PATCH, 1).permute(1, 2, 0, 3, 4).flatten(2)
        for one in (asks, keys)
    ]
    rows, columns = listed.query.T
    queries, among = patches[0][rows, columns], patches[1].flatten(0, 1)
    wanted = (queries[:, None] * among[listed.places]).sum(dim=2) / PATCH**2
    if preferred is not None:
        wanted += torch.from_numpy(preferred).flatten()[listed.places]
    real = listed.similarity > shortlists.UNWANTED
    torch.testing.assert_close(listed.similarity[real], wanted[real])
    assert bool(torch.from_numpy(valid).flatten()[listed.places].all())
    assert int(real.sum(dim=1).min()) >= 4


@pytest.mark.parametrize("seed", [0, 4])
def test_numpy_offers_what_torch_offers(seed: int) -> None:
    asks, keys, hole = random_map(1), random_map(2), square()
    valid = candidates(hole).numpy()
    preferred = None
    if seed:
        preferred = np.random.default_rng(seed).random(valid.shape, dtype=np.float32)
    ours = own_of(asks, keys)
    offsets = shortlists.offsets_around(keys, valid)
    again = numpy_shortlists.offsets_around(keys.numpy(), valid)
    np.testing.assert_array_equal(again, offsets)
    wanted = shortlists.with_shared(ours, asks, keys, offsets, valid, preferred)
    own = numpy_shortlists.Shortlist(
        ours.query.numpy(), ours.places.numpy(), ours.similarity.numpy(), ours.width
    )
    found = numpy_shortlists.with_shared(own, asks.numpy(), keys.numpy(), offsets, valid, preferred)
    np.testing.assert_array_equal(found.places, wanted.places.numpy())
    np.testing.assert_allclose(found.similarity, wanted.similarity.numpy(), atol=1e-5)


def alike(query: torch.Tensor, offset: torch.Tensor) -> float:
    """Tell how many neighbours along a row took one offset."""
    beside = (query[1:] - query[:-1] == torch.tensor([0, 1])).all(dim=1)
    same = (offset[1:] == offset[:-1]).all(dim=1)
    return float(same[beside].float().mean())


def test_a_blurry_guess_is_answered_by_large_pieces() -> None:
    """A guess without texture: of their own, queries of it take one place again and again."""
    features, hole = random_map(3, 32), square()
    blurry = features.mean(dim=(1, 2), keepdim=True) + 0.05 * random_map(4, 32)
    expected = torch.where(hole, blurry, features)
    found = coherent_match(features, hole, expected, bonus=0.5)
    together = alike(found.query, found.candidate - found.query)
    own = own_of(expected, features, 24)  # as many candidates, but of their own
    index = agree(own, features, 0.5, 4)
    place = torch.stack([index // own.width, index % own.width], dim=1)
    alone = alike(own.query, place - own.query)
    assert 1 - together < 0.6 * (1 - alone)
    assert together > 0.75
