"""Coherent matching in NumPy: the twin of `matching` and `coherence`, in the same order.

Maps are [C, h, w], float32; holes [h, w], bool; places are in cells.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swapfill.engines.numpy_alignment import align
from swapfill.engines.numpy_beside import Beside
from swapfill.engines.numpy_grid import NEIGHBOURS, nearest
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
_LISTED = 128
_SWEEPS = 12


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
        bonus: of two neighbouring queries that agree, in units of cosine.
        seed: of another try; see `variation`.
        beside: channels of colours and places, compared as well.

    Raises:
        NoKnownPatchError: there is no candidate.
    """
    norms = np.sqrt(np.einsum("chw,chw->hw", features, features))
    unit = features / np.maximum(norms, np.float32(1e-12))
    asks = unit if expected is None else np.where(hole, expected, unit)
    if beside is not None:
        asks, unit = np.concatenate([asks, beside.asks]), np.concatenate([unit, beside.keys])
    preferred = preference(seed, hole.shape[0] - PATCH + 1, hole.shape[1] - PATCH + 1)
    listed = shortlist(asks, hole, unit, _LISTED, preferred)
    index = agree(listed, np.float32(bonus), _SWEEPS)
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


def agree(listed: Shortlist, bonus: np.float32, sweeps: int) -> Places:
    """Choose a candidate for each query: similar, and next to what its neighbours choose.

    Max-product belief propagation, as `coherence.agree` explains it.

    Args:
        listed: the queries and their candidates.
        bonus: in units of similarity.
        sweeps: how far an opinion travels, in queries.

    Returns:
        The index of each query's candidate in reading order, [N].
    """
    belief = listed.similarity.copy()
    links = {step: _links(listed, step) for step in NEIGHBOURS}
    messages = {step: np.zeros_like(belief) for step in NEIGHBOURS}
    says = np.zeros(belief.size + 1, np.float32)  # the last is what nobody says
    told = says[:-1].reshape(belief.shape)
    for _ in range(sweeps):
        for step in NEIGHBOURS:
            np.subtract(belief, messages[(-step[0], -step[1])], out=told)
            told -= told.max(axis=1, keepdims=True)
            told += bonus
            np.maximum(told, 0, out=told)
            heard = says[links[step]]
            belief += heard - messages[step]
            messages[step] = heard
    chosen = belief.argmax(axis=1)[:, None]
    return np.take_along_axis(listed.places, chosen, axis=1)[:, 0]


def _links(listed: Shortlist, step: tuple[int, int]) -> Places:
    """Find who speaks to each query and candidate along `step`: [N, K] of flat places."""
    query, places, _, width = listed
    size = query.max(axis=0) + 1
    rows = np.full(size, -1)
    rows[tuple(query.T)] = np.arange(len(query))
    before = query - step
    held = np.clip(before, 0, size - 1)
    speaker = np.where((held == before).all(axis=1), rows[tuple(held.T)], -1)[:, None]
    column = places % width - step[1]
    wanted = places - step[0] * width - step[1]
    span = int(places.max()) + width + 2  # a row's own range of numbers
    sought = speaker * span + wanted
    table = (np.arange(len(query))[:, None] * span + places).ravel()
    place = np.minimum(np.searchsorted(table, np.maximum(sought, 0)), len(table) - 1)
    there = (table[place] == sought) & (speaker >= 0) & (column >= 0) & (column < width)
    return np.where(there & (wanted >= 0), place, len(table))


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
