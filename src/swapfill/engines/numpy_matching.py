"""Coherent matching in NumPy: the twin of `matching` and `coherence`, in the same order.

Maps are [C, h, w], float32; holes [h, w], bool; places are in cells.
"""

from typing import NamedTuple

import numpy as np

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
_GROUP = 32  # numbers, the largest of which is looked at first
_TOGETHER = 32  # pairs that are weighed at once: what they hold stays in a cache, 3 MB


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
        beside: channels of colours and places, compared as well; and how cells look.

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
    index = agree(listed, unit, bonus, _SWEEPS, None if beside is None else beside.look)
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
            if not here.any():  # between two holes
                continue
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
    """Give the places of the `count` largest numbers of each row, rising.

    So many numbers are at least as large as the `count`th of the largest of some groups: of few,
    those that are, the largest are soon found.
    """
    size = len(rows), _GROUP, rows.shape[1] // _GROUP
    groups = rows[:, : size[1] * size[2]].reshape(size)
    if size[2] < 2 * count:
        return _largest_of_few(rows, count)
    least = np.partition(groups.max(axis=1), size[2] - count, axis=1)[:, size[2] - count]
    row, place = np.divmod(np.flatnonzero(rows >= least[:, None]), rows.shape[1])
    there = np.bincount(row, minlength=len(rows))
    number = np.arange(len(row)) - (np.cumsum(there) - there)[row]  # in its row
    few = np.full((len(rows), there.max()), -np.inf, np.float32)
    few[row, number] = rows[row, place]
    places = np.zeros(few.shape, np.int64)
    places[row, number] = place
    return np.take_along_axis(places, _largest_of_few(few, count), axis=1)


def _largest_of_few(rows: Floats, count: int) -> Places:
    first = rows.shape[1] - count
    return np.sort(np.argpartition(rows, first, axis=1)[:, first:], axis=1)


class _Pairs(NamedTuple):
    """Neighbouring queries, and what their candidates gain together: [E], [E] and [K, K, E].

    Pairs lie last, so that all of them are added up in one line.
    """

    first: Places
    second: Places
    gain: Floats


def agree(
    listed: Shortlist, unit: Floats, bonus: float, sweeps: int, look: Floats | None = None
) -> Places:
    """Choose a candidate for each query: similar, and continued by its neighbours' candidates.

    Max-product belief propagation, as `coherence.agree` explains it.

    Args:
        listed: the queries and their candidates.
        unit: the cells' unit features, [C, h, w]; w is `listed.width` + 2.
        bonus: in units of similarity.
        sweeps: how far an opinion travels, in queries.
        look: [D, h, w], see `beside.look_of`.

    Returns:
        The index of each query's candidate in reading order, [N].
    """
    look = unit[:0] if look is None else look
    belief = np.ascontiguousarray(listed.similarity.T)  # [K, N]
    shown = [np.float32((bonus / 2) ** 0.5) * unit, np.float32(2**0.5) * look]
    table = np.ascontiguousarray(np.concatenate(shown).reshape(-1, unit[0].size).T)  # a row each
    steps = ((0, 1), (1, 0))
    pairs = [_pairs(listed, table, step) for step in steps]
    square = np.square(look).sum(axis=0).reshape(-1)
    back, forth = (
        [_both(listed, square, sign * row, sign * column) for row, column in steps]
        for sign in (1, -1)
    )
    back = [its.take(pair.first, axis=1) for its, pair in zip(back, pairs, strict=True)]
    forth = [its.take(pair.second, axis=1) for its, pair in zip(forth, pairs, strict=True)]
    for _ in range(sweeps):
        for i, (first, second, gain) in enumerate(pairs):
            forth[i] = _told(belief, first, back[i], second, forth[i], gain)
            back[i] = _told(belief, second, forth[i], first, back[i], gain.transpose(1, 0, 2))
    chosen = belief.argmax(axis=0)[:, None]
    return np.take_along_axis(listed.places, chosen, axis=1)[:, 0]


def _told(
    belief: Floats, speaker: Places, heard: Floats, listener: Places, before: Floats, gain: Floats
) -> Floats:
    """Let each speaker tell its listener, [K, E], what `heard` from it did not say."""
    opinion = belief.take(speaker, axis=1)  # an index in brackets would lay queries first
    opinion -= heard
    says: Floats = gain[0] + opinion[0]
    told = np.empty_like(says)
    for its, one in zip(gain[1:], opinion[1:], strict=True):
        np.add(its, one, out=told)
        np.maximum(says, told, out=says)
    says -= says.max(axis=0)
    belief[:, listener] += says - before
    return says


def _both(listed: Shortlist, square: Floats, down: int, right: int) -> Floats:
    """Sum what is said of each candidate's middle cell and of the one beside it, [K, N]."""
    row, middle = _cells_of(listed)
    return np.ascontiguousarray((square[middle] + square[middle + down * row + right]).T)


def _cells_of(listed: Shortlist) -> tuple[int, Places]:
    """Give the map's width in cells, and each candidate's middle cell in reading order, [N, K]."""
    row = listed.width + PATCH - 1
    return row, (listed.places // listed.width + 1) * row + listed.places % listed.width + 1


def _pairs(listed: Shortlist, table: Floats, step: tuple[int, int]) -> _Pairs:
    """Pair each query with the next one along `step`, and weigh their candidates together.

    A candidate is seen with the cell before it and the one after it: where its neighbour's
    candidate goes on, both show one half of that, and one product compares the halves.
    """
    order, follows = _lined_up(listed.query, step)
    row, middle = _cells_of(listed)
    ahead = step[0] * row + step[1]
    seen = middle[order, :, None] + np.array([-ahead, 0, ahead])  # [N, K, 3]
    (count, channels), at = (seen.shape[1], table.shape[1]), 0
    gain = np.empty((count, count, np.count_nonzero(follows)), np.float32)
    cells = np.empty((_TOGETHER + 1, *seen.shape[1:], channels), np.float32)
    for top in range(0, len(follows), _TOGETHER):
        some, on = seen[top : top + _TOGETHER + 1], follows[top : top + _TOGETHER]
        # All are on the map; said otherwise than "clip", NumPy would copy once more.
        table.take(some, axis=0, out=cells[: len(some)], mode="clip")
        halves = cells[: len(some)].reshape(len(some), count, -1)
        one, other = halves[:-1, :, channels:], halves[1:, :, :-channels]
        both = (one @ other.transpose(0, 2, 1))[on]
        gain[..., at : at + len(both)] = both.transpose(1, 2, 0)
        at += len(both)
    return _Pairs(order[:-1][follows], order[1:][follows], gain)


def _lined_up(query: Places, step: tuple[int, int]) -> tuple[Places, Bools]:
    """Order queries by lines along `step`, [N], and tell whom the next one follows, [N - 1]."""
    order = np.lexsort(query.T if step[0] else query.T[::-1])
    along = query[order]
    return order, np.asarray((along[1:] - along[:-1] == step).all(axis=1))


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
