"""What all queries are offered beside their own: the offsets that most of them would take."""

import numpy as np
import pytest
import torch

from swapfill import shortlists
from swapfill.coherence import Shortlist, agree
from swapfill.engines import numpy_shortlists
from swapfill.matching import coherent_match
from swapfill.offsets import SHARED, offered, shared_offsets
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
    """Queries in a row that vote for these offsets, and a map that is all candidates."""
    valid = np.ones((SIDE, SIDE), bool)
    query = np.array([[10, column] for column in range(8, 14)])
    there = query[:, None] + np.array(offsets)
    return query, there[..., 0] * SIDE + there[..., 1], valid


def test_what_most_queries_vote_for_is_offered_to_all() -> None:
    query, places, valid = votes_at((-5, 2), (6, 0))
    places[:3, 1] = [0, 100, 400]  # half of the second's votes are scattered
    offsets = shared_offsets(query, places, valid)
    assert offsets[:2].tolist() == [[-5, 2], [6, 0]]
    told = offered(query, places, offsets, valid)
    assert told.places[:, 0].tolist() == [(10 - 5) * SIDE + column + 2 for column in range(8, 14)]
    assert told.allowed[:, :2].all()


def test_of_neighbouring_offsets_the_better_one_is_offered_alone() -> None:
    query, places, valid = votes_at((-5, 2), (-5, 3))
    places[0, 1] = places[0, 0]  # one vote more for the first
    offsets = shared_offsets(query, places, valid).tolist()
    assert [-5, 2] in offsets
    assert [-5, 3] not in offsets


def test_where_few_have_votes_the_rest_is_offered_to_nobody() -> None:
    query, places, valid = votes_at((-5, 2))
    valid[10] = False  # a query is no candidate
    offsets = shared_offsets(query, places, valid)
    assert offsets.shape == (SHARED, 2)
    assert not offsets[1:].any()
    told = offered(query, places, offsets, valid)
    assert not told.allowed[:, 1:].any()
    assert (told.places[:, 1:] == places[:, :1]).all()


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
    listed = shortlists.with_shared(own, asks, keys, valid, preferred)
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
    wanted = shortlists.with_shared(own_of(asks, keys), asks, keys, valid, preferred)
    ours = own_of(asks, keys)
    own = numpy_shortlists.Shortlist(
        ours.query.numpy(), ours.places.numpy(), ours.similarity.numpy(), ours.width
    )
    found = numpy_shortlists.with_shared(own, asks.numpy(), keys.numpy(), valid, preferred)
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
