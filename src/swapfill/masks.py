"""Holes as arrays: grow and shrink them, feather their edge, tell them apart.

A hole is bool, [height, width], true where the picture is missing. Nothing here walks over pixels
in Python and nothing needs more than the bounding box of the hole, so that a scratch in a picture
of 100 megapixels costs what the scratch costs.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hole = NDArray[np.bool_]

# Elements of the arrays that the distance transform works on at once: 4 MB of int32 stays in the
# cache, and a large hole needs no more memory than a small one.
_ELEMENTS_AT_ONCE = 1 << 20


class Box(NamedTuple):
    """A rectangle of pixels: rows top..bottom, columns left..right, ends not included."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows inside."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns inside."""
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """The index that cuts this box out of an array [height, width, ...]."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def shifted(self, rows: int, columns: int) -> "Box":
        """The same box, `rows` further down and `columns` further right."""
        return Box(self.top + rows, self.left + columns, self.bottom + rows, self.right + columns)

    def widened(self, margin: int, size: tuple[int, int]) -> "Box":
        """The box with `margin` more pixels on each side, kept inside a picture of `size`."""
        return Box(
            max(self.top - margin, 0),
            max(self.left - margin, 0),
            min(self.bottom + margin, size[0]),
            min(self.right + margin, size[1]),
        )


@dataclass(frozen=True)
class Component:
    """Hole pixels that belong together."""

    box: Box  # the smallest that holds them all
    part: Hole  # [box.height, box.width], true at the pixels of this component alone


def invert(hole: Hole) -> Hole:
    """Swap missing and known."""
    return ~hole


def bounding_box(hole: Hole) -> Box | None:
    """Find the smallest box that holds every hole pixel; None where there is no hole."""
    rows = np.flatnonzero(hole.any(axis=1))
    if rows.size == 0:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(hole[top:bottom].any(axis=0))
    return Box(top, int(columns[0]), bottom, int(columns[-1]) + 1)


def holds_square(hole: Hole, side: int) -> bool:
    """Tell whether a square of `side` pixels is wholly missing."""
    if side > min(hole.shape):
        return False
    total = np.zeros((hole.shape[0] + 1, hole.shape[1] + 1), np.int32)  # of all above and left
    np.cumsum(hole, axis=0, out=total[1:, 1:])
    np.cumsum(total[1:, 1:], axis=1, out=total[1:, 1:])
    inside = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    inside += total[:-side, :-side]
    return bool((inside == side**2).any())


def grow(hole: Hole, radius: float) -> Hole:
    """Grow the hole by a disc, exactly; a negative radius shrinks it.

    Args:
        hole: [H, W], bool.
        radius: in pixels. A pixel joins the hole if its distance to the centre of a hole pixel is
            at most `radius`; for a negative one, a pixel stays if no known pixel is that near.
            What lies beyond the picture is neither: a hole at the border shrinks from inside only.

    Returns:
        A new array [H, W], bool.
    """
    grown = hole.copy()
    box = bounding_box(hole)
    if box is None or radius == 0:
        return grown
    zone = box.widened(int(abs(radius)), (hole.shape[0], hole.shape[1])).slices
    if radius > 0:
        grown[zone] = squared_distance(hole[zone], int(radius)) <= radius**2
    else:
        grown[zone] &= squared_distance(~hole[zone], int(-radius)) > radius**2
    return grown


def feather_weight(hole: Hole, radius: float) -> NDArray[np.float32]:
    """Weigh the fill against the picture: 1 in the hole, falling smoothly to 0 outside it.

    Args:
        hole: [H, W], bool.
        radius: distance from the hole, in pixels, from which on the weight is exactly 0. 0 (and 1,
            the distance of the nearest known pixel) give a hard edge: the hole itself.

    Returns:
        [H, W], float32 in [0, 1].
    """
    weight = hole.astype(np.float32)
    box = bounding_box(hole)
    if box is None or radius <= 1:
        return weight
    zone = box.widened(int(radius), (hole.shape[0], hole.shape[1])).slices
    distance = np.sqrt(squared_distance(hole[zone], int(np.ceil(radius))), dtype=np.float32)
    nearness = np.clip(1 - distance / np.float32(radius), 0, 1)
    weight[zone] = nearness * nearness * (3 - 2 * nearness)  # smoothstep: flat at both ends
    return weight


