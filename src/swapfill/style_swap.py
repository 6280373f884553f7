"""Patch-swap between two pictures: a content's patches for those of a style (Fig. 10).

A style's features are of other colours and contrasts than the content's, and cosines between the
two say little; each picture's features are brought to mean 0 and deviation 1 first, channel by
channel. A flat place then is like a flat place, of any colour: how bright a cell is counts beside
its features, so that light stays light. Neither is in the paper.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill.config import FEATURE_STRIDE as CELL
from swapfill.patch_swap import PATCH, match_between, paste_between, patch_norms

_LUMA = (0.299, 0.587, 0.114)
_LEAST_DEVIATION = 1e-3  # of a channel that says nothing: a picture of one colour


class Statistics(NamedTuple):
    """Mean and deviation of each channel, [C + 1, 1, 1]; the last is of the brightness."""

    mean: Tensor
    deviation: Tensor


class StyleMap(NamedTuple):
    """What can be copied at one scale.

    `values` [C + 1 + 48, h, w] are the keys (normalised features, brightness) and the pixels of
    each cell; `norms` [h - 2, w - 2] are of the patches of keys.
    """

    values: Tensor
    norms: Tensor
    statistics: Statistics

    @property
    def keys(self) -> Tensor:
        """What a query is compared with, [C + 1, h, w]."""
        return self.values[: len(self.statistics.mean)]


def described(features: Tensor, picture: Tensor) -> Tensor:
    """Put each cell's brightness below its features: [C, h, w] and [3, 4h, 4w] to [C + 1, h, w]."""
    luma = luminance(picture)
    return torch.cat([features, F.avg_pool2d(luma[None], CELL)[0].to(features)])


def luminance(picture: Tensor) -> Tensor:
    """Give the brightness of a picture: [3, H, W] to [1, H, W]."""
    share = picture.new_tensor(_LUMA)[:, None, None]
    return (picture * share).sum(dim=0, keepdim=True)


def statistics_of(description: Tensor) -> Statistics:
    """Measure what `normalised` takes out, of [C + 1, h, w]."""
    cells = description.flatten(1)
    deviation = cells.std(dim=1, correction=0).clamp(min=_LEAST_DEVIATION)
    return Statistics(cells.mean(dim=1)[:, None, None], deviation[:, None, None])


def normalised(description: Tensor, statistics: Statistics, tone: float) -> Tensor:
    """Bring every channel to mean 0 and deviation 1; the brightness to deviation `tone`."""
    keys = (description - statistics.mean) / statistics.deviation
    return torch.cat([keys[:-1], tone * keys[-1:]])


def style_map(description: Tensor, picture: Tensor, tone: float) -> StyleMap:
    """Prepare a style's map.

    Args:
        description: as `described` gives it.
        picture: [3, 4h, 4w] in [0, 1].
        tone: the deviation of brightness among keys, 0 for none.
    """
    statistics = statistics_of(description)
    keys = normalised(description, statistics, tone)
    values = torch.cat([keys, F.pixel_unshuffle(picture, CELL).to(keys)])
    # A cell's values side by side in memory, for they are gathered cell by cell.
    values = values.flatten(1).T.contiguous().T.reshape(-1, *keys.shape[1:])
    return StyleMap(values, patch_norms(keys).clamp(min=1e-20), statistics)


def matched(query: Tensor, style: StyleMap) -> Tensor:
    """Find each patch's most similar one of the style: [C + 1, h, w] to [h - 2, w - 2, 2]."""
    found = match_between(query, style.keys)
    return found.candidate.reshape(query.shape[1] - 2, query.shape[2] - 2, 2)


def refined(
    query: Tensor, style: StyleMap, coarse: Tensor, corner: tuple[int, int], factor: int
) -> Tensor:
    """Carry a coarser scale's matches up, each patch taking the best of nine.

    A patch may go on with the piece that any of the nine coarse patches around it took, so that
    pieces keep their size in the picture while their edges follow the finer content.

    Args:
        query: normalised, a tile of the map that is twice as fine, [C + 1, h, w].
        style: of this scale.
        coarse: what the coarser map took, [H - 2, W - 2, 2].
        corner: the tile's first cell on the whole fine map, (row, column).
        factor: how much finer the style's map is than at the coarser scale, 1 or 2.

    Returns:
        [h - 2, w - 2, 2].
    """
    height, width = query.shape[1] - 2, query.shape[2] - 2
    device = query.device
    rows = torch.arange(height, device=device)
    columns = torch.arange(width, device=device)
    place = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2)
    cell = place + torch.tensor(corner, device=device)
    candidates = _carried(cell, coarse, factor, style)
    best = torch.full((len(place),), -torch.inf, device=device)
    chosen = candidates[0].clone()
    for i, candidate in enumerate(candidates):
        known = [(candidate == before).all(dim=1) for before in candidates[:i]]
        fresh = (~torch.stack(known).any(dim=0)).nonzero()[:, 0] if known else slice(None)
        score = _similarity(query, style, place[fresh], candidate[fresh])
        better = score > best[fresh]
        best[fresh] = torch.where(better, score, best[fresh])
        chosen[fresh] = torch.where(better[:, None], candidate[fresh], chosen[fresh])
    return chosen.reshape(height, width, 2)


def _carried(cell: Tensor, coarse: Tensor, factor: int, style: StyleMap) -> list[Tensor]:
    """Give nine candidates for each fine patch at `cell` [N, 2], each [N, 2], the nearest first."""
    last = torch.tensor(coarse.shape[:2], device=cell.device) - 1
    bound = torch.tensor(style.norms.shape, device=cell.device) - 1
    nearest = torch.div(cell + 1, 2, rounding_mode="floor") - 1
    steps = [(0, 0)] + [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
    carried = []
    for step in steps:
        around = nearest + torch.tensor(step, device=cell.device)
        around = around.clamp(min=0).minimum(last)
        taken = coarse[around[:, 0], around[:, 1]] * factor + cell - 2 * around
        carried.append(taken.clamp(min=0).minimum(bound))
    return carried


def _similarity(query: Tensor, style: StyleMap, place: Tensor, candidate: Tensor) -> Tensor:
    """Compare patches of the query at `place` with the style's at `candidate`, both [N, 2]."""
    asks = query.flatten(1).T.contiguous()
    answers = style.keys.flatten(1).T
    score = query.new_zeros(len(place))
    for row in range(PATCH):
        for column in range(PATCH):
            here = (place[:, 0] + row) * query.shape[2] + place[:, 1] + column
            there = (candidate[:, 0] + row) * style.keys.shape[2] + candidate[:, 1] + column
            score += (asks[here] * answers[there]).sum(dim=1)
    return score / style.norms[candidate[:, 0], candidate[:, 1]]


def swapped(style: StyleMap, candidate: Tensor) -> tuple[Tensor, Tensor]:
    """Build the map of the taken patches: features [C, h, w] and pixels [3, 4h, 4w]."""
    pasted = paste_between(style.values, candidate)
    count = len(style.statistics.mean)
    # A mean of normalised features is the normalised mean: undone once, after pasting.
    features = pasted[: count - 1] * style.statistics.deviation[:-1] + style.statistics.mean[:-1]
    return features, F.pixel_shuffle(pasted[count:], CELL)
