"""What neighbours on a grid of queries need: steps, the cells they move, and who is nearest."""

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]

NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))
_AT_ONCE = 1 << 20  # distances


def spans(step: int) -> tuple[slice, slice]:
    """Give where values go, and where they come from, if they move by -1, 0 or 1."""
    if step == 0:
        return slice(None), slice(None)
    low, high = slice(None, -1), slice(1, None)
    return (high, low) if step > 0 else (low, high)


def nearest(points: Places, among: Places) -> Places:
    """Give, for each of `points` [N, 2], which of `among` [M, 2] is nearest; the first of equals.

    Whole numbers, so that equals are equal.
    """
    rows = max(1, _AT_ONCE // len(among))
    found = [np.zeros(0, np.int64)]
    for top in range(0, len(points), rows):
        gap = points[top : top + rows, None] - among
        found.append((gap**2).sum(axis=2).argmin(axis=1))
    return np.concatenate(found)
