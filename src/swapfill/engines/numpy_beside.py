"""What is compared beside features in NumPy: the twin of `beside`."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from swapfill.engines.numpy_images import resize
from swapfill.engines.numpy_swap import Bools, Floats, cells_of

_SIGMA = 0.5  # as in `beside`


class Beside(NamedTuple):
    """Channels beside features, [7, h, w], as `beside.Beside` has them."""

    asks: Floats
    keys: Floats
    look: Floats | None = None


def beside(colours: Floats, hole: Bools, colour: float, distance: float) -> Beside:
    """Compare the colours around each cell, and places, as `beside.beside` does.

    Args:
        colours: each cell's mean, the guess's in the hole, [3, h, w] in [0, 1].
        hole: [h, w].
        colour: what a squared difference of colours costs, in cosine.
        distance: what a squared distance, in sides of the map, costs.
    """
    middle = np.float32(colour**0.5) * (colours - np.float32(0.5))
    place = np.float32(distance**0.5) * _places(hole.shape)
    asks = np.concatenate([_around(middle, np.ones_like(hole)), place])
    keys = np.concatenate([_around(middle, ~hole), place])
    one = np.ones_like(middle[:1])
    squared = [np.square(part).sum(axis=0, keepdims=True) for part in (asks, keys)]
    return Beside(
        np.concatenate([2 * asks, -squared[0], -one]), np.concatenate([keys, one, squared[1]])
    )


def look_of(picture: Floats, side: int, cost: float) -> Floats:
    """Tell how each cell looks, [12, side, side], as `beside.look_of` does.

    Args:
        picture: [3, S, S] in [0, 1].
        side: of the map, in cells; S is a multiple of twice as many.
        cost: of a mean squared difference, in cosine.
    """
    quarters = cells_of(resize(picture[None], 2 * side)[0], side)
    return (quarters - np.float32(0.5)) * np.float32((cost / len(quarters)) ** 0.5)


def _around(colours: Floats, where: Bools) -> Floats:
    across, along = (_gaussian(size) for size in colours.shape[1:])
    weight = where[None].astype(np.float32)
    blurred = across @ np.concatenate([colours * weight, weight]) @ along
    return np.asarray(blurred[:-1] / np.maximum(blurred[-1:], np.float32(1e-6)))


@lru_cache(maxsize=16)
def _gaussian(size: int) -> Floats:
    place = np.arange(size)
    return np.exp(-0.5 * ((place - place[:, None]) / _SIGMA) ** 2).astype(np.float32)


def _places(size: tuple[int, ...]) -> Floats:
    axes = [((np.arange(n) - (n - 1) / 2) / max(size)).astype(np.float32) for n in size]
    return np.stack(np.meshgrid(*axes, indexing="ij"))
