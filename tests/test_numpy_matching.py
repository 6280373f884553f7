import numpy as np
import pytest
import torch

from swapfill import beside as of_beside
from swapfill import coherence, matching, shortlists
from swapfill import patch_swap as of_torch
from swapfill.engines.numpy_beside import beside, look_of
from swapfill.engines.numpy_matching import agree, carried_match, coherent_match
from swapfill.engines.numpy_shortlists import shortlist
from swapfill.engines.numpy_swap import Match, cells_of, pixels_of, touching


def hole(side: int, ragged: bool) -> np.ndarray:
    """A square in the middle, or one with a corner and its centre known."""
    missing = np.zeros((side, side), bool)
    third, half = side // 3, side // 2
    missing[third : 2 * third, third : 2 * third] = True
    if ragged:
        missing[:half, :half] = False
        missing[half : half + side // 10, half : half + side // 10] = False
    return missing


def features(side: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0.3, 1, (6, side, side)).astype(np.float32)


def theirs(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)


def torch_match(found: Match) -> of_torch.Match:
    return of_torch.Match(theirs(found.query), theirs(found.candidate), torch.ones(1))


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("asked", ["own", "expected"])
@pytest.mark.parametrize("seed", [0, 4])
def test_coherent_matches_are_those_of_torch(ragged: bool, asked: str, seed: int) -> None:
    missing, own = hole(20, ragged), features(20)
    expected = features(20, seed=1) if asked == "expected" else None
    found = coherent_match(own, missing, expected, 0.1, seed)
    asks = None if expected is None else theirs(expected)
    wanted = matching.coherent_match(theirs(own), theirs(missing)[None], asks, 0.1, seed)
    np.testing.assert_array_equal(found.query, wanted.query.numpy())
    np.testing.assert_array_equal(found.candidate, wanted.candidate.numpy())
    alone = coherent_match(own, missing, expected, 0.0, seed)
    assert (alone.candidate != found.candidate).any()  # the bonus had a say


@pytest.mark.parametrize("ragged", [False, True])
def test_colours_and_places_beside_are_those_of_torch_and_have_a_say(ragged: bool) -> None:
    missing, own = hole(20, ragged), features(20)
    cells = np.random.default_rng(5).random((3, 20, 20), dtype=np.float32)
    found = beside(cells, missing, 8.0, 0.7)
    wanted = of_beside.beside(theirs(cells), theirs(missing)[None], 8.0, 0.7)
    np.testing.assert_allclose(found.asks, wanted.asks.numpy(), atol=1e-5)
    np.testing.assert_allclose(found.keys, wanted.keys.numpy(), atol=1e-5)
    told = coherent_match(own, missing, None, 0.1, beside=found)
    theirs_told = matching.coherent_match(
        theirs(own), theirs(missing)[None], None, 0.1, beside=wanted
    )
    np.testing.assert_array_equal(told.candidate, theirs_told.candidate.numpy())
    assert (told.candidate != coherent_match(own, missing, None, 0.1).candidate).any()


@pytest.mark.parametrize("bonus", [0.0, 0.1])
def test_how_cells_look_is_as_torch_sees_it_and_has_a_say(bonus: float) -> None:
    missing, own = hole(20, ragged=True), features(20)
    picture = np.random.default_rng(6).random((3, 160, 160), dtype=np.float32)
    look, wanted = look_of(picture, 20, 4.0), of_beside.look_of(theirs(picture)[None], 20, 4.0)[0]
    np.testing.assert_allclose(look, wanted.numpy(), atol=1e-5)
    around = beside(picture[:, ::8, ::8], missing, 0.0, 0.7)
    theirs_around = of_beside.Beside(theirs(around.asks), theirs(around.keys), wanted)
    told = coherent_match(own, missing, None, bonus, beside=around._replace(look=look))
    theirs_told = matching.coherent_match(
        theirs(own), theirs(missing)[None], None, bonus, beside=theirs_around
    )
    np.testing.assert_array_equal(told.candidate, theirs_told.candidate.numpy())
    unseen = coherent_match(own, missing, None, bonus, beside=around)
    assert (told.candidate != unseen.candidate).any()


@pytest.mark.parametrize("count", [1, 7, 10_000])
def test_lists_are_those_of_torch(count: int) -> None:
    missing, own, expected = hole(20, ragged=True), features(20), features(20, seed=1)
    found = shortlist(expected, missing, own, count)
    wanted = shortlists.shortlist(theirs(expected), theirs(missing)[None], theirs(own), count)
    assert found.width == wanted.width == 18
    assert found.places.shape[1] == min(count, int((~touching(missing)).sum()))
    np.testing.assert_array_equal(found.query, wanted.query.numpy())
    np.testing.assert_array_equal(found.places, wanted.places.numpy())
    np.testing.assert_allclose(found.similarity, wanted.similarity.numpy(), atol=1e-5)


def test_lists_on_a_large_map_are_those_of_torch() -> None:
    missing = np.zeros((80, 80), bool)
    missing[30:36, 5:75] = missing[10:70, 40:44] = missing[74:76, 5:9] = True
    own, expected = features(80), features(80, seed=1)
    found = shortlist(expected, missing, own, 20)
    wanted = shortlists.shortlist(theirs(expected), theirs(missing)[None], theirs(own), 20)
    np.testing.assert_array_equal(found.query, wanted.query.numpy())
    np.testing.assert_array_equal(found.places, wanted.places.numpy())
    np.testing.assert_allclose(found.similarity, wanted.similarity.numpy(), atol=1e-5)
    assert (np.diff(found.places) > 0).all()
    assert not touching(missing).flat[found.places].any()
    row, column = found.places // found.width, found.places % found.width
    away = np.maximum(abs(row - found.query[:, :1]), abs(column - found.query[:, 1:]))
    assert away.max() < 16 + 24


def repeated(side: int, period: int = 5) -> np.ndarray:
    """Features of a tiled floor: each candidate is there many times."""
    times, tile = -(-side // period), features(period)
    return np.tile(tile / np.linalg.norm(tile, axis=0), (1, times, times))[:, :side, :side]


def shaken(array: np.ndarray, seed: int) -> np.ndarray:
    """As another engine may have computed it."""
    noise = np.random.default_rng(seed).uniform(-1, 1, array.shape)
    return (array * (1 + 3e-7 * noise)).astype(np.float32)


def test_of_candidates_that_are_the_same_the_first_are_listed() -> None:
    missing, own = hole(20, ragged=False), repeated(20)
    found = shortlist(own, missing, own, 3)
    known = ~touching(missing)
    for (y, x), places in zip(found.query, found.places, strict=True):
        same = np.zeros_like(known)
        same[y % 5 :: 5, x % 5 :: 5] = True
        np.testing.assert_array_equal(places, np.flatnonzero(same & known)[:3])


@pytest.mark.parametrize("side", [20, 80])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_the_same_but_for_rounding_is_chosen_as_by_torch(side: int, seed: int) -> None:
    missing, own = hole(side, ragged=True), repeated(side)
    one, other = shaken(own, seed), shaken(own, seed + 100)
    listed = shortlist(one, missing, one, 7)
    theirs_listed = shortlists.shortlist(theirs(other), theirs(missing)[None], theirs(other), 7)
    np.testing.assert_array_equal(listed.places, theirs_listed.places.numpy())
    found = coherent_match(one, missing, None, 0.3)
    wanted = matching.coherent_match(theirs(other), theirs(missing)[None], None, 0.3)
    np.testing.assert_array_equal(found.candidate, wanted.candidate.numpy())


def test_choices_are_those_of_torch() -> None:
    found = shortlist(features(20), hole(20, ragged=True), features(20, seed=1), 9)
    query, places, similarity = (theirs(part) for part in found[:3])
    same = coherence.Shortlist(query, places, similarity, found.width)
    unit = np.abs(features(20, seed=1)) / 3
    for sweeps in (0, 1, 3):
        wanted = coherence.agree(same, theirs(unit), 0.2, sweeps)
        np.testing.assert_array_equal(agree(found, unit, 0.2, sweeps), wanted.numpy())
    assert (agree(found, unit, 0.2, 3) != agree(found, unit, 0.2, 0)).any()


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_carried_matches_are_those_of_torch(factor: int, ragged: bool) -> None:
    coarse_hole, side = hole(18, ragged), 18 * factor
    coarse = coherent_match(features(18), coarse_hole, None, 0.1)
    fine_hole = coarse_hole.repeat(factor, axis=0).repeat(factor, axis=1)
    fine = features(side, seed=2)
    found = carried_match(coarse, fine, fine_hole, factor)
    wanted = matching.carried_match(
        torch_match(coarse), theirs(fine), theirs(fine_hole)[None], factor
    )
    np.testing.assert_array_equal(found.query, wanted.query.numpy())
    np.testing.assert_array_equal(found.candidate, wanted.candidate.numpy())


def test_what_is_carried_into_the_hole_takes_the_nearest_candidate() -> None:
    """Offsets that point beyond the border are clamped; what is missing there is not copied."""
    missing = np.zeros((12, 12), bool)
    missing[:5] = True
    query = np.argwhere(touching(missing))
    up = Match(query, query - (3, 0))
    found = carried_match(up, features(12), missing, 1)
    assert (found.candidate[:, 0] == 5).all()
    wanted = matching.carried_match(torch_match(up), theirs(features(12)), theirs(missing)[None], 1)
    np.testing.assert_array_equal(found.candidate, wanted.candidate.numpy())


def test_a_cells_pixels_lie_as_torch_lays_them() -> None:
    picture = np.random.default_rng(0).random((3, 12, 12), dtype=np.float32)
    cells = cells_of(picture, 3)
    wanted = torch.nn.functional.pixel_unshuffle(theirs(picture), 4).numpy()
    np.testing.assert_array_equal(cells, wanted)
    np.testing.assert_array_equal(pixels_of(cells, 3), picture)
