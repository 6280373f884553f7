"""Make neighbouring matches agree, so that whole pieces are copied and averaging blurs little.

Not in the paper: there each query takes its own best candidate, neighbours pick places that
disagree, and the mean over nine copies blurs again.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from swapfill.patch_swap import PATCH, Match

_DISTANCES = 1 << 18  # that are held at once, 2 MB
_TOGETHER = 32  # pairs that are weighed at once on a CPU: what they hold stays in a cache, 3 MB
_AT_ONCE = 2048  # and elsewhere: 200 MB
STEP = 2**-12  # to which what candidates are worth is rounded when it is compared
_ROUNDS = 3  # in which queries reconsider; more change next to nothing
_HEARD = 128  # pairs that tell each other at once
NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))


class Shortlist(NamedTuple):
    """What each query may take: its best candidates, of all that are allowed.

    `query` is [N, 2], cells. `places` are [N, K], candidates in reading order on a map of `width`
    patches a row; `similarity` is [N, K].
    """

    query: Tensor
    places: Tensor
    similarity: Tensor
    width: int


class _Pairs(NamedTuple):
    """Neighbouring queries, and what they gain together: a row each, [E], [E] and [E, K, K]."""

    first: Tensor
    second: Tensor
    gain: Tensor


def agree(
    listed: Shortlist, unit: Tensor, bonus: float, sweeps: int, look: Tensor | None = None
) -> Tensor:
    """Choose a candidate for each query: similar, and continued by its neighbours' candidates.

    Maximises the sum of similarities plus, for each pair of neighbouring queries, `bonus` times the
    cosine of what their candidates show in the cells between the two: 1 for candidates that are
    neighbours in the same way, and little less where a border between two pieces will not be seen;
    with `look`, less the squared difference of how these cells look. By max-product belief
    propagation; then each query reconsiders, now that its neighbours have chosen. That chooses
    better, and hardly ever by rounding: what opinions add up to may be equal, or wrong by 3e-4.

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
    belief, own = listed.similarity.clone(), listed.similarity.clone()
    table = unit.new_empty(unit[0].numel(), len(unit) + len(look))  # a cell's channels in a row
    torch.mul(unit.flatten(1).T, (bonus / 2) ** 0.5, out=table[:, : len(unit)])
    torch.mul(look.flatten(1).T, 2**0.5, out=table[:, len(unit) :])
    steps = ((0, 1), (1, 0))
    pairs = [_pairs(listed, table, step) for step in steps]
    # Of |a - b|^2 the product is beside that of features. The squares are each candidate's own: as
    # if it had been told, in its similarity, that much good of itself which the pair then costs it.
    square = look.square().sum(dim=0).flatten()
    back, forth = (
        [_both(listed, square, sign * row, sign * column) for row, column in steps]
        for sign in (1, -1)
    )
    back = [its[pair.first] for its, pair in zip(back, pairs, strict=True)]
    forth = [its[pair.second] for its, pair in zip(forth, pairs, strict=True)]
    for before, after, (first, second, _) in zip(back, forth, pairs, strict=True):
        own.index_add_(0, first, before, alpha=-1).index_add_(0, second, after, alpha=-1)
    for _ in range(sweeps):
        for i, (first, second, gain) in enumerate(pairs):
            forth[i] = _told(belief, first, back[i], second, forth[i], gain)
            back[i] = _told(belief, second, forth[i], first, back[i], gain.mT)
    chosen = _settled(own, pairs, listed.query, _best(belief), min(sweeps, _ROUNDS))
    return listed.places.gather(1, chosen[:, None])[:, 0]


def _best(score: Tensor) -> Tensor:
    """Choose the best candidate of each query, [N, K] to [N]; of those that round to it the first.

    Two engines round otherwise, and should not choose otherwise.
    """
    return (score / STEP).round_().argmax(dim=1)


