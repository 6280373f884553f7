"""Coherent matching in NumPy: the twin of `matching` and `coherence`, in the same order.

Maps are [C, h, w], float32; holes [h, w], bool; places are in cells.
"""

import numpy as np
from numpy.typing import NDArray

from swapfill.engines.numpy_alignment import align
from swapfill.engines.numpy_grid import NEIGHBOURS, nearest, spans
from swapfill.engines.numpy_swap import (
    PATCH,
    Bools,
    Box,
    Floats,
    Match,
    Places,
    candidates,
    match,
    product_rows,
    touching,
)

# As in `matching`: the similarities that `agree` may hold, and its sweeps.
_MOST_SIMILARITIES = 30_000_000
_SWEEPS = 12
_NEVER = np.float32(-10)  # no cosine, and no bonus makes up for it


def coherent_match(features: Floats, hole: Bools, expected: Floats | None, bonus: float) -> Match:
    """Match one map at the coarsest scale.

    Args:
        features: of the guess composited with the known pixels, [C, h, w].
        hole: [h, w], with at least one cell.
        expected: expected unit features, [C, h, w]; the guess's own unless given.
        bonus: of two neighbouring queries that agree, in units of cosine.

    Raises:
        NoKnownPatchError: there is no candidate.
    """
    norms = np.sqrt(np.einsum("chw,chw->hw", features, features))
    unit = features / np.maximum(norms, np.float32(1e-12))
    asks = unit if expected is None else np.where(hole, expected, unit)
    valid, asked = candidates(hole), touching(hole)
    box = Box.around(asked)
    here = asked[box.patches]
    if here.size * valid.size > _MOST_SIMILARITIES:
        return match(asks, hole, unit)
    similarity = np.stack(list(product_rows(asks[box.cells], unit)))
    similarity /= np.float32(PATCH**2)
    similarity[..., ~valid] = _NEVER
    index = agree(similarity, here, np.float32(bonus), _SWEEPS)[here]
    query = np.argwhere(here) + box.corner
    return Match(query, np.stack(np.divmod(index, valid.shape[1]), axis=1))


def agree(similarity: Floats, asked: Bools, bonus: np.float32, sweeps: int) -> Places:
    """Choose a candidate for each query: similar, and next to what its neighbours choose.

    Max-product belief propagation, as `coherence.agree` explains it.

    Args:
        similarity: [a, b, h, w] of the queries of an a x b box with every candidate.
        asked: [a, b]; the queries that matter. Others neither speak nor listen.
        bonus: in units of similarity.
        sweeps: how far an opinion travels, in queries.

    Returns:
        The index of the candidate in reading order, [a, b].
    """
    rows, columns = asked.shape
    belief, silent = similarity.copy(), ~asked
    messages = {step: np.zeros_like(similarity) for step in NEIGHBOURS}
    told = np.empty_like(similarity)
    for _ in range(sweeps):
        for step in NEIGHBOURS:
            np.subtract(belief, messages[(-step[0], -step[1])], out=told)
            told -= told.reshape(rows, columns, -1).max(axis=2)[:, :, None, None]
            told += bonus
            np.maximum(told, 0, out=told)
            told[silent] = 0
            _hear(belief, messages[step], told, step)
    return np.asarray(belief.reshape(rows, columns, -1).argmax(axis=2))


def _hear(belief: Floats, message: Floats, says: Floats, step: tuple[int, int]) -> None:
    """Put what is said in the place of the last message, one query and one candidate further."""
    (to_y, from_y), (to_x, from_x) = (spans(part) for part in step)
    heard = np.zeros_like(message)
    heard[to_y, to_x, to_y, to_x] = says[from_y, from_x, from_y, from_x]
    belief += heard - message
    message[...] = heard


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
