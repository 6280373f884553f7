"""Offsets that many queries of a map would take: what lets large pieces be copied as they are.

Not in the paper. Where a guess is blurry, all that is blurry alike is as near, and each query's own
best candidates are hardly ever those that go on in its neighbours': small pieces side by side, a
weave. But what whole regions may copy at once lies at few offsets (He and Sun, *Statistics of patch
offsets for image completion*, 2012). So the queries vote, and each may take what lies at the
offsets that won, beside the best of its own.

All is of integers, in NumPy: every engine is offered the same.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]

SHARED = 16  # offsets that every query is offered; 24 and 32 give the same figures
_OWN = 9  # what an offset's own votes count, beside those of the nine around it
_AROUND = 5


class Offered(NamedTuple):
    """What each query is offered beside its own: [N, L].

    `places` are patches in reading order, `allowed` tells which are candidates; where one is not,
    its place is that of the query's first own.
    """

    places: Places
    allowed: NDArray[np.bool_]


def shared_offsets(query: Places, places: Places, valid: NDArray[np.bool_]) -> Places:
    """Choose the offsets that win most votes, none beside a better one.

    Args:
        query: [N, 2], in cells.
        places: each query's own candidates, in reading order, [N, K]: a vote each.
        valid: which patches are candidates, [h - 2, w - 2].

    Returns:
        [`SHARED`, 2], in cells from a query to its candidate; where fewer have votes, the last are
        0: nobody's, for a query is no candidate.
    """
    height, width = valid.shape
    down = places // width - query[:, :1] + height
    right = places % width - query[:, 1:] + width
    shape = (2 * height + 1, 2 * width + 1)
    votes = np.bincount((down * shape[1] + right).ravel(), minlength=shape[0] * shape[1])
    votes = votes.reshape(shape)
    score = _AROUND * _nine(votes, np.add) + _OWN * votes
    score[score < _nine(score, np.maximum)] = 0
    # The first of equals: a stable order of what is largest.
    best = np.argsort(-score.ravel(), kind="stable")[:SHARED]
    best = best[score.ravel()[best] > 0]
    won = np.zeros((SHARED, 2), np.int64)
    won[: len(best)] = np.stack([best // shape[1] - height, best % shape[1] - width], axis=1)
    return won


def offered(query: Places, own: Places, offsets: Places, valid: NDArray[np.bool_]) -> Offered:
    """Tell what lies at the offsets of each query.

    Args:
        query: [N, 2], in cells.
        own: each query's own candidates, in reading order, [N, K].
        offsets: [L, 2].
        valid: which patches are candidates, [h - 2, w - 2].
    """
    there = query[:, None] + offsets
    last = np.array(valid.shape) - 1
    held = np.clip(there, 0, last)
    allowed = (held == there).all(axis=2) & valid[held[..., 0], held[..., 1]]
    places = held[..., 0] * valid.shape[1] + held[..., 1]
    return Offered(np.where(allowed, places, own[:, :1]), allowed)


def _nine(values: Places, combine: np.ufunc) -> Places:
    """Combine each value with the eight around it."""
    for axis in (0, 1):
        size = values.shape[axis]
        wide = np.pad(values, [(1, 1) if i == axis else (0, 0) for i in (0, 1)])
        parts = [wide.take(np.arange(i, i + size), axis=axis) for i in range(3)]
        values = combine(combine(parts[0], parts[1]), parts[2])
    return values
