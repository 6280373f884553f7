"""Offsets at which a picture repeats itself: what lets large pieces be copied as they are.

Not in the paper. Where a guess is blurry, all that is blurry alike is as near, and each query's own
best candidates are hardly ever those that go on in its neighbours': small pieces side by side, a
weave. But what whole regions may copy at once lies at few offsets, and what is known around a hole
tells which (He and Sun, *Statistics of patch offsets for image completion*, 2012): there sharp
patches are found again as what they are. So they vote, and each query may take what lies at the
offsets that won, beside the best of its own. (Measured against votes of the blurry queries
themselves: a lower VGG distance for every kind of hole.)

Votes are counted in NumPy, in integers, and where a patch is found again is told by rounded
cosines: engines are offered the same but for what lies between two of their steps.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swapfill.masks import grow

Places = NDArray[np.int64]

SHARED = 12  # offsets that every query is offered; 16 and 24 give no better figures
NEAR = 8  # cells; a patch is as good as found again beside itself, which tells nothing
FOUND_STEP = 2**-14  # to which cosines are rounded when a voter compares: engines find the same
_BAND = 8  # patches around the hole that vote, every second of them
_VOTERS = 512  # about: where there are more, every third votes, or every fourth, ...
_OWN = 9  # what an offset's own votes count, beside those of the nine around it
_AROUND = 5
_PROMISING = 256  # offsets of the most votes of which is counted how many queries may take them


class Offered(NamedTuple):
    """What each query is offered beside its own: [N, L].

    `places` are patches in reading order, `allowed` tells which are candidates; where one is not,
    its place is that of the query's first own.
    """

    places: Places
    allowed: NDArray[np.bool_]


def voters(valid: NDArray[np.bool_]) -> Places:
    """Choose the known patches around a hole that vote, [V, 2].

    Args:
        valid: which patches are candidates, [h - 2, w - 2].
    """
    around = grow(~valid, _BAND) & valid
    row, column = np.nonzero(around)
    spread = (row + column) % max(2, len(row) // _VOTERS) == 0  # as a chessboard's
    return np.stack([row[spread], column[spread]], axis=1)


def shared_offsets(asked: Places, found: Places, valid: NDArray[np.bool_]) -> Places:
    """Choose the offsets that win: of many votes, none beside a better one, and of use to many.

    Args:
        asked: the voters, [V, 2].
        found: where each is found again, in reading order, [V]; within `NEAR`, it has no vote.
        valid: which patches are candidates, [h - 2, w - 2]; the others are queries.

    Returns:
        [`SHARED`, 2], in cells from a query to its candidate; where fewer have votes, the last are
        0: nobody's, for a query is no candidate.
    """
    height, width = valid.shape
    step = np.stack(np.divmod(found, width), axis=1) - asked
    step = step[np.abs(step).max(axis=1) > NEAR] + valid.shape
    shape = (2 * height + 1, 2 * width + 1)
    votes = np.bincount(step[:, 0] * shape[1] + step[:, 1], minlength=shape[0] * shape[1])
    votes = votes.reshape(shape)
    score = _AROUND * _nine(votes, np.add) + _OWN * votes
    score[score < _nine(score, np.maximum)] = 0
    promising = _best(score.ravel(), _PROMISING)
    offsets = np.stack(np.divmod(promising, shape[1]), axis=1) - valid.shape
    best = _best(score.ravel()[promising] * _use(offsets, valid), SHARED)
    won = np.zeros((SHARED, 2), np.int64)
    won[: len(best)] = offsets[best]
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
    held = np.clip(there, 0, np.array(valid.shape) - 1)
    allowed = (held == there).all(axis=2) & valid[held[..., 0], held[..., 1]]
    places = held[..., 0] * valid.shape[1] + held[..., 1]
    return Offered(np.where(allowed, places, own[:, :1]), allowed)


def _use(offsets: Places, valid: NDArray[np.bool_]) -> Places:
    """Count the queries that have a candidate at each offset, [L]."""
    use = np.empty(len(offsets), np.int64)
    for i, step in enumerate(offsets):
        here = tuple(
            slice(max(0, -n), size - max(0, n)) for n, size in zip(step, valid.shape, strict=True)
        )
        there = tuple(
            slice(max(0, n), size + min(0, n)) for n, size in zip(step, valid.shape, strict=True)
        )
        use[i] = np.count_nonzero(valid[there] > valid[here])
    return use


def _best(score: Places, count: int) -> Places:
    """Give the indices of the largest that are not 0, the largest first; of equals, the first."""
    best = np.argsort(-score, kind="stable")[:count]
    return best[score[best] > 0]


def _nine(values: Places, combine: np.ufunc) -> Places:
    """Combine each value with the eight around it."""
    for axis in (0, 1):
        size = values.shape[axis]
        wide = np.pad(values, [(1, 1) if i == axis else (0, 0) for i in (0, 1)])
        parts = [wide.take(np.arange(i, i + size), axis=axis) for i in range(3)]
        values = combine(combine(parts[0], parts[1]), parts[2])
    return values
