"""Coherent matching of all maps of a batch at once: what `matching.swap_coherently` does to each.

On an accelerator a map takes thousands of small calls, and a wait for its answer at some dozens of
them. Here sixteen maps take few more than one. The host waits where a comment says so, here and in
`carried_maps`; twice along each axis in `coherence.agree`, for which queries have a neighbour, and
where queries reconsider, for who does; twice in each `alignment.agreed`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from swapfill.beside import Beside
from swapfill.carried_maps import align_maps, carry_maps, gathered
from swapfill.coherence import Shortlist, agree
from swapfill.fused_swap import paste_maps
from swapfill.matching import LISTED, SWEEPS
from swapfill.neighbourhoods import SCORE_STEP, neighbourhoods
from swapfill.patch_swap import PATCH, Match, candidates
from swapfill.shortlists import cells_of, offsets_around, taken, with_shared
from swapfill.variation import preference

_BLOCK = 1 << 25  # products that are held at once: 128 MB, and thrice that beside them


class _Maps(NamedTuple):
    """What is known of the holes of maps: which patches ask and answer, [B, h - 2, w - 2].

    `query` is [N, 3]: the map, row and column of those that ask; `asking` how many each map has.
    """

    asked: NDArray[np.bool_]
    valid: Tensor
    query: Tensor
    asking: list[int]


def at_once(device: torch.device) -> bool:
    """Tell whether the maps of a batch are better swapped together; a CPU's caches hold one."""
    return device.type == "cuda"


def swap_maps_coherently(
    features: Tensor,
    hole: Tensor,
    expected: Tensor | None,
    coarse: Sequence[Match | None],
    factor: int,
    bonus: float,
    values: Tensor,
    seed: int = 0,
    around: list[Beside] | None = None,
) -> tuple[Tensor, list[Match | None]]:
    """Swap maps by coherent or, above the coarsest scale, carried matches.

    Args:
        features: of the guess composited with the known pixels, [B, C, h, w].
        hole: r, [B, 1, h, w], bool.
        expected: expected unit features, [B, C, h, w]; the guess's own unless given.
        coarse: what was matched on each map `factor` times as coarse; all None at the coarsest.
        factor: fine cells a coarse cell spans.
        bonus: of neighbouring pieces that go on in each other, in units of cosine.
        values: what is copied, [B, D, h, w].
        seed: of another try; see `variation`.
        around: of each map, colours that are compared as well at the coarsest scale.

    Returns:
        The values with their holes filled, and each map's matches: None without a hole.

    Raises:
        NoKnownPatchError: a map has a hole and no candidate.
    """
    maps = _maps_of(hole)
    live = [i for i, asking in enumerate(maps.asking) if asking]
    if len(live) < len(hole):
        parts = (features, hole, expected, values)
        return _swap_some(live, *parts, coarse, factor, bonus, seed, around)
    known = [one for one in coarse if one is not None]
    if known:
        place, similarity = _carried(known, features, hole, maps, factor)
    else:
        unit = F.normalize(features.float(), dim=1)
        asks = keys = unit
        if expected is not None:
            asks = torch.where(hole, expected.float(), unit)
        if around is not None:
            asks = torch.cat([asks, torch.stack([one.asks for one in around])], dim=1)
            keys = torch.cat([unit, torch.stack([one.keys for one in around])], dim=1)
        looks = [one.look for one in around or [] if one.look is not None]
        look = torch.stack(looks) if looks else None
        place, similarity = _agreed(asks, keys, unit, look, maps, bonus, seed)
    places = torch.full_like(maps.valid, -1, dtype=torch.long)
    places[maps.query.unbind(dim=1)] = place[:, 0] * features.shape[3] + place[:, 1]
    split = (one.split(maps.asking) for one in (maps.query[:, 1:], place, similarity))
    return paste_maps(values, hole, places), [Match(*one) for one in zip(*split, strict=True)]


def _swap_some(
    live: list[int],
    features: Tensor,
    hole: Tensor,
    expected: Tensor | None,
    values: Tensor,
    coarse: Sequence[Match | None],
    factor: int,
    bonus: float,
    seed: int,
    around: list[Beside] | None,
) -> tuple[Tensor, list[Match | None]]:
    """Swap those maps that have a hole, and give the others as they are."""
    matches: list[Match | None] = [None] * len(hole)
    if not live:
        return values, matches
    some = torch.tensor(live, device=hole.device)
    asks = None if expected is None else expected[some]
    given = [coarse[i] for i in live]
    colours = None if around is None else [around[i] for i in live]
    swapped, found = swap_maps_coherently(
        *(features[some], hole[some], asks, given, factor, bonus, values[some], seed, colours)
    )
    for i, one in zip(live, found, strict=True):
        matches[i] = one
    return values.index_copy(0, some, swapped), matches


def _maps_of(hole: Tensor) -> _Maps:
    touched = F.max_pool2d(hole.float(), PATCH, stride=1)[:, 0] > 0
    asked = touched.cpu().numpy()  # the host waits
    for one, its in zip(hole, asked, strict=True):
        if its.all():
            candidates(one)  # refuses it
    query = torch.from_numpy(np.argwhere(asked)).to(hole.device)
    return _Maps(asked, ~touched, query, [int(its.sum()) for its in asked])


def _carried(
    coarse: list[Match], features: Tensor, hole: Tensor, maps: _Maps, factor: int
) -> tuple[Tensor, Tensor]:
    height = hole.shape[2] // factor
    before = gathered(coarse, height)
    moved = align_maps(before, features, hole, factor)
    place = carry_maps(before, maps.query, factor, maps.valid, moved, height)
    return place, features.new_ones(len(place), dtype=torch.float32)


