"""Moving carried pieces by a few fine cells, in NumPy: the twin of `alignment`.

Maps are [C, h, w], float32; holes [h, w], bool; places are in cells.
"""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from swapfill.engines.numpy_grid import NEIGHBOURS, nearest, spans
from swapfill.engines.numpy_swap import PATCH, Bools, Floats, Match, Places

Number = TypeVar("Number", bound=np.generic)

# As in `alignment`, where they are explained.
_BAND = 4
_REACH = 4
_TOGETHER = np.float32(0.3)
_STAY = np.float32(0.002)
_UNKNOWN = np.float32(0.5)
_SWEEPS = 6


def align(coarse: Match, features: Floats, hole: Bools, factor: int) -> Places:
    """Choose how each coarse query's piece is moved on the fine map.

    Args:
        coarse: matches of a map `factor` times as coarse.
        features: of the fine map, [C, h, w].
        hole: of the fine map, [h, w].
        factor: fine cells a coarse cell spans; at 1 nothing moves.

    Returns:
        [N, 2], fine cells to add to each coarse match's offset.
    """
    pieces = (coarse.candidate - coarse.query) * factor
    moved = np.zeros_like(pieces)
    if factor == 1:
        return moved
    rim, cells = _rim_of(coarse, hole, factor), unit_cells(features)
    step = max(1, factor // _REACH)
    while step:
        reach = np.arange(-_REACH, _REACH + 1) * step
        moves = np.stack(np.meshgrid(reach, reach, indexing="ij"), axis=2).reshape(-1, 2)
        length = np.sqrt((moves.astype(np.float32) ** 2).sum(axis=1))
        gain = _gain(rim, pieces + moved, cells, hole, moves) - _STAY * length
        moved += moves[_agreed(coarse.query, pieces, gain)]
        step //= _REACH
    return moved


def unit_cells(features: Floats) -> Floats:
    """Give each cell's unit vector, a row each: [C, h, w] to [h w, C]."""
    rows = np.ascontiguousarray(features.reshape(len(features), -1).T)
    rows /= np.maximum(np.sqrt(np.einsum("nc,nc->n", rows, rows)), np.float32(1e-12))[:, None]
    return rows


class _Rim(NamedTuple):
    cells: Places  # [P, 2], known fine cells near the hole
    nearest: Places  # [P], the coarse query that each lies nearest to


def _rim_of(coarse: Match, hole: Bools, factor: int) -> _Rim:
    cells = np.argwhere(_grown(hole, _BAND) & ~hole)
    # Twice the centres of cells and of patches: whole numbers.
    return _Rim(cells, nearest(2 * cells + 1, (2 * coarse.query + PATCH) * factor))


def _grown(hole: Bools, margin: int) -> Bools:
    """Grow a hole by a square of `margin` cells to each side."""
    for axis in (0, 1):
        wide = np.pad(hole, [(margin, margin) if axis == i else (0, 0) for i in (0, 1)])
        windows = np.lib.stride_tricks.sliding_window_view(wide, 2 * margin + 1, axis=axis)
        hole = np.asarray(windows.any(axis=2))
    return hole


def _gain(rim: _Rim, offset: Places, unit: Floats, hole: Bools, moves: Places) -> Floats:
    """Compare the rim's cells with what their queries' pieces have there, for each move.

    Returns:
        [N, moves], the mean cosine over a query's cells; 0 for a query that is nearest to none.
    """
    height, width = hole.shape
    wanted = unit[rim.cells @ (width, 1)]
    start = rim.cells + offset[rim.nearest]
    there = start + moves[:, None]  # [moves, P, 2]
    held = np.clip(there, 0, (height - 1, width - 1))
    place = held[..., 0] * width + held[..., 1]
    known = (held == there).all(axis=2) & ~hole.reshape(-1)[place]
    gain = np.zeros((len(offset), len(moves)), np.float32)
    found = np.empty_like(wanted)
    for i, cells in enumerate(place):
        unit.take(cells, axis=0, out=found, mode="clip")  # which is not to copy once more
        told = np.where(known[i], np.einsum("pc,pc->p", wanted, found), _UNKNOWN)
        gain[:, i] = np.bincount(rim.nearest, told, minlength=len(offset))
    count = np.bincount(rim.nearest, minlength=len(offset))
    return gain / np.maximum(count, 1).astype(np.float32)[:, None]


def _agreed(query: Places, pieces: Places, gain: Floats) -> Places:
    """Choose each query's move, an index: [N]. Neighbours of equal `pieces` hear each other."""
    low, high = query.min(axis=0), query.max(axis=0)
    size = tuple(high - low + 1)
    place = tuple((query - low).T)
    gains = np.zeros((*size, gain.shape[1]), np.float32)
    gains[place] = gain
    piece = np.zeros((*size, 2), pieces.dtype)
    piece[place] = pieces
    asked = np.zeros(size, np.bool_)
    asked[place] = True
    return np.asarray(_together(gains, piece, asked).argmax(axis=2)[place])


def _together(gains: Floats, piece: Places, asked: Bools) -> Floats:
    """Let neighbours of one piece hear each other: [a, b, moves] of beliefs."""
    belief = gains.copy()
    messages = {step: np.zeros_like(gains) for step in NEIGHBOURS}
    listens = {
        step: ((_shift(piece, step) == piece).all(axis=2) & asked & _shift(asked, step))[..., None]
        for step in NEIGHBOURS
    }
    for _ in range(_SWEEPS):
        for step in NEIGHBOURS:
            to, of = _moved(step)
            says = belief[of] - messages[(-step[0], -step[1])][of]
            says -= says.max(axis=2, keepdims=True)
            says += _TOGETHER
            np.maximum(says, 0, out=says)
            says *= listens[step][to]
            belief[to] += says - messages[step][to]
            messages[step][to] = says
    return belief


def _shift(values: NDArray[Number], step: tuple[int, int]) -> NDArray[Number]:
    """Move a map one query along `step`; zeros come in."""
    out, (to, of) = np.zeros_like(values), _moved(step)
    out[to] = values[of]
    return out


def _moved(step: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Give where the values of a map go that move one query along `step`, and whence."""
    (to_y, from_y), (to_x, from_x) = (spans(part) for part in step)
    return (to_y, to_x), (from_y, from_x)
