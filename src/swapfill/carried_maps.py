"""Carrying the matches of all maps of a batch at once: what `alignment` and `coherence.carry` do.

For an accelerator, whose time is that of its calls and of waiting for its answers. The maps lie
under each other as one tall map. Patches of two maps are never neighbours there, for none starts in
the last two rows of its map; all else is clamped to a map's own rows.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill.alignment import BAND, REACH, STAY, UNKNOWN, agreed
from swapfill.coherence import nearest
from swapfill.patch_swap import PATCH, Match


class Coarse(NamedTuple):
    """What was matched on the maps of a batch, `factor` times as coarse, one after the other.

    `each` is by map; `of` is the map of each match, [M]; `tall` its query on the tall map, and
    `piece` how far its candidate lies from it, both [M, 2], in coarse cells.
    """

    each: list[Match]
    of: Tensor
    tall: Tensor
    piece: Tensor


class _Rim(NamedTuple):
    """Known fine cells near the holes, [P, 2], the map of each, [P], and its coarse match, [P]."""

    cells: Tensor
    of: Tensor
    match: Tensor


def gathered(each: list[Match], height: int) -> Coarse:
    """Put the matches of maps of `height` coarse cells together."""
    of = torch.cat([torch.full_like(one.query[:, 0], i) for i, one in enumerate(each)])
    query = torch.cat([one.query for one in each])
    candidate = torch.cat([one.candidate for one in each])
    tall = torch.stack([of * height + query[:, 0], query[:, 1]], dim=1)
    return Coarse(each, of, tall, candidate - query)


def align_maps(coarse: Coarse, features: Tensor, hole: Tensor, factor: int) -> Tensor:
    """Choose how each coarse query's piece is moved on its fine map: `alignment.align`, of all.

    Args:
        coarse: the matches of maps `factor` times as coarse.
        features: of the fine maps, [B, C, h, w].
        hole: r of the fine maps, [B, 1, h, w], bool.
        factor: fine cells a coarse cell spans; at 1 nothing moves.

    Returns:
        [M, 2], fine cells to add to each coarse match's offset.
    """
    pieces = coarse.piece * factor
    moved = torch.zeros_like(pieces)
    if factor == 1:
        return moved
    rim = _rim_of(coarse, hole, factor)
    unit = F.normalize(features.float(), dim=1).permute(0, 2, 3, 1).flatten(0, 2).contiguous()
    step = max(1, factor // REACH)
    while step:
        reach = torch.arange(-REACH, REACH + 1, device=hole.device) * step
        moves = torch.cartesian_prod(reach, reach)
        gain = _gain(rim, pieces + moved, unit, hole, moves) - STAY * moves.float().norm(dim=1)
        moved += moves[agreed(coarse.tall, pieces, gain)]
        step //= REACH
    return moved


def _rim_of(coarse: Coarse, hole: Tensor, factor: int) -> _Rim:
    grown = F.max_pool2d(hole.float(), 2 * BAND + 1, stride=1, padding=BAND) > 0
    found = (grown & ~hole)[:, 0].nonzero()  # the host waits
    counts = torch.bincount(found[:, 0], minlength=len(hole)).tolist()  # and again
    matches, first = [], 0
    for cells, one in zip(found[:, 1:].split(counts), coarse.each, strict=True):
        centres = (one.query + PATCH / 2) * factor
        matches.append(nearest(cells + 0.5, centres) + first)
        first += len(one.query)
    return _Rim(found[:, 1:], found[:, 0], torch.cat(matches))


def _gain(rim: _Rim, offset: Tensor, unit: Tensor, hole: Tensor, moves: Tensor) -> Tensor:
    """Compare the rims' cells with what their matches' pieces have there, for each move.

    Args:
        rim: the cells, and whose they are.
        offset: of each match's piece, [M, 2].
        unit: each cell's unit features, [B h w, C].
        hole: [B, 1, h, w].
        moves: [moves, 2].

    Returns:
        [M, moves], the mean cosine over a match's cells; 0 for one that is nearest to none.
    """
    height, width = hole.shape[2:]
    below = rim.of * height * width
    wanted = unit[below + rim.cells[:, 0] * width + rim.cells[:, 1]]
    last = torch.stack([torch.full_like(moves[0, 0], n - 1) for n in (height, width)])
    start = rim.cells + offset[rim.match]
    similar = []
    for some in moves.split(2 * REACH + 1):  # one row of moves: all at once would take gigabytes
        there = start[:, None] + some  # [P, moves, 2]
        held = there.clamp(min=0).minimum(last)
        place = below[:, None] + held[..., 0] * width + held[..., 1]
        known = (held == there).all(dim=2) & ~hole.flatten()[place]
        cosine = (wanted[:, None] * unit[place]).sum(dim=2)
        similar.append(torch.where(known, cosine, UNKNOWN))
    gain = unit.new_zeros(len(offset), len(moves)).index_add_(0, rim.match, torch.cat(similar, 1))
    # Not `bincount`, for whose length the host would wait.
    counts = torch.zeros_like(gain[:, 0]).index_add_(0, rim.match, torch.ones_like(wanted[:, 0]))
    return gain / counts.clamp(min=1)[:, None]


def carry_maps(
    coarse: Coarse, query: Tensor, factor: int, valid: Tensor, moved: Tensor, height: int
) -> Tensor:
    """Take the matches to maps `factor` times as fine: `coherence.carry`, of all.

    Args:
        coarse: the matches of the coarser maps.
        query: the fine queries, [N, 3]: map, row, column.
        factor: fine cells a coarse cell spans.
        valid: which patches are candidates, [B, h - 2, w - 2], bool.
        moved: [M, 2], fine cells that each coarse match's piece is moved by.
        height: of a coarse map, in cells.

    Returns:
        [N, 2], candidates of the same maps.
    """
    of, cells = query[:, 0], query[:, 1:]
    centre = torch.div(cells + 1, factor, rounding_mode="floor") - 1
    low, high = (torch.stack([end(one.query) for one in coarse.each]) for end in (_least, _most))
    held = centre.maximum(low[of]).minimum(high[of])
    size = (len(coarse.each) * height, valid.shape[2])  # no coarse row is as long
    table = torch.full(size, -1, dtype=torch.long, device=query.device)
    table[coarse.tall[:, 0], coarse.tall[:, 1]] = torch.arange(len(coarse.of), device=query.device)
    index = table[of * height + held[:, 0], held[:, 1]]
    missing = index < 0
    if bool(missing.any()):  # the host waits; ragged holes: the nearest coarse query
        index = torch.where(missing, _nearest_of_each(coarse, of, centre), index)
    place = cells + coarse.piece[index] * factor + moved[index]
    bound = torch.stack([torch.full_like(of[0], n - 1) for n in valid.shape[1:]])
    place = place.clamp(min=0).minimum(bound)
    lost = ~valid[of, place[:, 0], place[:, 1]]
    if bool(lost.any()):  # the host waits; clamped at the border into the hole
        for i, here in enumerate(valid):
            mine = lost & (of == i)
            known = here.nonzero()
            place[mine] = known[nearest(place[mine].float(), known.float())]
    return place


def _least(cells: Tensor) -> Tensor:
    return cells.amin(dim=0)


def _most(cells: Tensor) -> Tensor:
    return cells.amax(dim=0)


def _nearest_of_each(coarse: Coarse, of: Tensor, centre: Tensor) -> Tensor:
    """Give the match whose query is nearest to each of `centre` [N, 2] on the same map: [N]."""
    found, first = torch.zeros_like(of), 0
    for i, one in enumerate(coarse.each):
        mine = (of == i).nonzero()[:, 0]
        found[mine] = nearest(centre[mine].float(), one.query.float()) + first
        first += len(one.query)
    return found