def _agreed(
    asks: Tensor,
    keys: Tensor,
    unit: Tensor,
    look: Tensor | None,
    maps: _Maps,
    bonus: float,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Choose candidates, [N, 2] in cells of their maps, with their similarities, [N]."""
    height, width, query = unit.shape[2], maps.valid.shape[2], maps.query
    listed = _listed(asks, keys, maps, _gain(maps.valid, seed))
    offered = _with_shared(listed, asks, keys, unit, maps, seed)
    below = query[:, 0] * height
    tall = torch.stack([below + query[:, 1], query[:, 2]], dim=1)
    places = offered.indices + (below * width)[:, None]
    told = Shortlist(tall, places, offered.values, width)
    seen = None if look is None else _stacked(look)
    index = agree(told, _stacked(unit), bonus, SWEEPS, seen)
    similarity = taken(told, index)
    index = index - below * width
    return torch.stack([index // width, index % width], dim=1), similarity


def _with_shared(
    listed: "_Listed", asks: Tensor, keys: Tensor, unit: Tensor, maps: _Maps, seed: int
) -> "_Listed":
    """Offer the queries of each map what lies at the offsets at which it repeats itself."""
    width, preferred = maps.valid.shape[2], preference(seed, *maps.valid.shape[1:])
    each = (one.split(maps.asking) for one in (maps.query[:, 1:], *listed[::-1]))
    lists = []
    for i, (query, places, values) in enumerate(zip(*each, strict=True)):
        own, valid = Shortlist(query, places, values, width), ~maps.asked[i]
        # The host waits: votes are counted there.
        offsets = offsets_around(unit[i], valid)
        lists.append(with_shared(own, asks[i], keys[i], offsets, valid, preferred))
    return _Listed(
        torch.cat([its.similarity for its in lists]), torch.cat([its.places for its in lists])
    )


def _stacked(maps: Tensor) -> Tensor:
    """Lay maps [B, C, h, w] one below the other: [C, B h, w]."""
    return maps.transpose(0, 1).flatten(1, 2)


def _gain(valid: Tensor, seed: int) -> Tensor:
    """Give what each candidate gains, nine times, and no other patch ever: [B, h - 2, w - 2]."""
    gain = torch.zeros_like(valid, dtype=torch.float32)
    preferred = preference(seed, *valid.shape[1:])
    if preferred is not None:
        gain += PATCH**2 * torch.from_numpy(preferred).to(gain)
    return gain.masked_fill_(~valid, -1e30)


class _Listed(NamedTuple):
    """The best candidates of each query, rising by place: [N, K] of their own map."""

    values: Tensor
    indices: Tensor


def _listed(asks: Tensor, unit: Tensor, maps: _Maps, gain: Tensor) -> _Listed:
    """List candidates of all queries, as `shortlists.shortlist` does for one map.

    Maps with fewer candidates than are listed list some that are none, at the end of their scores.
    """
    size, width = maps.asked[0].size, maps.asked.shape[2]
    count = min(LISTED, size - min(maps.asking))
    number = np.cumsum(maps.asked).reshape(maps.asked.shape) - 1  # of each query
    values = unit.new_empty(len(maps.query), count)
    indices = torch.empty_like(values, dtype=torch.long)
    for i, asked in enumerate(maps.asked):
        for box, near in neighbourhoods(asked, ~asked, count):
            here = asked[box.slices]
            inside, place = (
                torch.from_numpy(one).to(unit.device)
                for one in (np.flatnonzero(here), number[i][box.slices][here])
            )
            rows = _products(cells_of(asks[i], box), cells_of(unit[i], near))
            best = [_largest((one + gain[i][near.slices]).flatten(2), count) for one in rows]
            scores, found = (torch.cat([one[k] for one in best]).flatten(0, 1) for k in (0, 1))
            index, order = found[inside].sort(dim=1)
            index = index // near.width * width + index % near.width
            indices[place] = index + near.top * width + near.left
            values[place] = scores[inside].gather(1, order) / PATCH**2
    return _Listed(values, indices)


def _largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find the `count` largest of each row, and where; of those that round to equals the first."""
    size = scores.shape[-1]
    first = torch.arange(size - 1, -1, -1, device=scores.device)
    steps = (scores / SCORE_STEP).round().clamp(min=-1e9).long()
    index = steps.mul_(size).add_(first).topk(count).indices
    return scores.gather(-1, index), index


def _products(part: Tensor, keys: Tensor) -> Iterator[Tensor]:
    """Give what `patch_products.flat_rows` gives, as many rows at once as fit into a block."""
    table, across = keys.flatten(1), part.shape[2]
    step = max(1, _BLOCK // (across * table.shape[1]) - PATCH + 1)
    for top in range(0, part.shape[1] - PATCH + 1, step):
        cells = part[:, top : top + step + PATCH - 1]
        with torch.autocast(part.device.type, enabled=False):  # bf16 loses up to 6e-3 of cosine
            gram = cells.flatten(1).T @ table
        gram = gram.view(-1, across, *keys.shape[1:])
        row = gram[:, :-2, :, :-2] + gram[:, 1:-1, :, 1:-1]
        row += gram[:, 2:, :, 2:]
        product = row[:-2, :, :-2] + row[1:-1, :, 1:-1]
        product += row[2:, :, 2:]
        yield product
