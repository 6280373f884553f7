"""Temporal steadiness: the frame before, moved by optical flow, starts the next one's fill."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swapfill.flow import LEAST_SIDE, carried_into, flow_between, grey_of, is_cut, warped
from swapfill.masks import Box, Hole, bounding_box, grow

Pixels = NDArray[Any]

_MARGIN = 64  # pixels around the hole in which motion is looked at, at least
_APART = 4  # pixels from a hole at which flow no longer sees what is in it
# Of white: mean difference, around the hole, between a frame and an earlier one, moved. Above the
# first the motion was not understood; above the second a nearer key may do better.
_MISFIT = 0.08
_DOUBT = 0.03
_OPEN = 0.1  # share of the hole that the key does not show; above it the last frame may show more
_TRACE = 0.05  # of a pixel that comes from the key's hole
_RING = 16  # pixels around the hole, where that is measured


class Frame(NamedTuple):
    """A picture [H, W, 3], uint8 or uint16, and its hole [H, W]."""

    pixels: Pixels
    hole: Hole


class Belief(NamedTuple):
    """What a hole holds if nothing but the camera moved: `pixels` [H, W, 3], and where: `sure`."""

    pixels: Pixels
    sure: Hole


class _Filled(NamedTuple):
    frame: Frame
    pixels: Pixels  # filled


class _Moved(NamedTuple):
    flow: Any  # [h, w, 2] in the zone
    misfit: float


class Steady:
    """Remembers filled frames, and moves what they were filled with to where later ones are.

    Moving a picture again and again blurs it. So one frame is the key to all that follow, each
    moved from it once, until too little of it is seen, or the frame before explains more.

    Attributes:
        cuts: frames so far that showed another shot than the one before.
        keys: frames so far that others started from.
    """

    def __init__(self) -> None:
        self.cuts = 0
        self.keys = 0
        self._seen: tuple[Any, Hole] | None = None  # the frame before: its brightness, and hole
        self._key: _Filled | None = None
        self._last: _Filled | None = None
        self._flow: Any = None  # from the last frame to the key, [H, W, 2]

    def keep(self, frame: Frame, filled: Pixels) -> None:
        """Take a filled frame, [H, W, 3]."""
        self._last = _Filled(frame, filled)
        if self._key is None:
            self._rekey()

    def belief(self, frame: Frame) -> Belief | None:
        """Tell what a frame's hole should hold, by the frames before.

        Every frame is to be asked about, in order; of a batch, before its last one is kept.

        Returns:
            None where there is nothing to go by: no frame before, a cut, no hole, or a motion that
            does not explain what is seen around the hole.
        """
        box, now = bounding_box(frame.hole), grey_of(frame.pixels)
        if self._is_new(now, frame.hole):
            self._key = self._last = None
        self._seen = (now, frame.hole)
        if box is None or self._last is None:
            return None
        zone = _zone(box, (frame.hole.shape[0], frame.hole.shape[1]))
        if min(zone.height, zone.width) < LEAST_SIDE:
            return None
        return self._moved(frame, now, zone)

    def _is_new(self, now: Any, hole: Hole) -> bool:
        """Tell whether a frame is of another size or shot than the one before; count cuts."""
        if self._seen is None or self._seen[0].shape != now.shape:
            return True
        before, its_hole = self._seen
        cut = is_cut(now, before, ~(hole | its_hole))
        self.cuts += cut
        return cut

    def _moved(self, frame: Frame, now: Any, zone: Box) -> Belief | None:
        """Move the key's fill to the frame; the last frame's, which becomes the key, if better."""
        if self._key is None:  # given up for the frame before, in this very batch
            self._rekey()
        moved = self._motion(frame, now, zone)
        belief = None if moved is None else self._belief(frame, moved, zone)
        open_share = 1.0 if belief is None else 1 - belief.sure.sum() / frame.hole.sum()
        if moved is None or moved.misfit > _DOUBT or open_share > _OPEN:
            self._rekey()
            again = self._motion(frame, now, zone)
            if again is None or again.misfit > _MISFIT:
                self._key = None
                return None
            moved, belief = again, self._belief(frame, again, zone)
        self._flow[zone.slices] = moved.flow
        return belief

    def _rekey(self) -> None:
        """Make the last frame the key."""
        self._key = self._last
        self.keys += 1
        if self._last is not None:
            self._flow = np.zeros((*self._last.frame.hole.shape, 2), np.float32)

    def _motion(self, frame: Frame, now: Any, zone: Box) -> _Moved | None:
        """Find the background's motion from a frame to the key; None where none of it is seen."""
        assert self._key is not None
        part, key = zone.slices, self._key.frame
        then = grey_of(key.pixels)
        known = ~frame.hole[part]
        seen = ~grow(~known, _APART)
        if not seen.any():
            return None
        start = self._flow[part]
        flow = flow_between(now[part], then[part], start)
        # The object that was in the key's hole moved as it liked.
        from_hole, inside = warped(key.hole[part].astype(np.float32), flow)
        seen &= inside & (from_hole < _TRACE)
        flow = carried_into(flow, now[part], seen)
        return _Moved(flow, _misfit(now[part], then[part], flow, frame.hole[part], seen))

    def _belief(self, frame: Frame, moved: _Moved, zone: Box) -> Belief:
        assert self._key is not None
        return _fetched(frame, self._key.pixels, moved.flow, zone)


def _zone(box: Box, size: tuple[int, int]) -> Box:
    return box.widened(max(_MARGIN, box.height // 2, box.width // 2), size)


def _misfit(now: Any, then: Any, flow: Any, hole: Hole, seen: Hole) -> float:
    """Measure how far the key, moved, is from what is seen around the hole: of white."""
    moved, _ = warped(then, flow)
    ring = grow(hole, _RING) & seen
    return float(np.abs(moved - now)[ring].mean() / 255) if ring.any() else 0.0


def _fetched(frame: Frame, filled: Pixels, flow: Any, zone: Box) -> Belief:
    moved, inside = warped(filled[zone.slices], flow)
    white = np.iinfo(frame.pixels.dtype).max
    pixels = frame.pixels.copy()
    pixels[zone.slices] = np.rint(np.clip(moved, 0, white)).astype(pixels.dtype)
    sure = np.zeros_like(frame.hole)
    sure[zone.slices] = frame.hole[zone.slices] & inside
    return Belief(pixels, sure)
