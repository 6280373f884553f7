"""What neighbours on a grid of queries need: steps, the cells they move, and who is nearest."""

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]

NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))
_AT_ONCE = 1 << 17  # distances: 1 MB


def spans(step: int) -> tuple[slice, slice]:
    """Give where values go, and where they come from, if they move by -1, 0 or 1."""
    if step == 0:
        return slice(None), slice(None)
    low, high = slice(None, -1), slice(1, None)
    return (high, low) if step > 0 else (low, high)


def nearest(points: Places, among: Places) -> Places:
    """Give, for each of `points` [N, 2], which of `among` [M, 2] is nearest; the first of equals.

    Whole numbers, in floats of 64 bits, so that equals are equal.
    """
    there = among.astype(np.float64)
    twice, squared = -2 * there.T, (there**2).sum(axis=1)
    rows = max(1, _AT_ONCE // len(among))
    found = [np.zeros(0, np.int64)]
    for top in range(0, len(points), rows):  # a point's own square is the same to all
        gaps = points[top : top + rows].astype(np.float64) @ twice
        gaps += squared
        found.append(gaps.argmin(axis=1))
    return np.concatenate(found)
