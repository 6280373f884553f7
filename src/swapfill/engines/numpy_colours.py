"""Colours beside features in NumPy: the twin of `colours`."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from swapfill.engines.numpy_swap import Bools, Floats

_SIGMA = 2.0  # as in `colours`


class Beside(NamedTuple):
    """Channels beside features, [5, h, w], as `colours.Beside` has them."""

    asks: Floats
    keys: Floats


def beside(colours: Floats, hole: Bools, cost: float) -> Beside:
    """Compare the colours around each cell, as `colours.beside` does.

    Args:
        colours: each cell's mean, the guess's in the hole, [3, h, w] in [0, 1].
        hole: [h, w].
        cost: of a squared difference, in cosine.
    """
    middle = colours - np.float32(0.5)
    asks, keys = (_around(middle, where) for where in (np.ones_like(hole), ~hole))
    one = np.ones_like(asks[:1])
    squares = [np.square(part).sum(axis=0, keepdims=True) for part in (asks, keys)]
    return Beside(
        np.float32(cost) * np.concatenate([2 * asks, -squares[0], -one]),
        np.concatenate([keys, one, squares[1]]),
    )


def _around(colours: Floats, where: Bools) -> Floats:
    across, along = (_gaussian(size) for size in colours.shape[1:])
    weight = where[None].astype(np.float32)
    blurred = across @ np.concatenate([colours * weight, weight]) @ along
    return np.asarray(blurred[:-1] / np.maximum(blurred[-1:], np.float32(1e-6)))


@lru_cache(maxsize=16)
def _gaussian(size: int) -> Floats:
    place = np.arange(size)
    return np.exp(-0.5 * ((place - place[:, None]) / _SIGMA) ** 2).astype(np.float32)
