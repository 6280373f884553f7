"""How a map is asked and answered: the paper's patch-swap, and this project's departures from it.

literal    section 3.3.2: features of the guess ask, the nearest patch is copied.
blurred    the same, but candidates are compared as blurry as the guess is; sharp ones are copied.
coherent   at the coarsest scale Image2Feature's *expected* features ask and neighbouring queries
           agree (`coherence`); above it matches are carried up, so that the same pieces are copied.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill.coherence import agree, carry
from swapfill.patch_swap import (
    PATCH,
    Match,
    candidates,
    match,
    paste,
    patch_products,
    touching,
)

# Similarities of all queries with all candidates that `agree` may hold; above, each is on its own.
_MOST_SIMILARITIES = 30_000_000
_SWEEPS = 12


def coherent_match(features: Tensor, hole: Tensor, expected: Tensor | None, bonus: float) -> Match:
    """Match one map at the coarsest scale.

    Args:
        features: of the guess composited with the known pixels, [C, h, w].
        hole: r, [1, h, w], bool, with at least one cell.
        expected: expected unit features, [C, h, w]; the guess's own unless given.
        bonus: of two neighbouring queries that agree, in units of cosine.

    Raises:
        NoKnownPatchError: there is no candidate.
    """
    unit = F.normalize(features.float(), dim=0)
    asks = unit if expected is None else torch.where(hole, expected.float(), unit)
    valid, asked = candidates(hole), touching(hole)
    rows, columns = asked.any(dim=1).nonzero()[:, 0], asked.any(dim=0).nonzero()[:, 0]
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    if (bottom - top) * (right - left) * valid.numel() > _MOST_SIMILARITIES:
        return match(asks, hole, unit)
    part = asks[:, top : bottom + PATCH - 1, left : right + PATCH - 1]
    similarity = patch_products(part, unit) / PATCH**2
    similarity.masked_fill_(~valid, -10.0)
    here = asked[top:bottom, left:right]
    chosen = agree(similarity, here, bonus, _SWEEPS)
    query = here.nonzero()
    index = chosen[here]
    place = torch.stack([index // valid.shape[1], index % valid.shape[1]], dim=1)
    score = similarity.flatten(2)[query[:, 0], query[:, 1], index]
    return Match(query + torch.tensor([top, left], device=hole.device), place, score)


def carried_match(coarse: Match, hole: Tensor, factor: int) -> Match:
    """Carry a coarser scale's matches up to one map: the same pieces, in finer cells.

    Args:
        coarse: what was matched on a map `factor` times as coarse, whose hole covers this one's.
        hole: r, [1, h, w], bool.
        factor: fine cells a coarse cell spans.
    """
    asked, valid = touching(hole), candidates(hole)
    query = asked.nonzero()
    place = carry(coarse, query, factor, (valid.shape[0], valid.shape[1]))
    lost = ~valid[place[:, 0], place[:, 1]]
    if bool(lost.any()):  # clamped at the border into the hole: the nearest candidate instead
        known = valid.nonzero()
        gap = torch.cdist(place[lost].float(), known.float())
        place[lost] = known[gap.argmin(dim=1)]
    return Match(query, place, torch.ones(len(query), device=hole.device))


def swap_coherently(
    features: Tensor,
    hole: Tensor,
    expected: Tensor | None,
    coarse: Match | None,
    factor: int,
    bonus: float,
) -> tuple[Tensor, Match | None]:
    """Swap one map [C, h, w] by coherent or, above the coarsest scale, carried matches."""
    if not bool(hole.any()):
        return features, None
    found = (
        coherent_match(features, hole, expected, bonus)
        if coarse is None
        else carried_match(coarse, hole, factor)
    )
    return paste(features, hole, found), found