def squared_distance(hole: Hole, reach: int) -> NDArray[np.int32]:
    """Measure the squared Euclidean distance of every pixel to the nearest hole pixel.

    Args:
        hole: [H, W], bool.
        reach: rows, up and down, in which the nearest is looked for. Distances up to `reach` are
            exact; of a larger one it is only said that it is larger.

    Returns:
        [H, W], int32, in pixels squared; 0 in the hole.
    """
    height, width = hole.shape
    distance = np.empty((height, width), np.int32)
    rows = max(_ELEMENTS_AT_ONCE // width, 2 * reach + 1)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first = max(top - reach, 0)
        along_rows = _squared_distance_in_rows(hole[first : bottom + reach], reach)
        distance[top:bottom] = _nearest_row(along_rows, top - first, bottom - top, reach)
    return distance


def _squared_distance_in_rows(hole: Hole, reach: int) -> NDArray[np.int32]:
    """Look left and right only."""
    columns = np.arange(hole.shape[1], dtype=np.int32)
    far = np.int32(hole.shape[1] + reach + 1)
    last = np.maximum.accumulate(np.where(hole, columns, -far), axis=1)
    following = np.where(hole, columns, columns[-1] + far)[:, ::-1]
    following = np.minimum.accumulate(following, axis=1)[:, ::-1]
    nearest = np.minimum(columns - last, following - columns)
    return np.asarray(np.minimum(nearest, reach + 1) ** 2, np.int32)


def _nearest_row(
    along_rows: NDArray[np.int32], top: int, height: int, reach: int
) -> NDArray[np.int32]:
    """Look up and down from rows top..top+height: the least of dx^2 + dy^2."""
    nearest = along_rows[top : top + height].copy()
    for dy in range(1, reach + 1):
        above, below = top - dy, top + dy
        skipped = max(-above, 0)  # rows whose partner above lies beyond the array
        if skipped < height:
            found = along_rows[above + skipped : above + height] + np.int32(dy * dy)
            np.minimum(nearest[skipped:], found, out=nearest[skipped:])
        found = along_rows[below : below + height] + np.int32(dy * dy)
        np.minimum(nearest[: len(found)], found, out=nearest[: len(found)])
    return nearest


def components(hole: Hole, reach: int = 1) -> list[Component]:
    """Group the hole pixels that are near each other.

    Two pixels belong together if a chain of hole pixels joins them in which each is at most
    `reach` rows and `reach` columns from the next (1: the 8-connected components).

    Args:
        hole: [H, W], bool.
        reach: largest step of a chain, in pixels; at least 1.

    Returns:
        The groups, each hole pixel in exactly one, from the top down.
    """
    box = bounding_box(hole)
    if box is None:
        return []
    # Each pixel becomes a square of reach x reach that starts at it. Two such squares touch
    # exactly if the pixels are within reach, so that runs of squares are all that need labels.
    rows, starts, ends = _runs(_spread_down(hole[box.slices], reach), reach)
    labels = _joined(len(rows), _touching_runs(rows, starts, ends))
    order = np.argsort(labels, kind="stable")
    firsts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    return [
        _component(hole, box, rows[group], starts[group], ends[group], reach)
        for group in np.split(order, firsts[1:])
    ]


def _component(
    hole: Hole,
    box: Box,
    rows: NDArray[np.intp],
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    reach: int,
) -> Component:
    """Make one component from its runs, whose squares reach beyond its pixels down and right."""
    inner = Box(
        int(rows.min()),
        int(starts.min()),
        int(rows.max()) + 2 - reach,
        int(ends.max()) + 1 - reach,
    )
    seen = rows < inner.bottom
    edges = np.zeros((inner.height, int(ends.max()) - inner.left + 1), np.int8)
    edges[rows[seen] - inner.top, starts[seen] - inner.left] = 1
    edges[rows[seen] - inner.top, ends[seen] - inner.left] = -1
    own = np.cumsum(edges, axis=1, dtype=np.int8)[:, : inner.width] > 0
    outer = inner.shifted(box.top, box.left)
    return Component(outer, own & hole[outer.slices])


def _spread_down(hole: Hole, reach: int) -> Hole:
    """Turn each pixel into a column of `reach` pixels that starts at it: [H + reach - 1, W]."""
    height, width = hole.shape
    spread = np.zeros((height + reach - 1, width), np.bool_)
    spread[:height] = hole
    done = 1
    while done < reach:  # doubling: log2(reach) passes instead of reach
        step = min(done, reach - done)
        # From the bottom up in blocks of `step` rows: each reads rows not yet written to, so that
        # no copy of the whole is needed (5 times as fast on 100 megapixels).
        for bottom in range(len(spread), step, -step):
            top = max(bottom - step, step)
            spread[top:bottom] |= spread[top - step : bottom - step]
        done += step
    return spread


def _runs(hole: Hole, reach: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """List the runs in the rows, each pixel `reach` wide: row, first column, one after the last."""
    height, width = hole.shape
    stride = width + reach
    fenced = np.zeros((height, stride), np.bool_)
    fenced[:, :width] = hole
    flat = fenced.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        changes = np.concatenate([[0], changes])
    starts, ends = changes[0::2], changes[1::2] + reach - 1
    apart = starts[1:] > ends[:-1]  # `reach` columns of fence keep the rows apart
    starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    rows = starts // stride
    return rows, starts - rows * stride, ends - rows * stride


def _touching_runs(
    rows: NDArray[np.intp], starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair each run with the runs of the row above that it touches, corners included."""
    stride = int(ends.max()) + 2
    above = (rows - 1) * stride
    # Runs are sorted by row and column, so the partners of a run are a range of neighbours.
    first = np.searchsorted(rows * stride + ends, above + starts, side="left")
    last = np.searchsorted(rows * stride + starts, above + ends, side="right")
    count = np.maximum(last - first, 0)
    lower = np.repeat(np.arange(len(rows)), count)
    offset = np.arange(len(lower)) - np.repeat(np.cumsum(count) - count, count)
    return lower, first[lower] + offset


def _joined(count: int, pairs: tuple[NDArray[np.intp], NDArray[np.intp]]) -> NDArray[np.intp]:
    """Label `count` things so that paired ones share a label: the least number of the group."""
    labels = np.arange(count)
    one, other = pairs
    while True:
        one_label, other_label = labels[one], labels[other]
        apart = one_label != other_label
        if not apart.any():
            return labels
        one, other = one[apart], other[apart]
        higher = np.maximum(one_label[apart], other_label[apart])
        np.minimum.at(labels, higher, np.minimum(one_label[apart], other_label[apart]))
        while True:  # follow each label to its own label, until all point at a root
            roots = labels[labels]
            if np.array_equal(roots, labels):
                break
            labels = roots
