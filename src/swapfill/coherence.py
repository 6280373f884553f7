"""Make neighbouring matches agree, so that whole pieces are copied and averaging blurs little.

Not in the paper: there each query takes its own best candidate, neighbours pick places that
disagree, and the mean over nine copies blurs again.
"""

import torch
from torch import Tensor

from swapfill.patch_swap import Match

NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def agree(similarity: Tensor, asked: Tensor, bonus: float, sweeps: int) -> Tensor:
    """Choose a candidate for each query: similar, and next to what its neighbours choose.

    Maximises the sum of similarities plus `bonus` for each pair of neighbouring queries whose
    candidates are neighbours in the same way (a Potts model on offsets), by max-product belief
    propagation. A pair that disagrees just forgoes the bonus, so borders between pieces are free
    to lie anywhere.

    Args:
        similarity: [a, b, h, w] of the queries of an a x b box with every candidate; -inf or very
            low where a candidate is not allowed.
        asked: [a, b], bool; the queries that matter. Others neither speak nor listen.
        bonus: in units of similarity.
        sweeps: how far an opinion travels, in queries; each costs eight passes over `similarity`.

    Returns:
        The index of the candidate in reading order, [a, b].
    """
    belief = similarity.clone()
    messages = {step: torch.zeros_like(similarity) for step in NEIGHBOURS}
    speaks = asked[:, :, None, None].to(similarity)
    for _ in range(sweeps):
        for step in NEIGHBOURS:
            back = (-step[0], -step[1])
            # What each node would say to its neighbour at `step`, without what that one told it.
            told = belief - messages[back]
            best = told.amax(dim=(2, 3), keepdim=True)
            # relative to its best: bonus if the neighbour continues it, 0 if it goes its own way
            says = (told - best + bonus).clamp_(min=0.0).mul_(speaks)
            heard = _shift(says, step)
            belief += heard - messages[step]
            messages[step] = heard
    return belief.flatten(2).argmax(dim=-1)


def _shift(says: Tensor, step: tuple[int, int]) -> Tensor:
    """Move messages one query along `step`, and their candidates one cell the same way."""
    out = torch.zeros_like(says)
    to_y, from_y = spans(step[0])
    to_x, from_x = spans(step[1])
    out[to_y, to_x, to_y, to_x] = says[from_y, from_x, from_y, from_x]
    return out


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
    return torch.cdist(points, among, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)


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
