"""Coherent matching in NumPy: the twin of `matching` and `coherence`, in the same order.

Maps are [C, h, w], float32; holes [h, w], bool; places are in cells.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swapfill.engines.numpy_alignment import align
from swapfill.engines.numpy_beside import Beside
from swapfill.engines.numpy_grid import nearest
from swapfill.engines.numpy_swap import (
    PATCH,
    Bools,
    Floats,
    Match,
    Places,
    candidates,
    product_rows,
    touching,
)
from swapfill.masks import Box
from swapfill.neighbourhoods import neighbourhoods
from swapfill.variation import preference

# As in `matching`: the candidates that `agree` chooses from, and its sweeps.
_LISTED = 32
_SWEEPS = 8
_TOGETHER = 128  # pairs that are weighed at once: what they hold stays in a cache


def coherent_match(
    features: Floats,
    hole: Bools,
    expected: Floats | None,
    bonus: float,
    seed: int = 0,
    beside: Beside | None = None,
) -> Match:
    """Match one map at the coarsest scale.

    Args:
        features: of the guess composited with the known pixels, [C, h, w].
        hole: [h, w], with at least one cell.
        expected: expected unit features, [C, h, w]; the guess's own unless given.
        bonus: of neighbouring pieces that go on in each other, in units of cosine.
        seed: of another try; see `variation`.
        beside: channels of colours and places, compared as well.

    Raises:
        NoKnownPatchError: there is no candidate.
    """
    norms = np.sqrt(np.einsum("chw,chw->hw", features, features))
    unit = features / np.maximum(norms, np.float32(1e-12))
    asks = keys = unit
    if expected is not None:
        asks = np.where(hole, expected, unit)
    if beside is not None:
        asks, keys = np.concatenate([asks, beside.asks]), np.concatenate([unit, beside.keys])
    preferred = preference(seed, hole.shape[0] - PATCH + 1, hole.shape[1] - PATCH + 1)
    listed = shortlist(asks, hole, keys, _LISTED, preferred)
    index = agree(listed, unit, bonus, _SWEEPS)
    return Match(listed.query, np.stack(np.divmod(index, listed.width), axis=1))


class Shortlist(NamedTuple):
    """What each query may take, as `coherence.Shortlist` has it."""

    query: Places  # [N, 2]
    places: Places  # [N, K], rising
    similarity: Floats  # [N, K]
    width: int


def shortlist(
    asks: Floats, hole: Bools, unit: Floats, count: int, preferred: Floats | None = None
) -> Shortlist:
    """List the `count` candidates that are nearest to each query of one map, exactly.

    On maps of more than 64 cells a side those around the query: see `neighbourhoods`.

    Args:
        asks: what each cell asks for, [C, h, w]; known cells ask for themselves.
        hole: [h, w], with at least one cell.
        unit: the cells' unit features, [C, h, w].
        count: fewer where there are fewer.
        preferred: what each candidate gains, [h - 2, w - 2], in cosine.

    Raises:
        NoKnownPatchError: there is no candidate.
    """
    valid, asked = candidates(hole), touching(hole)
    count = min(count, int(valid.sum()))
    gain = np.zeros(valid.shape, np.float32) if preferred is None else PATCH**2 * preferred
    gain = np.where(valid, gain, np.float32(-1e30))
    width = valid.shape[1]
    number = np.cumsum(asked).reshape(asked.shape) - 1  # of each query
    indices = np.empty((int(number[-1, -1]) + 1, count), np.int64)
    scores = np.empty(indices.shape, np.float32)
    for box, near in neighbourhoods(asked, valid, count):
        rows = product_rows(_cells(asks, box), _cells(unit, near))
        for here, its, products in zip(asked[box.slices], number[box.slices], rows, strict=True):
            similar = (products[here] + gain[near.slices]).reshape(-1, near.height * near.width)
            index = _largest(similar, count)
            row, column = np.divmod(index, near.width)
            indices[its[here]] = (row + near.top) * width + column + near.left
            scores[its[here]] = np.take_along_axis(similar, index, axis=1) / np.float32(PATCH**2)
    return Shortlist(np.argwhere(asked), indices, scores, width)


def _cells(map_: Floats, patches: Box) -> Floats:
    """Cut the cells of a box of patches out of a map [C, h, w]."""
    reach = PATCH - 1
    return map_[:, patches.top : patches.bottom + reach, patches.left : patches.right + reach]


def _largest(rows: Floats, count: int) -> Places:
    """Give the places of the `count` largest numbers of each row, rising."""
    first = rows.shape[1] - count
    return np.sort(np.argpartition(rows, first, axis=1)[:, first:], axis=1)


class _Pairs(NamedTuple):
    """Neighbouring queries, and what they gain together: a row each, [E], [E] and [E, K, K]."""

    first: Places
    second: Places
    gain: Floats


def agree(listed: Shortlist, unit: Floats, bonus: float, sweeps: int) -> Places:
    """Choose a candidate for each query: similar, and continued by its neighbours' candidates.

    Max-product belief propagation, as `coherence.agree` explains it.

    Args:
        listed: the queries and their candidates.
        unit: the cells' unit features, [C, h, w]; w is `listed.width` + 2.
        bonus: in units of similarity.
        sweeps: how far an opinion travels, in queries.

    Returns:
        The index of each query's candidate in reading order, [N].
    """
    belief = listed.similarity.copy()
    table = np.ascontiguousarray(unit.reshape(len(unit), -1).T)  # a row each
    pairs = [_pairs(listed, table, step, bonus) for step in ((0, 1), (1, 0))]
    forth = [np.zeros_like(belief[pair.first]) for pair in pairs]
    back = [np.zeros_like(belief[pair.second]) for pair in pairs]
    for _ in range(sweeps):
        for i, (first, second, gain) in enumerate(pairs):
            forth[i] = _told(belief, first, back[i], second, forth[i], gain)
            back[i] = _told(belief, second, forth[i], first, back[i], gain.transpose(0, 2, 1))
    chosen = belief.argmax(axis=1)[:, None]
    return np.take_along_axis(listed.places, chosen, axis=1)[:, 0]


def _told(
    belief: Floats, speaker: Places, heard: Floats, listener: Places, before: Floats, gain: Floats
) -> Floats:
    """Let each speaker tell its listener, [E, K], what `heard` from it did not say."""
    opinion = belief[speaker] - heard
    says = np.empty_like(opinion)
    for some in _lots(len(says)):
        np.max(opinion[some, :, None] + gain[some], axis=1, out=says[some])
    says -= says.max(axis=1, keepdims=True)
    belief[listener] += says - before
    return says


def _pairs(listed: Shortlist, table: Floats, step: tuple[int, int], bonus: float) -> _Pairs:
    """Pair each query with the next one along `step`, and weigh their candidates together."""
    first, second = _neighbours(listed.query, step)
    row = listed.width + PATCH - 1  # cells
    middle = (listed.places // listed.width + 1) * row + listed.places % listed.width + 1
    ahead = step[0] * row + step[1]
    count = listed.places.shape[1]
    gain = np.empty((len(first), count, count), np.float32)
    for some in _lots(len(first)):
        one, other = middle[first[some]], middle[second[some]]
        np.matmul(table[one + ahead], table[other].transpose(0, 2, 1), out=gain[some])
        gain[some] += table[one] @ table[other - ahead].transpose(0, 2, 1)
    gain *= np.float32(bonus / 2)
    return _Pairs(first, second, gain)


def _lots(count: int) -> Iterator[slice]:
    return (slice(first, first + _TOGETHER) for first in range(0, count, _TOGETHER))


def _neighbours(query: Places, step: tuple[int, int]) -> tuple[Places, Places]:
    """Find the queries that have a neighbour at `step`, and it: [E] and [E], indices."""
    size = query.max(axis=0) + 1
    number = np.full(size, -1)
    number[tuple(query.T)] = np.arange(len(query))
    held = np.minimum(query + step, size - 1)
    second = np.where((held != query + step).any(axis=1), -1, number[tuple(held.T)])
    first = np.flatnonzero(second >= 0)
    return first, second[first]


def carried_match(coarse: Match, features: Floats, hole: Bools, factor: int) -> Match:
    """Carry a coarser scale's matches up to one map: the same pieces, aligned in finer cells.

    Args:
        coarse: what was matched on a map `factor` times as coarse, whose hole covers this one's.
        features: of this map, [C, h, w].
        hole: [h, w].
        factor: fine cells a coarse cell spans.
    """
    valid = candidates(hole)
    query = np.argwhere(~valid)
    moved = align(coarse, features, hole, factor)
    place = carry(coarse, query, factor, valid.shape, moved)
    lost = ~valid[place[:, 0], place[:, 1]]
    if lost.any():  # clamped at the border into the hole: the nearest candidate instead
        known = np.argwhere(valid)
        place[lost] = known[nearest(place[lost], known)]
    return Match(query, place)


def carry(
    coarse: Match, query: Places, factor: int, limit: tuple[int, ...], moved: Places
) -> Places:
    """Take a coarser scale's matches to a map `factor` times as fine, as `coherence.carry` does.

    Args:
        coarse: the matches of the coarser map.
        query: [N, 2], the fine queries.
        factor: fine cells a coarse cell spans.
        limit: (rows, columns) of patches on the fine map.
        moved: [M, 2], fine cells that each coarse match's piece is moved by.

    Returns:
        [N, 2], the inherited candidates, inside the map.
    """
    centre = (query + 1) // factor - 1
    low, high = coarse.query.min(axis=0), coarse.query.max(axis=0)
    table = np.full(high - low + 1, -1)
    table[tuple((coarse.query - low).T)] = np.arange(len(coarse.query))
    index = table[tuple((np.clip(centre, low, high) - low).T)]
    missing = index < 0
    if missing.any():  # ragged holes: the nearest coarse query
        index[missing] = nearest(centre[missing], coarse.query)
    offset = (coarse.candidate[index] - coarse.query[index]) * factor + moved[index]
    return np.asarray(np.clip(query + offset, 0, np.array(limit) - 1))


def cells_of(picture: NDArray[np.float32], side: int) -> Floats:
    """Lay each cell's pixels along the channels: [3, S, S] to [3 (S / side)^2, side, side]."""
    channels, size = picture.shape[0], picture.shape[1] // side
    apart = picture.reshape(channels, side, size, side, size).transpose(0, 2, 4, 1, 3)
    return apart.reshape(-1, side, side)


def pixels_of(cells: Floats, channels: int) -> Floats:
    """Undo `cells_of`."""
    side, size = cells.shape[1], round((len(cells) / channels) ** 0.5)
    apart = cells.reshape(channels, size, size, side, side).transpose(0, 3, 1, 4, 2)
    return apart.reshape(channels, side * size, side * size)
