"""What coherent matching compares beside features: the colours around a cell, and where it is.

Not in the paper. Expected unit features say little of how bright a place is, and a piece of another
colour shows through the tone that it is given, as embossing or a weave. So does an edge in a piece
that the guess does not have: its two sides are levelled, and a ridge is left. And of pieces as
similar, a near one has the right size and light more often.
"""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

SIGMA = 0.5  # cells; enough to look past a texture's single cells, and to see an edge


class Beside(NamedTuple):
    """Channels beside features, [7, h, w]: of what asks, and of what is asked.

    The inner product of the two of a pair of cells is minus what their difference costs. `look` is
    what borders between pieces are judged by, if they are (`look_of`).
    """

    asks: Tensor
    keys: Tensor
    look: Tensor | None = None


def beside(colours: Tensor, hole: Tensor, colour: float, distance: float) -> Beside:
    """Compare the colours around each cell, for what is asked the known ones alone, and places.

    Args:
        colours: each cell's mean, the guess's in the hole, [3, h, w] in [0, 1].
        hole: r, [1, h, w], bool.
        colour: what a squared difference of colours costs, in cosine.
        distance: what a squared distance, in sides of the map, costs.
    """
    middle = colour**0.5 * (colours - 0.5)  # small numbers: their squares are subtracted
    place = distance**0.5 * _places(colours)
    asks = torch.cat([_around(middle, torch.ones_like(middle[:1])), place])
    keys = torch.cat([_around(middle, (~hole).to(middle)), place])
    one = torch.ones_like(middle[:1])
    squared = [part.square().sum(dim=0, keepdim=True) for part in (asks, keys)]
    return Beside(torch.cat([2 * asks, -squared[0], -one]), torch.cat([keys, one, squared[1]]))


def look_of(picture: Tensor, side: int, cost: float) -> Tensor:
    """Tell how each cell looks, so that a squared distance is what a border costs where it shows.

    Features say what a place is like, not where in a cell its edges lie: a piece could be copied
    beside itself, and show as a weave.

    Args:
        picture: [B, 3, S, S] in [0, 1].
        side: of the map, in cells; S is a multiple of twice as many.
        cost: of a mean squared difference, in cosine.

    Returns:
        [B, 12, side, side], of a cell's four quarters.
    """
    size = (2 * side, 2 * side)
    quarters = F.pixel_unshuffle(F.interpolate(picture, size=size, mode="area"), 2)
    small = quarters - 0.5  # their squares are subtracted
    return cast("Tensor", small * (cost / small.shape[1]) ** 0.5)


def _around(colours: Tensor, weight: Tensor) -> Tensor:
    """Average the cells around each, by a Gaussian and `weight`, [1, h, w]."""
    across, along = (_gaussian(size).to(colours) for size in (colours.shape[1], colours.shape[2]))
    blurred = across @ torch.cat([colours * weight, weight]) @ along
    return blurred[:-1] / blurred[-1:].clamp(min=1e-6)


def _gaussian(size: int) -> Tensor:
    place = torch.arange(size)
    return torch.exp(-0.5 * ((place - place[:, None]) / SIGMA) ** 2)


def _places(like: Tensor) -> Tensor:
    """Give each cell's row and column in sides of the map, from its middle: [2, h, w]."""
    size = like.shape[1:]
    axes = [(torch.arange(n).to(like) - (n - 1) / 2) / max(size) for n in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))