def _settled(
    own: Tensor, pairs: list[_Pairs], query: Tensor, chosen: Tensor, rounds: int
) -> Tensor:
    """Let queries reconsider what they have `chosen`, [N], given what their neighbours chose.

    As on a chessboard: the white ones at once, then the black ones, none of which are neighbours.

    Args:
        own: how good candidates are by themselves, [N, K].
        pairs: and with those of neighbours.
        query: [N, 2].
        chosen: the index of each query's candidate in its list.
        rounds: how often.
    """
    black, score = query.sum(dim=1) % 2, own.clone()
    for first, second, gain in pairs:
        each = torch.arange(len(first), device=own.device)
        score.index_add_(0, second, gain[each, chosen[first]])
        score.index_add_(0, first, gain[each, :, chosen[second]])
    for _ in range(rounds):
        for colour in (0, 1):
            now = torch.where(black == colour, _best(score), chosen)
            changed = now != chosen
            for first, second, gain in pairs:
                said = changed[first].nonzero()[:, 0]
                a, b, to = now[first[said]], chosen[first[said]], second[said]
                score.index_add_(0, to, gain[said, a] - gain[said, b])
                said = changed[second].nonzero()[:, 0]
                a, b, to = now[second[said]], chosen[second[said]], first[said]
                score.index_add_(0, to, gain[said, :, a] - gain[said, :, b])
            chosen = now
    return chosen


def _told(
    belief: Tensor, speaker: Tensor, heard: Tensor, listener: Tensor, before: Tensor, gain: Tensor
) -> Tensor:
    """Let each speaker tell its listener, [E, K], what `heard` from it did not say.

    `belief` takes it in place of what was told `before`.
    """
    opinion = belief.index_select(0, speaker) - heard
    says = torch.empty_like(opinion)
    for out, one, its in _lots(says, opinion, gain):
        out.copy_(_most(one[:, :, None] + its))
    says -= says.amax(dim=1, keepdim=True)
    belief.index_add_(0, listener, says - before)
    return says


def _most(told: Tensor) -> Tensor:
    """Give the largest over the speaker's candidates: [E, K, K] to [E, K]."""
    if told.device.type != "cpu":
        return told.amax(dim=1)
    rows = told.shape[1]  # halves at a time: three times as fast where K is not a multiple of 32
    while rows > 1:
        half = rows // 2
        torch.maximum(told[:, :half], told[:, rows - half : rows], out=told[:, :half])
        rows -= half
    return told[:, 0]


def _both(listed: Shortlist, square: Tensor, down: int, right: int) -> Tensor:
    """Sum what is said of each candidate's middle cell and of the one beside it, [N, K]."""
    row, middle = _cells(listed)
    return square[middle] + square[middle + down * row + right]


