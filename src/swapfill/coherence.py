"""Make neighbouring matches agree, so that whole pieces are copied and averaging blurs little.

Not in the paper: there each query takes its own best candidate, neighbours pick places that
disagree, and the mean over nine copies blurs again.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from swapfill.patch_swap import Match

_DISTANCES = 1 << 22  # that are held at once, 17 MB
NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))


class Shortlist(NamedTuple):
    """What each query may take: its best candidates, of all that are allowed.

    `query` is [N, 2], cells. `places` are [N, K], candidates in reading order on a map of `width`
    patches a row, rising along K; `similarity` is [N, K].
    """

    query: Tensor
    places: Tensor
    similarity: Tensor
    width: int


def agree(listed: Shortlist, bonus: float, sweeps: int) -> Tensor:
    """Choose a candidate for each query: similar, and next to what its neighbours choose.

    Maximises the sum of similarities plus `bonus` for each pair of neighbouring queries whose
    candidates are neighbours in the same way (a Potts model on offsets), by max-product belief
    propagation. A pair that disagrees just forgoes the bonus, so borders between pieces are free
    to lie anywhere. A candidate more than four bonuses below its query's best can never win nor
    speak, so that a list which holds all others is as good as all of them.

    Args:
        listed: the queries and their candidates.
        bonus: in units of similarity.
        sweeps: how far an opinion travels, in queries.

    Returns:
        The index of each query's candidate in reading order, [N].
    """
    belief = listed.similarity.clone()
    links = {step: _links(listed, step) for step in NEIGHBOURS}
    messages = {step: torch.zeros_like(belief) for step in NEIGHBOURS}
    says = belief.new_zeros(belief.numel() + 1)  # the last is what nobody says
    for _ in range(sweeps):
        for step in NEIGHBOURS:
            # What each query would tell its neighbour at `step`, without what that one told it.
            told = belief - messages[(-step[0], -step[1])]
            best = told.amax(dim=1, keepdim=True)
            # relative to its best: bonus if the neighbour continues it, 0 if it goes its own way
            torch.clamp(told - best + bonus, min=0.0, out=says[:-1].view_as(told))
            heard = says[links[step]]
            belief += heard - messages[step]
            messages[step] = heard
    chosen = belief.argmax(dim=1, keepdim=True)
    return listed.places.gather(1, chosen)[:, 0]


def _links(listed: Shortlist, step: tuple[int, int]) -> Tensor:
    """Find who speaks to each query and candidate along `step`: [N, K] of flat places.

    It is the query one step back, about the candidate one step back; where there is none, the place
    after the last.
    """
    query, places, _, width = listed
    size = query.amax(dim=0) + 1
    rows = torch.full([int(n) for n in size], -1, device=query.device)
    rows[query[:, 0], query[:, 1]] = torch.arange(len(query), device=query.device)
    before = query - torch.tensor(step, device=query.device)
    held = before.clamp(min=0).minimum(size - 1)
    speaker = rows[held[:, 0], held[:, 1]]
    speaker = torch.where((held == before).all(dim=1), speaker, -1)[:, None]
    column = places % width - step[1]
    wanted = places - step[0] * width - step[1]
    span = int(places.max()) + width + 2  # a row's own range of numbers
    sought = speaker * span + wanted
    table = (torch.arange(len(query), device=query.device)[:, None] * span + places).flatten()
    place = torch.searchsorted(table, sought.clamp(min=0)).clamp(max=len(table) - 1)
    there = (table[place] == sought) & (speaker >= 0) & (column >= 0) & (column < width)
    return torch.where(there & (wanted >= 0), place, len(table))


def spans(step: int) -> tuple[slice, slice]:
    """Give where values go, and where they come from, if they move by -1, 0 or 1."""
    if step == 0:
        return slice(None), slice(None)
    low, high = slice(None, -1), slice(1, None)
    return (high, low) if step > 0 else (low, high)


def nearest(points: Tensor, among: Tensor) -> Tensor:
    """Give, for each of `points` [N, 2], which of `among` [M, 2] is nearest; the first of equals.

    From differences: by way of products, as torch prefers, rounding would choose among equals.
    """
    some = points.split(max(_DISTANCES // max(len(among), 1), 1))
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cat([torch.cdist(one, among, compute_mode=mode).argmin(dim=1) for one in some])


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
