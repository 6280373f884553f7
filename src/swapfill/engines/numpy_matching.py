"""Coherent matching in NumPy: the twin of `matching` and `coherence`, in the same order.

Maps are [C, h, w], float32; holes [h, w], bool; places are in cells.
"""

from typing import NamedTuple

import numpy as np

from swapfill.engines.numpy_alignment import align
from swapfill.engines.numpy_beside import Beside
from swapfill.engines.numpy_grid import nearest
from swapfill.engines.numpy_shortlists import Shortlist, offsets_around, shortlist, with_shared
from swapfill.engines.numpy_swap import PATCH, Bools, Floats, Match, Places, candidates
from swapfill.engines.numpy_threads import Crew, crew
from swapfill.variation import preference

# As in `matching`: each query's own candidates, and the sweeps of `agree`.
_LISTED = 8
_SWEEPS = 4
_STEP = np.float32(2**-12)
_ROUNDS = 3
_TOGETHER = 32  # pairs that are weighed at once: what they hold stays in a cache, 3 MB
_LOT = 256  # and that are told at once: 1 MB


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
    own = shortlist(asks, hole, keys, _LISTED, preferred)
    valid = candidates(hole)
    offsets = offsets_around(unit, valid)
    listed = with_shared(own, asks, keys, offsets, valid, preferred)
    index = agree(listed, unit, bonus, _SWEEPS, None if beside is None else beside.look)
    return Match(listed.query, np.stack(np.divmod(index, listed.width), axis=1))


class _Pairs(NamedTuple):
    """Neighbouring queries, and what their candidates gain together: in lots, the last not full.

    `first` and `second` are [E], `gain` [lots, K, K, _LOT]: pairs lie last, so that all of a lot
    are added up in one line. `lot` [E] and `slot` [E] tell where a pair is, `ends` [lots + 1] which
    are in a lot.
    """

    first: Places
    second: Places
    gain: Floats
    lot: Places
    slot: Places
    ends: Places


def agree(
    listed: Shortlist, unit: Floats, bonus: float, sweeps: int, look: Floats | None = None
) -> Places:
    """Choose a candidate for each query: similar, and continued by its neighbours' candidates.

    Max-product belief propagation, then reconsidering, as `coherence.agree` explains it.

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
    own = belief.copy()
    channels, cells = len(unit), unit[0].size
    table = np.empty((cells, channels + len(look)), np.float32)  # a cell's channels in a row
    told, seen = np.float32((bonus / 2) ** 0.5), np.float32(2**0.5)
    np.multiply(unit.reshape(channels, cells).T, told, out=table[:, :channels])
    np.multiply(look.reshape(len(look), cells).T, seen, out=table[:, channels:])
    steps = ((0, 1), (1, 0))
    square = np.square(look).sum(axis=0).reshape(-1)
    back, forth = (
        [_both(listed, square, sign * row, sign * column) for row, column in steps]
        for sign in (1, -1)
    )
    with crew() as threads:
        pairs = [_pairs(listed, table, step, threads) for step in steps]
        back = [its.take(pair.first, axis=1) for its, pair in zip(back, pairs, strict=True)]
        forth = [its.take(pair.second, axis=1) for its, pair in zip(forth, pairs, strict=True)]
        for before, after, pair in zip(back, forth, pairs, strict=True):
            own[:, pair.first] -= before
            own[:, pair.second] -= after
        for _ in range(sweeps):
            for i, pair in enumerate(pairs):
                forth[i] = _told(belief, pair, back[i], forth[i], threads)
                back[i] = _told(belief, _turned(pair), forth[i], back[i], threads)
    chosen = _settled(own, pairs, listed.query, _best(belief), min(sweeps, _ROUNDS))
    return np.take_along_axis(listed.places, chosen[:, None], axis=1)[:, 0]


def _best(score: Floats) -> Places:
    """Choose the best candidate of each query, [K, N] to [N]; of those that round to it the first.

    Two engines round otherwise, and should not choose otherwise.
    """
    return np.asarray(np.rint(score / _STEP).argmax(axis=0))


def _settled(
    own: Floats, pairs: list[_Pairs], query: Places, chosen: Places, rounds: int
) -> Places:
    """Let queries reconsider what they have `chosen`, [N], given what their neighbours chose.

    As `coherence._settled` does: as on a chessboard, the white ones at once, then the black ones.
    """
    black, score = query.sum(axis=1) % 2, own.copy()
    for pair in pairs:
        score[:, pair.second] += pair.gain[pair.lot, chosen[pair.first], :, pair.slot].T
        score[:, pair.first] += pair.gain[pair.lot, :, chosen[pair.second], pair.slot].T
    for _ in range(rounds):
        for colour in (0, 1):
            now = np.where(black == colour, _best(score), chosen)
            changed = now != chosen
            for pair in pairs:
                for its in (pair, _turned(pair)):
                    said = np.flatnonzero(changed[its.first])
                    lot, slot, speaker = its.lot[said], its.slot[said], its.first[said]
                    heard = its.gain[lot, now[speaker], :, slot]
                    heard = heard - its.gain[lot, chosen[speaker], :, slot]
                    score[:, its.second[said]] += heard.T
            chosen = now
    return chosen


def _turned(pairs: _Pairs) -> _Pairs:
    """Give the same pairs, the other one first."""
    gain = pairs.gain.transpose(0, 2, 1, 3)
    return pairs._replace(first=pairs.second, second=pairs.first, gain=gain)


def _told(belief: Floats, pairs: _Pairs, heard: Floats, before: Floats, threads: Crew) -> Floats:
    """Let each first tell its second, [K, E], what `heard` from it did not say."""
    opinion = belief.take(pairs.first, axis=1)  # an index in brackets would lay queries first
    opinion -= heard
    says = np.empty_like(opinion)

    def tell(lot: int) -> None:
        start, end = pairs.ends[lot : lot + 2]
        gain, ours, best = pairs.gain[lot, ..., : end - start], opinion[:, start:end], None
        best, told = gain[0] + ours[0], np.empty((len(gain), end - start), np.float32)
        for its, one in zip(gain[1:], ours[1:], strict=True):
            np.add(its, one, out=told)
            np.maximum(best, told, out=best)
        np.subtract(best, best.max(axis=0), out=says[:, start:end])

    threads.each(tell, range(len(pairs.gain)))
    belief[:, pairs.second] += says - before
    return says


def _both(listed: Shortlist, square: Floats, down: int, right: int) -> Floats:
    """Sum what is said of each candidate's middle cell and of the one beside it, [K, N]."""
    row, middle = _cells_of(listed)
    return np.ascontiguousarray((square[middle] + square[middle + down * row + right]).T)


