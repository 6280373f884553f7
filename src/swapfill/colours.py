"""Colours beside the features that coherent matching compares.

Not in the paper. Expected unit features say little of how bright a place is; a piece of another
colour shows through the tone that it is given: as embossing, or a weave.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SIGMA = 2.0  # cells; the guess is blurry, so it is compared with known colours as blurry


class Beside(NamedTuple):
    """Channels beside features, [5, h, w]: of what asks, and of what is asked.

    The inner product of the two of a pair of cells is minus what their colours' difference costs.
    """

    asks: Tensor
    keys: Tensor


def beside(colours: Tensor, hole: Tensor, cost: float) -> Beside:
    """Compare the colours around each cell: for what asks all, for what is asked the known ones.

    Args:
        colours: each cell's mean, the guess's in the hole, [3, h, w] in [0, 1].
        hole: r, [1, h, w], bool.
        cost: of a squared difference, in cosine.
    """
    middle = colours - 0.5  # small numbers: their squares are subtracted from each other
    asks, keys = (_around(middle, where.to(middle)) for where in (torch.ones_like(hole), ~hole))
    one = torch.ones_like(asks[:1])
    squares = [part.square().sum(dim=0, keepdim=True) for part in (asks, keys)]
    return Beside(
        cost * torch.cat([2 * asks, -squares[0], -one]), torch.cat([keys, one, squares[1]])
    )


def _around(colours: Tensor, weight: Tensor) -> Tensor:
    """Average the cells around each, by a Gaussian and `weight`, [1, h, w]."""
    across, along = (_gaussian(size).to(colours) for size in (colours.shape[1], colours.shape[2]))
    blurred = across @ torch.cat([colours * weight, weight]) @ along
    return blurred[:-1] / blurred[-1:].clamp(min=1e-6)


def _gaussian(size: int) -> Tensor:
    place = torch.arange(size)
    return torch.exp(-0.5 * ((place - place[:, None]) / SIGMA) ** 2)