def _cells(listed: Shortlist) -> tuple[int, Tensor]:
    """Give the map's width in cells, and each candidate's middle cell in reading order, [N, K]."""
    row = listed.width + PATCH - 1
    return row, (listed.places // listed.width + 1) * row + listed.places % listed.width + 1


def _pairs(listed: Shortlist, table: Tensor, step: tuple[int, int]) -> _Pairs:
    """Pair each query with the next one along `step`, and weigh their candidates together.

    A candidate is seen with the cell before it and the one after it: where its neighbour's
    candidate goes on, both show one half of that, and one product compares the halves.
    """
    order, first = _lined_up(listed.query, step)
    row, middle = _cells(listed)
    ahead = step[0] * row + step[1]
    shown = torch.tensor([-ahead, 0, ahead], device=table.device)
    seen = middle[order][:, :, None] + shown  # [N, K, 3]
    (count, channels), steps = (seen.shape[1], table.shape[1]), max(len(seen) - 1, 0)
    together = _TOGETHER if table.device.type == "cpu" else _AT_ONCE
    gain = table.new_empty(len(first), count, count)
    cells = table.new_empty((min(together, steps) + 1) * seen[:1].numel(), channels)
    tops = range(0, steps, together)
    ends = torch.searchsorted(first, torch.tensor([*tops, steps], device=first.device)).tolist()
    for top, start, end in zip(tops, ends, ends[1:], strict=False):
        some = seen[top : top + together + 1]
        held = torch.index_select(table, 0, some.flatten(), out=cells[: some.numel()])
        halves = held.view(len(some), count, -1)
        one, other = halves[:-1, :, channels:], halves[1:, :, :-channels]
        if end - start == len(one):
            torch.bmm(one, other.mT, out=gain[start:end])
        else:  # some lines end here
            # Into a tensor of its own: autocast leaves such products in fp32.
            both = torch.bmm(one, other.mT, out=gain.new_empty(len(one), count, count))
            torch.index_select(both, 0, first[start:end] - top, out=gain[start:end])
    return _Pairs(order[first], order[first + 1], gain)


def _lots(*parts: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Go through pairs by as many as fit into a cache."""
    if len(parts[0]):
        yield from zip(*(part.split(_HEARD) for part in parts), strict=True)


def _lined_up(query: Tensor, step: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Order queries by lines along `step`, [N], and find those that the next one follows, [E]."""
    line, place = query.unbind(dim=1) if step[1] else query.flip(1).unbind(dim=1)
    order = torch.argsort(line * (place.amax() + 1) + place)
    along = query[order]
    follows = along[1:] - along[:-1] == torch.tensor(step, device=query.device)
    return order, follows.all(dim=1).nonzero()[:, 0]


def spans(step: int) -> tuple[slice, slice]:
    """Give where values go, and where they come from, if they move by -1, 0 or 1."""
    if step == 0:
        return slice(None), slice(None)
    low, high = slice(None, -1), slice(1, None)
    return (high, low) if step > 0 else (low, high)


def nearest(points: Tensor, among: Tensor) -> Tensor:
    """Give, for each of `points` [N, 2], which of `among` [M, 2] is nearest; the first of equals.

    By products, exact for places in cells and halves of them: in fewer bits, rounding would choose
    among equals. Apple's GPUs have no more.
    """
    exact = torch.float32 if points.device.type == "mps" else torch.float64
    there = among.to(exact)
    twice, squared = -2 * there.T, there.square().sum(dim=1)
    some = points.to(exact).split(max(_DISTANCES // max(len(among), 1), 1))
    # A point's own square is the same to all.
    return torch.cat([torch.addmm(squared, one, twice).argmin(dim=1) for one in some])


def carry(
    coarse: Match, query: Tensor, factor: int, limit: tuple[int, int], moved: Tensor | None = None
) -> Tensor:
    """Take a coarser scale's matches to a map `factor` times as fine.

    A fine query inherits the candidate of the coarse query that it lies in, at the same place
    within it.

    Args:
        coarse: the matches of the coarser map.
        query: [N, 2], the fine queries, in cells.
        factor: fine cells a coarse cell spans.
        limit: (rows, columns) of patches on the fine map.
        moved: [M, 2], fine cells that each coarse match's piece is moved by.

    Returns:
        [N, 2], the inherited candidates, inside the map.
    """
    # The coarse query whose centre lies nearest to this one's.
    centre = torch.div(query + 1, factor, rounding_mode="floor") - 1
    low, high = coarse.query.amin(dim=0), coarse.query.amax(dim=0)
    table = torch.full(
        [int(n) for n in (high - low + 1)], -1, dtype=torch.long, device=query.device
    )
    local = coarse.query - low
    table[local[:, 0], local[:, 1]] = torch.arange(len(local), device=query.device)
    place = centre.maximum(low).minimum(high) - low
    index = table[place[:, 0], place[:, 1]]
    missing = index < 0
    if bool(missing.any()):  # ragged holes: the nearest coarse query
        index[missing] = nearest(centre[missing].float(), coarse.query.float())
    offset = (coarse.candidate[index] - coarse.query[index]) * factor
    if moved is not None:
        offset = offset + moved[index]
    bound = torch.tensor(limit, device=query.device) - 1
    return (query + offset).clamp(min=0).minimum(bound)
