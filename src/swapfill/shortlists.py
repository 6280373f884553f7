"""The candidates that are nearest to each query of a map, by products of patches: exactly.

The Gram matrix holds a row for each cell that a candidate has, and for no other: in a map full of
strokes that is half of them. What is added up is rows, each the queries of a strip.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from swapfill.coherence import Shortlist
from swapfill.masks import Box
from swapfill.neighbourhoods import SCORE_STEP, Known, known_cells, neighbourhoods
from swapfill.offsets import FOUND_STEP, NEAR, Places, offered, shared_offsets, voters
from swapfill.patch_products import PATCH
from swapfill.patch_swap import candidates, touching

_BLOCK = 1_000_000  # floats of the Gram matrix that are held at once: 4 MB
_ROWS = 6  # of a strip at least
_VOTING = 256  # voters that are compared at once
UNWANTED = -9.0  # the similarity of what is no candidate; no neighbours make up for it
_GROUPS = 4  # times as many groups as are listed: of a group, the largest is looked at first


class _Strip(NamedTuple):
    """Products of patches: a row for each candidate of a neighbourhood, [V, n].

    `column` is where the strip's queries lie among the n, [Q], and `number` which they are, [Q].
    """

    products: Tensor
    column: Tensor
    number: Tensor


def shortlist(
    asks: Tensor,
    hole: Tensor,
    unit: Tensor,
    count: int,
    preferred: NDArray[np.float32] | None = None,
) -> Shortlist:
    """List the `count` candidates that are nearest to each query of one map, exactly.

    On maps of more than 64 cells a side those around the query: see `neighbourhoods`. Of candidates
    that are as near but for rounding (`SCORE_STEP`) the first, in reading order.

    Args:
        asks: what each cell asks for, [C, h, w]; known cells ask for themselves.
        hole: r, [1, h, w], bool, with at least one cell.
        unit: the cells' unit features, [C, h, w].
        count: fewer where there are fewer.
        preferred: what each candidate gains, [h - 2, w - 2], in cosine.

    Raises:
        NoKnownPatchError: there is no candidate.
    """
    valid, asked = (one.cpu().numpy() for one in (candidates(hole), touching(hole)))
    count, width = min(count, int(valid.sum())), valid.shape[1]
    number = np.cumsum(asked).reshape(asked.shape) - 1  # of each query
    indices = torch.empty(int(number[-1, -1]) + 1, count, dtype=torch.long, device=hole.device)
    scores = unit.new_empty(indices.shape)
    table = unit.flatten(1).T.contiguous()  # a row each
    for box, near in neighbourhoods(asked, valid, count):
        known = known_cells(valid, near)
        place = torch.from_numpy(known.places).to(hole.device)
        gain = None
        if preferred is not None:
            told = PATCH**2 * preferred.reshape(-1)[known.places]
            gain = torch.from_numpy(told).to(unit)[:, None]
        numbers = np.where(asked, number, -1)[box.slices]
        for products, column, which in _strips(cells_of(asks, box), table, known, numbers):
            if gain is not None:
                products += gain
            found, score = _largest(products, column, count)
            indices[which], scores[which] = place[found], score / PATCH**2
    return Shortlist(touching(hole).nonzero(), indices, scores, width)


def offsets_around(unit: Tensor, valid: NDArray[np.bool_]) -> Places:
    """Choose the offsets that all queries of one map share: `offsets.shared_offsets`.

    Args:
        unit: the cells' unit features, [C, h, w].
        valid: which patches are candidates, [h - 2, w - 2].
    """
    asked = voters(valid)
    return shared_offsets(asked, _found_again(unit, asked, valid), valid)


def with_shared(
    own: Shortlist,
    asks: Tensor,
    unit: Tensor,
    offsets: Places,
    valid: NDArray[np.bool_],
    preferred: NDArray[np.float32] | None = None,
) -> Shortlist:
    """Offer each query what lies at the offsets that all share, beside its own.

    Args:
        own: what `shortlist` gave.
        asks: what it was given.
        unit: and this.
        offsets: [L, 2], see `offsets_around`.
        valid: which patches are candidates, [h - 2, w - 2].
        preferred: what each gains, as there.

    Returns:
        Its candidates and those, in reading order; one may be listed twice.
    """
    told = offered(own.query.cpu().numpy(), own.places.cpu().numpy(), offsets, valid)
    similar = _similarities(asks, unit, own.query, torch.from_numpy(offsets).to(own.query))
    there = torch.from_numpy(told.places).to(own.places)
    if preferred is not None:
        similar += torch.from_numpy(preferred).to(similar).flatten()[there]
    similar.masked_fill_(~torch.from_numpy(told.allowed).to(similar.device), UNWANTED)
    together, order = torch.cat([own.places, there], dim=1).sort(dim=1, stable=True)
    values = torch.cat([own.similarity, similar], dim=1).gather(1, order)
    return Shortlist(own.query, together, values, own.width)


def taken(listed: Shortlist, index: Tensor) -> Tensor:
    """Give the similarity of the candidate that each query took, `index` [N], in reading order."""
    its = listed.places == index[:, None]
    return listed.similarity.masked_fill(~its, UNWANTED).amax(dim=1)


def _found_again(unit: Tensor, asked: Places, valid: NDArray[np.bool_]) -> Places:
    """Find each voter again: the candidate most like it that is not near, in reading order, [V].

    Patches are compared by the means of their features: as good here, in a ninth of the products.
    """
    answers = torch.from_numpy(valid).to(unit.device)
    with torch.autocast(unit.device.type, enabled=False):
        mean = F.normalize(F.avg_pool2d(unit[None].float(), PATCH, stride=1)[0], dim=0)
        table = mean.flatten(1) / FOUND_STEP
        found = [
            _first_of_best(mean[:, some[:, 0], some[:, 1]].T @ table, some, answers)
            for some in torch.from_numpy(asked).to(unit.device).split(_VOTING)
        ]
    told: Places = torch.cat(found).cpu().numpy()
    return told


def _first_of_best(alike: Tensor, asked: Tensor, answers: Tensor) -> Tensor:
    """Give the best place of each row, [V, h w] to [V], that answers and is not near."""
    near = [
        (torch.arange(size, device=asked.device) - asked[:, i, None]).abs() <= NEAR
        for i, size in enumerate(answers.shape)
    ]
    out = (near[0][:, :, None] & near[1][:, None, :]).logical_or_(~answers).flatten(1)
    return alike.round_().masked_fill_(out, -torch.inf).argmax(dim=1)


def _similarities(asks: Tensor, unit: Tensor, query: Tensor, offsets: Tensor) -> Tensor:
    """Compare each query with what lies at each offset from it, [N, L]; nonsense off the map."""
    height, width = asks.shape[1:]
    steps = torch.arange(PATCH, device=query.device)
    cells = query[:, None] + torch.cartesian_prod(steps, steps)  # [N, 9, 2]
    cells = cells[..., 0] * width + cells[..., 1]
    asked = torch.zeros(height * width, dtype=torch.bool, device=query.device)
    asked[cells] = True
    number = asked.cumsum(0) - 1
    place = asked.nonzero()[:, 0]
    row, column = place // width, place % width
    asking, table = (one.flatten(1).T.contiguous() for one in (asks, unit))
    asking, held = asking[place], asking.new_empty(len(place), len(asks))
    products = asking.new_empty(len(offsets), len(place))
    for (down, right), out in zip(offsets.tolist(), products, strict=True):
        there = (row + down).clamp(0, height - 1) * width + (column + right).clamp(0, width - 1)
        torch.index_select(table, 0, there, out=held)
        torch.sum(held.mul_(asking), dim=1, out=out)
    return products[:, number[cells]].sum(dim=2).T.div(PATCH**2).contiguous()


def cells_of(map_: Tensor, patches: Box) -> Tensor:
    """Cut the cells of a box of patches out of a map [C, h, w]."""
    reach = PATCH - 1
    return map_[
        :, patches.top : patches.bottom + reach, patches.left : patches.right + reach
    ].contiguous()


def _strips(
    asks: Tensor, table: Tensor, known: Known, numbers: NDArray[np.int64]
) -> Iterator[_Strip]:
    """Multiply the patches of a box with candidates, some rows of the box at a time.

    Args:
        asks: cells of the box, [C, a, b].
        table: all cells, a row each.
        known: which of them candidates have.
        numbers: of the box's queries, [a - 2, b - 2]; -1 where there is none.
    """
    device, (height, width) = table.device, asks.shape[1:]
    cells, *lines = (torch.from_numpy(one).to(device) for one in (known.cells, *known.lines))
    offered = table.index_select(0, cells)
    rows = max(_ROWS, _BLOCK // (width * len(cells)) - PATCH + 1)
    rows = -(-(height - PATCH + 1) // -(-(height - PATCH + 1) // rows))  # strips of one height
    gram_size, last = len(cells) * width * (rows + PATCH - 1), 2 * width
    # What is summed along the diagonal ends early; the rest is taken, and never looked at.
    diagonal = table.new_zeros(gram_size + last)
    held = table.new_empty(2, len(lines[0]) * width * (rows + PATCH - 1))
    for top in range(0, height - PATCH + 1, rows):
        part = asks[:, top : top + rows + PATCH - 1].flatten(1)
        with torch.autocast(device.type, enabled=False):  # bf16 loses up to 6e-3 of cosine
            gram = (offered @ part).flatten()
        across = part.shape[1]
        end = len(gram) - 2 * (across + 1)
        summed = torch.add(gram[:end], gram[across + 1 : end + across + 1], out=diagonal[:end])
        summed += gram[2 * across + 2 :]
        both = held[:, : len(lines[0]) * across].view(2, -1, across)
        for i, line in enumerate(lines):
            seen = diagonal[i * width : i * width + len(gram)].view(-1, across)
            torch.index_select(seen, 0, line, out=both[min(i, 1)])
            if i:
                both[0] += both[1]
        here = np.pad(numbers[top : top + rows], ((0, 0), (0, PATCH - 1)), constant_values=-1)
        column = np.flatnonzero(here >= 0)
        if len(column):
            found = (torch.from_numpy(one).to(device) for one in (column, here.flat[column]))
            yield _Strip(both[0], *found)


def _largest(products: Tensor, column: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find the `count` largest of some columns: where, rising, and how large: [Q, count] each.

    So many are at least as large as the `count`th of the largest of some groups: of few, those that
    are, the largest are soon found. Equals, when rounded, count as such; the first are taken.
    """
    size = len(products) // (_GROUPS * count)
    if size < 2:
        few = products.T[column]
        places = torch.arange(len(products), device=few.device).expand_as(few)
        return _largest_of_few(few, places, count)
    groups = products[: size * _GROUPS * count].view(size, _GROUPS * count, -1)
    least = groups.amax(dim=0)[:, column].T.topk(count).values[:, -1]
    low = products.new_full(products.shape[1:], torch.inf)
    low[column] = ((least / SCORE_STEP).round() - 0.51) * SCORE_STEP  # what is rounded up to it too
    query, place = (products >= low).T.contiguous()[column].nonzero().unbind(dim=1)
    there = torch.bincount(query, minlength=len(column))
    number = torch.arange(len(query), device=query.device) - (there.cumsum(0) - there)[query]
    few = products.new_full((len(column), int(there.max())), -torch.inf)
    few[query, number] = products[place, column[query]]
    places = torch.zeros_like(few, dtype=torch.long)
    places[query, number] = place
    return _largest_of_few(few, places, count)


def _largest_of_few(few: Tensor, places: Tensor, count: int) -> tuple[Tensor, Tensor]:
    rounded = (few / SCORE_STEP).round()
    least = rounded.topk(count, sorted=False).values.amin(dim=1, keepdim=True)
    more, equal = rounded > least, rounded == least
    first = equal & (equal.cumsum(dim=1) <= count - more.sum(dim=1, keepdim=True))
    chosen = more | first
    return places[chosen].view(-1, count), few[chosen].view(-1, count)
