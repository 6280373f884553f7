"""Match: carry texture from the known region into the hole, in feature space (section 3.3.2).

Candidates may also come from another picture, its style (Fig. 10).

A 3x3 patch is named by its top left cell, so a map of h x w cells has (h - 2) x (w - 2) of them.
*Queries* are the patches that touch the hole, *candidates* those wholly outside it.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill.errors import NoKnownPatchError
from swapfill.patch_products import PATCH as PATCH
from swapfill.patch_products import flat_rows

# On a CPU, rows of candidates that are compared at once, and candidates from which on it pays.
_STRIP, _LARGE = 40, 4500
_CHANNELS = 16  # that are squared at once


class Match(NamedTuple):
    """For each query of one map, which candidate it takes.

    `query` and `candidate` are [N, 2], (row, column) of the patches' top left cells, in cells;
    `similarity` is [N], the cosine d(p, q) in [-1, 1].
    """

    query: Tensor
    candidate: Tensor
    similarity: Tensor


def patch_swap(
    features: Tensor, hole: Tensor, *, keys: Tensor | None = None, values: Tensor | None = None
) -> Tensor:
    r"""Replace every patch that touches the hole by its most similar patch of the known region.

    For a query patch :math:`p` the candidate :math:`q` of largest cosine is copied:

    .. math:: d(p, q) = \langle p, q \rangle / (\|p\| \, \|q\|)

    Copies overlap: a cell of the hole becomes the mean of the copies that cover it (nine, fewer at
    the map's border). A cell outside the hole is returned as it came, bit for bit. Exact, in fp32;
    ties go to the first candidate in reading order.

    Args:
        features: F_1, the features of the guess; they are asked. [B, C, h, w], float.
        hole: r, true where a cell is missing. [B, 1, h, w], bool.
        keys: what candidates are compared by; `features` unless given (differs from the paper:
            keys made as blurry as the guess, or features of another picture). [B, C, h, w].
        values: what is copied; `keys` unless given, `features` if neither is. [B, D, h, w].

    Returns:
        F'_1, of the shape and dtype of `values`.

    Raises:
        NoKnownPatchError: a map has a hole and no candidate.
        ValueError: the tensors do not fit together.

    Example:
        The hole is the centre cell; its content points the way of the map's right half.

        >>> features = torch.ones(1, 2, 5, 9)
        >>> features[0, 0, :, 4:] = 3.0
        >>> hole = torch.zeros(1, 1, 5, 9, dtype=torch.bool)
        >>> hole[0, 0, 2, 7] = True
        >>> features[0, :, 2, 7] = torch.tensor([1.5, 0.5])
        >>> patch_swap(features, hole)[0, :, 2, 7]
        tensor([3., 1.])
    """
    keys = features if keys is None else keys
    values = keys if values is None else values
    _check(features, hole, keys, values)
    swapped = [
        paste(v, h, match(f, h, k)) if bool(h.any()) else v
        for f, h, k, v in zip(features, hole, keys, values, strict=True)
    ]
    return torch.stack(swapped) if swapped else values  # a batch of none stays one


def feature_hole(hole: Tensor, side: int) -> Tensor:
    """Shrink R [B, 1, S, S] to r [B, 1, side, side]: a cell is missing if any pixel of it is."""
    return F.adaptive_max_pool2d(hole.float(), side) > 0


def _check(features: Tensor, hole: Tensor, keys: Tensor, values: Tensor) -> None:
    batch, _, height, width = features.shape
    if hole.shape != (batch, 1, height, width) or hole.dtype != torch.bool:
        raise ValueError(
            f"hole is {hole.dtype} {tuple(hole.shape)}, want bool {(batch, 1, height, width)}"
        )
    if keys.shape != features.shape:
        raise ValueError(f"keys are {tuple(keys.shape)}, want {tuple(features.shape)}")
    if values.shape[0] != batch or values.shape[2:] != features.shape[2:]:
        raise ValueError(f"values are {tuple(values.shape)}, want maps of {height}x{width}")


def candidates(hole: Tensor) -> Tensor:
    """Which patches lie wholly outside the hole: [1, h, w] to [h - 2, w - 2], bool.

    Raises:
        NoKnownPatchError: none does.
    """
    valid = ~touching(hole)
    if not bool(valid.any()):
        raise NoKnownPatchError(
            f"the hole leaves no known {PATCH}x{PATCH} patch in {hole.shape[1]}x{hole.shape[2]} "
            "features, want a smaller hole or a larger picture"
        )
    return valid


def touching(hole: Tensor) -> Tensor:
    """Which patches touch the hole: [1, h, w] to [h - 2, w - 2], bool."""
    return F.max_pool2d(hole.float()[None], PATCH, stride=1)[0, 0] > 0


def match(features: Tensor, hole: Tensor, keys: Tensor) -> Match:
    """Find the most similar candidate of every query of one map, exactly.

    A patch's inner product is the sum of nine shifted *cell* inner products: one Gram matrix of
    cells, then a box sum along its diagonal, first over columns, then over rows, a row of queries
    at a time so that it stays in the cache and memory stays flat.

    Args:
        features: [C, h, w].
        hole: [1, h, w], bool, with at least one cell.
        keys: [C, h, w].

    Raises:
        NoKnownPatchError: there is no candidate.
    """
    features, keys = features.detach().float(), keys.detach().float()
    valid, asked = candidates(hole), touching(hole)
    rows, columns = asked.any(dim=1).nonzero()[:, 0], asked.any(dim=0).nonzero()[:, 0]
    left, right = int(columns[0]), int(columns[-1]) + 1
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    part = features[:, top : bottom + PATCH - 1, left : right + PATCH - 1]
    score, index = _best(part, keys, valid)
    here = asked[top:bottom, left:right]
    norms = patch_norms(features)[asked].clamp(min=1e-20)
    return Match(asked.nonzero(), _places(index[here], valid), score[here] / norms)


def match_between(features: Tensor, keys: Tensor) -> Match:
    """Find, for every patch of one map, the most similar patch of another one, exactly.

    Args:
        features: what asks, [C, h, w], at least 3 x 3.
        keys: what answers, [C, H, W], at least 3 x 3.

    Returns:
        (h - 2)(w - 2) matches in reading order; candidates are cells of `keys`.
    """
    features, keys = features.detach().float(), keys.detach().float()
    norms = patch_norms(features)
    valid = torch.ones_like(patch_norms(keys), dtype=torch.bool)
    score, index = _best(features, keys, valid)
    query = torch.ones_like(norms, dtype=torch.bool).nonzero()
    found = score.flatten() / norms.flatten().clamp(min=1e-20)
    return Match(query, _places(index.flatten(), valid), found)


def _places(index: Tensor, valid: Tensor) -> Tensor:
    """Turn places in reading order, [N], into rows and columns, [N, 2]."""
    width = valid.shape[1]
    return torch.stack([index // width, index % width], dim=1)


def _best(part: Tensor, keys: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Find which valid patch of `keys` is best for each patch of `part`; of equals the first.

    Args:
        part: [C, a, b].
        keys: [C, h, w].
        valid: [h - 2, w - 2], bool.

    Returns:
        The cosine times the norm of the patch of `part`, and the place in reading order, each
        [a - 2, b - 2].
    """
    inverse, width = patch_norms(keys).clamp(min=1e-20).reciprocal(), valid.shape[1]
    size = (part.shape[1] - PATCH + 1, part.shape[2] - PATCH + 1)
    best, place = part.new_full(size, -torch.inf), valid.new_zeros(size, dtype=torch.int64)
    for rows, columns in _rectangles(valid):
        reach = (slice(one.start, one.stop + PATCH - 1) for one in (rows, columns))
        offered = keys[:, *reach]
        score, row, column = _best_of(part, offered, inverse[rows, columns], valid[rows, columns])
        index = (row + rows.start) * width + column + columns.start
        better = (score > best) | (score == best) & (index < place)
        best, place = torch.where(better, score, best), torch.where(better, index, place)
    return best, place


def _rectangles(valid: Tensor) -> Iterator[tuple[slice, slice]]:
    """Give rows and columns of rectangles that hold all valid patches, and few others.

    Above, below and beside the box of what is not valid, in strips, so that what is added up stays
    in the cache. A small map is there whole, and an accelerator's time is that of its calls.
    """
    height, width = valid.shape
    if valid.device.type != "cpu" or valid.numel() < _LARGE:
        yield slice(0, height), slice(0, width)
        return
    top, bottom, left, right = height, height, width, width
    if not bool(valid.all()):
        rows, columns = ((~valid).any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        if not bool(valid[top:bottom, columns[0] : columns[-1] + 1].any()):
            left, right = int(columns[0]), int(columns[-1]) + 1
    bands = [(0, top, 0, width), (top, bottom, 0, left)]
    bands += [(top, bottom, right, width), (bottom, height, 0, width)]
    for first, last, start, stop in bands:
        count = max(1, -(-(last - first) // _STRIP))
        ends = [first + (last - first) * i // count for i in range(count + 1)]
        for one, other in itertools.pairwise(ends):
            if bool(valid[one:other, start:stop].any()):
                yield slice(one, other), slice(start, stop)


def _best_of(
    part: Tensor, keys: Tensor, inverse: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Do what `_best` does in one rectangle: score, row and column, each [a - 2, b - 2]."""
    aside = (0, PATCH - 1)  # sums that run over a row's end are no patch
    inverse = F.pad(inverse, aside).flatten()
    penalty = torch.full_like(valid, -1e30, dtype=inverse.dtype).masked_fill_(valid, 0)
    penalty = F.pad(penalty, aside, value=-1e30)
    scores, rows, columns = [], [], []
    for products in flat_rows(part, keys):
        score = torch.addcmul(penalty.flatten(), products, inverse, out=products)
        lines = score.unflatten(1, penalty.shape)
        # The best of each line, then where: torch tells where 20 x as slowly as how good.
        best, row = lines.amax(dim=2).max(dim=1)
        columns.append(lines[torch.arange(len(row), device=row.device), row].argmax(dim=1))
        scores.append(best)
        rows.append(row)
    return torch.stack(scores), torch.stack(rows), torch.stack(columns)


def patch_norms(features: Tensor) -> Tensor:
    """Give the norm of every patch: [C, h, w] to [h - 2, w - 2]."""
    squared = features.new_zeros(features.shape[1:], dtype=torch.float32)
    for some in features.split(_CHANNELS):  # not all squares at once: they are as large as the map
        squared = squared + some.float().square().sum(dim=0)
    return (PATCH**2 * F.avg_pool2d(squared[None, None], PATCH, stride=1))[0, 0].clamp(min=0).sqrt()


def paste(values: Tensor, hole: Tensor, found: Match, weight: Tensor | None = None) -> Tensor:
    """Copy the chosen patches into the hole of one map; overlaps are averaged.

    Args:
        values: [D, h, w]; outside the hole they are returned as they are.
        hole: [1, h, w], bool.
        found: a candidate for every patch that touches the hole.
        weight: of each copy in the mean, [N]; equal unless given.
    """
    height, width = values.shape[1:]
    source = torch.full((height - 2, width - 2), -1, device=values.device)
    source[found.query[:, 0], found.query[:, 1]] = (
        found.candidate[:, 0] * width + found.candidate[:, 1]
    )
    spread = values.new_ones(height - 2, width - 2)
    if weight is not None:
        spread.zero_()
        spread[found.query[:, 0], found.query[:, 1]] = weight.to(values.dtype)
    cells = hole[0].nonzero()  # [P, 2]
    swapped = values.clone()
    swapped[:, cells[:, 0], cells[:, 1]] = _mean_copies(values, source, cells, spread).T
    return swapped


def paste_between(values: Tensor, candidate: Tensor) -> Tensor:
    """Build a map from patches of another one; overlaps are averaged.

    Args:
        values: of the other map, [D, H, W].
        candidate: for each patch of the map that is built, the top left cell of the patch it
            takes, [h - 2, w - 2, 2].

    Returns:
        [D, h, w].
    """
    size = (candidate.shape[0] + PATCH - 1, candidate.shape[1] + PATCH - 1)
    source = candidate[..., 0] * values.shape[2] + candidate[..., 1]
    cells = torch.ones(size, dtype=torch.bool, device=values.device).nonzero()
    copies = _mean_copies(values, source, cells, values.new_ones(source.shape))
    return copies.T.reshape(-1, *size)


def _mean_copies(values: Tensor, source: Tensor, cells: Tensor, spread: Tensor) -> Tensor:
    """Give each of `cells` [P, 2] the mean of the copies that cover it, [P, D].

    `source` is, for each patch, the cell of `values` that its copy starts at, in reading order, and
    `spread` the weight of that copy, both [h - 2, w - 2].
    """
    width = values.shape[2]
    steps = torch.arange(PATCH, device=values.device)
    shift = torch.cartesian_prod(steps, steps)  # [9, 2], a cell's place in each covering patch
    corner = cells[:, None] - shift  # [P, 9, 2]
    limit = torch.tensor(source.shape, device=values.device) - 1
    inside = ((corner >= 0) & (corner <= limit)).all(dim=2)  # [P, 9]
    corner = corner.clamp(min=0).minimum(limit)
    taken = source[corner[..., 0], corner[..., 1]] + shift[:, 0] * width + shift[:, 1]
    share = inside.to(values.dtype) * spread[corner[..., 0], corner[..., 1]]
    share = share / share.sum(dim=1, keepdim=True)
    table = values.flatten(1).T.contiguous()  # [h*w, D]
    return F.embedding_bag(taken.clamp(min=0), table, mode="sum", per_sample_weights=share)
