"""Patch-swap as it is usually written: patches unfolded, one large matrix product."""

import torch.nn.functional as F
from torch import Tensor

from swapfill.patch_swap import PATCH, Match, candidates, paste, touching


def match_by_unfold(features: Tensor, hole: Tensor) -> Match:
    """Find what `patch_swap.match` finds, in time and memory that grow with nine times the cells.

    Args:
        features: [C, h, w].
        hole: [1, h, w], bool, with at least one cell.

    Raises:
        NoKnownPatchError: there is no candidate.
    """
    valid, asked = candidates(hole), touching(hole)
    patches = F.normalize(F.unfold(features[None], PATCH)[0], dim=0)  # [9 C, patches]
    products = patches[:, asked.flatten()].T @ patches[:, valid.flatten()]
    similarity, index = products.max(dim=1)
    return Match(asked.nonzero(), valid.nonzero()[index], similarity)


def swap_by_unfold(features: Tensor, hole: Tensor) -> Tensor:
    """Swap the patches of one map, [1, C, h, w], with its hole, [1, 1, h, w]."""
    return paste(features[0], hole[0], match_by_unfold(features[0], hole[0]))[None]
