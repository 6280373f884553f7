"""Move carried pieces by a few fine cells, so that they continue what lies around the hole.

Not in the paper. Matches are made in cells of 4 pixels at 128; at 512 such a cell is 16 pixels
wide, and an edge that crosses the rim would miss its other half by up to eight.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill.coherence import NEIGHBOURS, nearest, spans
from swapfill.patch_swap import PATCH, Match

BAND = 4  # fine cells around the hole that a piece is compared with
REACH = 4  # steps that a piece may be moved by
_TOGETHER = 0.3  # what two neighbouring queries of one piece gain by moving alike, in cosine
STAY = 0.002  # what each cell of a move costs: ties do not move
UNKNOWN = 0.5  # taken for the cosine where a piece leaves the picture or runs into the hole
_SWEEPS = 6  # as far as a move travels into the hole, in coarse queries


def align(coarse: Match, features: Tensor, hole: Tensor, factor: int) -> Tensor:
    """Choose how each coarse query's piece is moved on the fine map.

    A piece that is carried to the rim of the hole goes on beyond it: there its features should be
    those of the known cells. Each query at the rim compares them for every move of up to a coarse
    cell; neighbours that copy the same piece move alike if they can (max-product belief propagation
    over the moves). What touches no rim stays, or goes with its piece.

    Args:
        coarse: matches of a map `factor` times as coarse.
        features: of the fine map, [C, h, w].
        hole: r of the fine map, [1, h, w], bool.
        factor: fine cells a coarse cell spans; at 1 nothing moves.

    Returns:
        [N, 2], fine cells to add to each coarse match's offset.
    """
    pieces = (coarse.candidate - coarse.query) * factor
    moved = torch.zeros_like(pieces)
    if factor == 1:
        return moved
    rim = _rim_of(coarse, hole, factor)
    # A row each: a cell's channels lie together, and taking cells is four times as fast.
    norms = features.float().norm(dim=0).clamp(min=1e-12).flatten()
    unit = features.float().flatten(1).T.contiguous().div_(norms[:, None])
    step = max(1, factor // REACH)
    while step:
        reach = torch.arange(-REACH, REACH + 1, device=hole.device) * step
        moves = torch.cartesian_prod(reach, reach)
        gain = _gain(rim, pieces + moved, unit, hole, moves) - STAY * moves.float().norm(dim=1)
        moved += moves[agreed(coarse.query, pieces, gain)]
        step //= REACH
    return moved


class _Rim(NamedTuple):
    cells: Tensor  # [P, 2], known fine cells near the hole
    nearest: Tensor  # [P], the coarse query that each lies nearest to


def _rim_of(coarse: Match, hole: Tensor, factor: int) -> _Rim:
    grown = F.max_pool2d(hole.float()[None], 2 * BAND + 1, stride=1, padding=BAND)[0] > 0
    cells = (grown & ~hole)[0].nonzero()
    centres = (coarse.query + PATCH / 2) * factor
    return _Rim(cells, nearest(cells + 0.5, centres))


def _gain(rim: _Rim, offset: Tensor, unit: Tensor, hole: Tensor, moves: Tensor) -> Tensor:
    """Compare the rim's cells with what their queries' pieces have there, for each move.

    Args:
        rim: the cells, and whose they are.
        offset: of each query's piece, [N, 2].
        unit: each cell's unit features, [h w, C].
        hole: [1, h, w].
        moves: [moves, 2].

    Returns:
        [N, moves], the mean cosine over a query's cells; 0 for a query that is nearest to none.
    """
    cells, nearest = rim
    width = hole.shape[2]
    wanted = unit[cells[:, 0] * width + cells[:, 1]]
    last = torch.tensor(hole.shape[1:], device=hole.device) - 1
    there = cells + offset[nearest] + moves[:, None]  # [moves, P, 2]
    held = there.clamp(min=0).minimum(last)
    place = held[..., 0] * width + held[..., 1]
    known = (held == there).all(dim=2) & ~hole.flatten()[place]
    found, cosine = torch.empty_like(wanted), unit.new_empty(place.shape)
    for one, similar in zip(place, cosine, strict=True):
        torch.index_select(unit, 0, one, out=found)
        torch.sum(found.mul_(wanted), dim=1, out=similar)
    told = torch.where(known, cosine, UNKNOWN).T
    gain = unit.new_zeros(len(offset), len(moves)).index_add_(0, nearest, told)
    return gain / torch.bincount(nearest, minlength=len(offset)).clamp(min=1)[:, None]


def agreed(query: Tensor, pieces: Tensor, gain: Tensor) -> Tensor:
    """Choose each query's move, an index: [N]. Neighbours of equal `pieces` hear each other."""
    low, high = query.amin(dim=0), query.amax(dim=0)
    height, width = (int(n) for n in high - low + 1)
    rows, columns = (query - low).unbind(dim=1)
    gains = gain.new_zeros(height, width, gain.shape[1])
    gains[rows, columns] = gain
    piece = pieces.new_zeros(height, width, 2)
    piece[rows, columns] = pieces
    asked = torch.zeros(height, width, dtype=torch.bool, device=query.device)
    asked[rows, columns] = True
    return _together(gains, piece, asked).argmax(dim=2)[rows, columns]


def _together(gains: Tensor, piece: Tensor, asked: Tensor) -> Tensor:
    """Let neighbours of one piece hear each other: [a, b, moves] of beliefs."""
    belief = gains.clone()
    messages = {step: torch.zeros_like(gains) for step in NEIGHBOURS}
    listens = {
        step: (_shift(piece, step) == piece).all(dim=2) & asked & _shift(asked, step)
        for step in NEIGHBOURS
    }
    for _ in range(_SWEEPS):
        for step in NEIGHBOURS:
            to, of = _moved(step)
            says = belief[of] - messages[(-step[0], -step[1])][of]
            says = says.sub_(says.amax(dim=2, keepdim=True)).add_(_TOGETHER).clamp_(min=0)
            says *= listens[step][to][:, :, None]
            belief[to] += says - messages[step][to]
            messages[step][to] = says
    return belief


def _shift(values: Tensor, step: tuple[int, int]) -> Tensor:
    """Move a map one query along `step`; zeros come in."""
    out, (to, of) = torch.zeros_like(values), _moved(step)
    out[to] = values[of]
    return out


def _moved(step: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Give where the values of a map go that move one query along `step`, and whence."""
    (to_y, from_y), (to_x, from_x) = (spans(part) for part in step)
    return (to_y, to_x), (from_y, from_x)
