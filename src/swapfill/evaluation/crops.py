"""The part of a picture that features of its hole depend on."""

import numpy as np
from numpy.typing import NDArray

from swapfill.encoder import STRIDE

# Pixels around a hole that the features of its cells depend on, at most; a multiple of the stride.
_REACH = {"relu3_1": 16, "relu4_1": 48}


def crop_of(line: NDArray[np.bool_], layer: str) -> slice:
    """Where a crop starts and ends that holds all that the hole's features depend on.

    Args:
        line: [S], true where a row (or column) has missing pixels.
        layer: the deepest that is encoded; the crop fits its cells.
    """
    stride, found, side = STRIDE[layer], line.nonzero()[0], len(line)
    first = (int(found[0]) - _REACH[layer]) // stride * stride
    last = -((-int(found[-1]) - 1 - _REACH[layer]) // stride) * stride
    return slice(max(first, 0), min(last, side))
