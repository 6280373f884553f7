"""Plan: which windows fill a hole, and which part of it each of them fills.

A hole is filled well where about as much is known as is missing: a window is about twice as large
as what it has to fill. A long thin hole is cut, at its narrowest places, into pieces with a small
window each; pieces that are near share one window if that is no dearer. Windows are filled one
after the other, so that a later one sees the earlier fill as known.

The size of a picture is (height, width). Sides and margins are in pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from swapfill.masks import Box, Component, Hole, bounding_box, components
from swapfill.windows import LARGEST_RESOLUTION, Window

SMALLEST_SIDE = 128  # the lowest scale of the networks; a side is this times a power of two

# The longer side of what is filled over the side of its window. Slightly more than half, or a hole
# of 130 pixels would be paid with a window of 512.
_LARGEST_SHARE = 0.55
# Hole pixels that are at most this far apart (rows and columns) are one hole from the start.
_REACH = 8
# A hole is cut where it is this much narrower than it is long; looked for in the middle third, at
# about so many places.
_SLENDER = 8
_PLACES = 64
# A window in which less is known is made larger: there would be too little to copy from.
_LEAST_KNOWN = 0.25
# Known pixels that the alignment of colours looks at, on each side of a piece.
_RIM = 8
# Pixels in one batch of windows: one window of 512, or 16 of 128.
_PIXELS_AT_ONCE = 512 * 512


@dataclass(frozen=True)
class Piece:
    """What one window has to fill; other missing pixels in it are left to other windows."""

    window: Window
    box: Box  # the smallest that holds the piece, in picture pixels
    part: Hole  # [box.height, box.width], true at the pixels to fill

    def shifted(self, rows: int, columns: int) -> "Piece":
        """The same piece, `rows` further down and `columns` further right."""
        window = Window(self.window.top + rows, self.window.left + columns, self.window.side)
        return Piece(window, self.box.shifted(rows, columns), self.part)


@dataclass(frozen=True)
class _Rule:
    """How large a window has to be."""

    size: tuple[int, int]  # of the picture
    margin: int

    @cached_property
    def sides(self) -> NDArray[np.int64]:
        """The sides there are: the last is the first that holds the whole picture."""
        sides = [SMALLEST_SIDE]
        while sides[-1] < max(self.size):
            sides.append(2 * sides[-1])
        return np.array(sides)

    def side(self, length: NDArray[np.int64] | int) -> NDArray[np.int64]:
        """Give the side for what is `length` pixels long: any number of lengths at once."""
        wanted = np.maximum(length / _LARGEST_SHARE, np.add(length, 2 * (self.margin + _RIM)))
        index = np.searchsorted(self.sides, wanted)
        return np.asarray(self.sides[np.minimum(index, len(self.sides) - 1)])

    def side_of(self, box: Box) -> int:
        """Give the side for one box."""
        return int(self.side(max(box.height, box.width)))

    def window(self, box: Box, side: int) -> Window:
        """Centre a window on a box, then shift it into the picture; too large: centre it there."""
        corner = [
            min(max((first + last - side) // 2, 0), of - side) if side <= of else (of - side) // 2
            for first, last, of in zip(box[:2], box[2:], self.size, strict=True)
        ]
        return Window(corner[0], corner[1], side)


def plan_windows(hole: Hole, margin: int = 0) -> list[Piece]:
    """Choose the windows that fill a hole, and what each of them fills.

    A side is 128 times a power of two: the least that is about twice as long as the piece, but
    never larger than what holds the whole picture. A window lies inside the picture where it can;
    a larger one is centred on it.

    Args:
        hole: [H, W], bool; any size, any form.
        margin: known pixels around a piece that its window has to hold as well (of a feather).

    Returns:
        The pieces, each hole pixel in exactly one, in the order to fill them: small windows first,
        so that the large ones see less that is missing. Empty where there is no hole.
    """
    rule = _Rule((hole.shape[0], hole.shape[1]), margin)
    parts = [part for whole in components(hole, _REACH) for part in _cut_up(whole)]
    boxes = np.array([part.box for part in parts]).reshape(-1, 4)
    sides = np.array([_side_with_enough_known(part.box, hole, rule) for part in parts])
    pieces = []
    for group in _sharing_a_window(boxes, sides, rule):
        joint = _joined([parts[i] for i in group])
        window = rule.window(joint.box, int(sides[group].max()))
        pieces.append(Piece(window, joint.box, joint.part))
    return sorted(pieces, key=lambda piece: piece.window.side)


def plan_zone(hole: Hole, margin: int = 0) -> tuple[Box, list[list[Piece]]]:
    """Plan in the part of the picture that the windows lie in: nothing else needs a copy.

    Args:
        hole: [H, W], bool, with at least one pixel.
        margin: as for `plan_windows`.

    Returns:
        The smallest box that holds what the windows see, and the `batches` of the pieces, their
        windows and boxes counted from its corner. To cut from this part is to cut from the whole:
        where a window reaches beyond the picture, it sees the picture from border to border.
    """
    size = (hole.shape[0], hole.shape[1])
    pieces = plan_windows(hole, margin)
    seen = np.array([piece.window.inside(size) for piece in pieces])
    top, left = (int(least) for least in seen[:, :2].min(axis=0))
    bottom, right = (int(most) for most in seen[:, 2:].max(axis=0))
    return Box(top, left, bottom, right), [
        [piece.shifted(-top, -left) for piece in batch] for batch in batches(pieces, size)
    ]


def _cut_up(whole: Component) -> list[Component]:
    """Cut a hole in two where it is narrow, and in two again, down to the smallest window.

    Cutting too often does no harm: what fits one window is put together again at the end.
    """
    if max(whole.box.height, whole.box.width) <= SMALLEST_SIDE * _LARGEST_SHARE:
        return [whole]
    halves = _halves(whole)
    return [piece for half in halves for piece in _cut_up(half)] if halves else [whole]


def _halves(whole: Component) -> list[Component]:
    """Cut across the longer side, at about the narrowest place; nothing if it is thick there."""
    upright = whole.box.height >= whole.box.width
    lines = whole.part if upright else whole.part.T
    third = len(lines) // 3
    places = np.arange(third, len(lines) - third, third // _PLACES + 1)
    widths = _longest_runs(lines[places])
    narrow = places[widths <= 1.25 * widths.min() + 1]
    place = int(narrow[np.abs(narrow - len(lines) // 2).argmin()])
    if widths.min() * _SLENDER > len(lines):
        return []
    rows = whole.box.height if not upright else place
    columns = whole.box.width if upright else place
    first = _tight(whole, Box(0, 0, rows, columns))
    top, left = (rows, 0) if upright else (0, columns)
    second = _tight(whole, Box(top, left, whole.box.height, whole.box.width))
    return [half for half in (first, second) if half is not None]


def _longest_runs(lines: Hole) -> NDArray[np.int64]:
    """Measure the longest run of hole pixels in each row."""
    length = lines.shape[1]
    columns = np.arange(1, length + 1, dtype=np.int16 if length < 2**15 else np.int32)
    last_known = np.maximum.accumulate(np.where(lines, 0, columns), axis=1)
    return np.asarray((columns - last_known).max(axis=1), np.int64)


def _tight(whole: Component, within: Box) -> Component | None:
    """Cut a box out of a component, and its empty borders off."""
    part = whole.part[within.slices]
    inner = bounding_box(part)
    if inner is None:
        return None
    outer = inner.shifted(whole.box.top + within.top, whole.box.left + within.left)
    return Component(outer, part[inner.slices])


def _side_with_enough_known(box: Box, hole: Hole, rule: _Rule) -> int:
    """Give the side for a box, or a larger one where the neighbourhood is mostly missing."""
    side, largest = rule.side_of(box), int(rule.sides[-1])
    while side < largest:
        seen = rule.window(box, side).inside(rule.size)
        step = max(side // 256, 1)  # a sample of some 65,000 pixels is enough
        if hole[seen.slices][::step, ::step].mean() <= 1 - _LEAST_KNOWN:
            break
        side *= 2
    return side


def _sharing_a_window(
    boxes: NDArray[np.int64], sides: NDArray[np.int64], rule: _Rule
) -> list[list[int]]:
    """Group boxes whose joint window is no larger than the larger of their own.

    Sides are powers of two, so that a joint window is no dearer than two exactly then. What has a
    window at full resolution is not drawn into one that has to be reduced.
    """
    groups: list[list[int]] = []
    joint, side = boxes.copy(), sides.copy()
    # Large ones first: they have the most room for others.
    for i in np.argsort(-sides, kind="stable"):
        count = len(groups)
        corners = np.minimum(joint[:count, :2], boxes[i, :2])
        ends = np.maximum(joint[:count, 2:], boxes[i, 2:])
        length = (ends - corners).max(axis=1, initial=0)
        fits = rule.side(length) <= side[:count]
        fits &= (side[:count] <= LARGEST_RESOLUTION) | (side[:count] == sides[i])
        if fits.any():
            nearest = int(np.where(fits, length, length.max() + 1).argmin())
            groups[nearest].append(int(i))
            joint[nearest] = [*corners[nearest], *ends[nearest]]
        else:
            joint[count], side[count] = boxes[i], sides[i]
            groups.append([int(i)])
    return groups


def _joined(parts: Sequence[Component]) -> Component:
    """Make one component of several."""
    boxes = np.array([part.box for part in parts])
    top, left = (int(least) for least in boxes[:, :2].min(axis=0))
    bottom, right = (int(most) for most in boxes[:, 2:].max(axis=0))
    whole = np.zeros((bottom - top, right - left), np.bool_)
    for part in parts:
        whole[part.box.shifted(-top, -left).slices] |= part.part
    return Component(Box(top, left, bottom, right), whole)


def batches(pieces: Sequence[Piece], size: tuple[int, int]) -> Iterator[list[Piece]]:
    """Group pieces that can be filled at once: windows of one side, none of which sees another.

    Args:
        pieces: in the order to fill them, as `plan_windows` gives them.
        size: of the picture.

    Yields:
        One piece or more; of the large ones fewer, so that a batch needs a bounded memory.
    """
    waiting = list(pieces)
    while waiting:
        side = waiting[0].window.side
        room = max(_PIXELS_AT_ONCE // side**2, 1)
        batch: list[Piece] = []
        passed: list[Piece] = []
        for piece in waiting[: 4 * room]:
            fits = len(batch) < room and piece.window.side == side
            seen = [_overlap(piece.window.inside(size), p.window.inside(size)) for p in batch]
            (batch if fits and not any(seen) else passed).append(piece)
        waiting[: 4 * room] = passed
        yield batch


def _overlap(one: Box, other: Box) -> bool:
    return (
        one.top < other.bottom
        and other.top < one.bottom
        and one.left < other.right
        and other.left < one.right
    )