def _cells_of(listed: Shortlist) -> tuple[int, Places]:
    """Give the map's width in cells, and each candidate's middle cell in reading order, [N, K]."""
    row = listed.width + PATCH - 1
    return row, (listed.places // listed.width + 1) * row + listed.places % listed.width + 1


def _pairs(listed: Shortlist, table: Floats, step: tuple[int, int], threads: Crew) -> _Pairs:
    """Pair each query with the next one along `step`, and weigh their candidates together.

    A candidate is seen with the cell before it and the one after it: where its neighbour's
    candidate goes on, both show one half of that, and one product compares the halves.
    """
    order, follows = _lined_up(listed.query, step)
    row, middle = _cells_of(listed)
    ahead = step[0] * row + step[1]
    seen = middle[order, :, None] + np.array([-ahead, 0, ahead])  # [N, K, 3]
    count, lots = seen.shape[1], -(-len(follows) // _LOT)
    gain = np.empty((lots, count, count, _LOT), np.float32)

    def weigh(lot: int) -> None:
        top, at = lot * _LOT, 0
        end = min(top + _LOT, len(follows))
        cells = np.empty((_TOGETHER + 1, *seen.shape[1:], table.shape[1]), np.float32)
        for first in range(top, end, _TOGETHER):
            last = min(first + _TOGETHER, end)
            on = follows[first:last]
            held = cells[: last + 1 - first]
            # All are on the map; said otherwise than "clip", NumPy would copy once more.
            table.take(seen[first : last + 1], axis=0, out=held, mode="clip")
            halves = held.reshape(len(held), count, -1)
            one, other = halves[:-1, :, table.shape[1] :], halves[1:, :, : -table.shape[1]]
            both = (one @ other.transpose(0, 2, 1))[on]
            gain[lot, ..., at : at + len(both)] = both.transpose(1, 2, 0)
            at += len(both)

    threads.each(weigh, range(lots))
    place = np.flatnonzero(follows)
    ends = np.searchsorted(place, np.arange(lots + 1) * _LOT)
    lot = place // _LOT
    slot = np.arange(len(place)) - ends[lot]
    return _Pairs(order[place], order[place + 1], gain, lot, slot, ends)


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
