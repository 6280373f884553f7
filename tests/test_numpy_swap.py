import numpy as np
import pytest
import torch

from swapfill import patch_swap as twin
from swapfill.engines import numpy_swap
from swapfill.engines.numpy_swap import Copies, Match, candidates, match, touching
from swapfill.errors import NoKnownPatchError

HOLES = {
    "square": "0000000000 0000000000 0011100000 0011100000 0011100000 0000000000 0000000000",
    "corner": "1100000000 1100000000 0000000000 0000000000 0000000000 0000000000 0000000000",
    "two": "0000000000 0100000000 0000000000 0000000000 0000000010 0000000000 0000000000",
    "edge": "0000000000 0000000000 0000000000 0000000111 0000000111 0000000111 0000000111",
}


def hole_of(name: str) -> np.ndarray:
    return np.array([[digit == "1" for digit in row] for row in HOLES[name].split()])


def features(seed: int, channels: int = 5) -> np.ndarray:
    """Whole numbers: inner products are exact in any order."""
    rng = np.random.default_rng(seed)
    return rng.integers(-4, 9, (channels, 7, 10)).astype(np.float32)


def theirs(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)


@pytest.mark.parametrize("name", HOLES)
@pytest.mark.parametrize("block", [1, 6_000_000])
def test_the_matches_are_those_of_torch(
    name: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_swap, "_BLOCK", block)
    hole, asks, keys = hole_of(name), features(0), features(1)
    found = match(asks, hole, keys)
    wanted = twin.match(theirs(asks), theirs(hole)[None], theirs(keys))
    np.testing.assert_array_equal(found.query, wanted.query.numpy())
    np.testing.assert_array_equal(found.candidate, wanted.candidate.numpy())


def test_a_candidate_touches_no_hole_and_a_query_does() -> None:
    hole = hole_of("two")
    np.testing.assert_array_equal(touching(hole), twin.touching(theirs(hole)[None]).numpy())
    np.testing.assert_array_equal(candidates(hole), ~touching(hole))


def test_of_equal_candidates_the_first_is_taken() -> None:
    same = np.ones((2, 7, 10), np.float32)
    found = match(same, hole_of("square"), same)
    first = np.argwhere(candidates(hole_of("square")))[0]
    assert (found.candidate == first).all()


def test_contrast_does_not_matter() -> None:
    keys, asks = features(1), features(0)
    asks[:, :3, :4] = 0.1 * keys[:, 3:6, 5:9]
    keys[:, :, :4] *= 100  # longer, not more alike
    assert match(asks, hole_of("corner"), keys).candidate[:2].tolist() == [[3, 5], [3, 6]]


def test_a_hole_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(NoKnownPatchError, match="no known 3x3 patch in 7x10 features"):
        candidates(np.ones((7, 10), bool))


@pytest.mark.parametrize("name", HOLES)
def test_copies_are_averaged_as_torch_does(name: str) -> None:
    hole, values = hole_of(name), features(2, channels=20)
    found = match(features(0), hole, features(1))
    as_theirs = twin.Match(theirs(found.query), theirs(found.candidate), torch.ones(1))
    wanted = twin.paste(theirs(values), theirs(hole)[None], as_theirs)
    mine = values.copy()
    Copies(hole, found).paste(mine)
    np.testing.assert_allclose(mine, wanted.numpy(), atol=1e-5)
    np.testing.assert_array_equal(mine[:, ~hole], values[:, ~hole])


def test_one_offset_copies_one_piece_whole() -> None:
    hole, values = hole_of("square"), features(2)
    query = np.argwhere(touching(hole))
    pasted = values.copy()
    Copies(hole, Match(query, query + (0, 3))).paste(pasted)  # noqa: RUF005
    np.testing.assert_allclose(pasted[:, 2:5, 2:5], values[:, 2:5, 5:8], atol=1e-5)
