"""Fill the frames of a clip: windows of several frames go through the engine together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from swapfill import pipeline
from swapfill.blending import align_rim
from swapfill.config import FillSettings, Settings, Share
from swapfill.errors import NoKnownPatchError
from swapfill.masks import Hole
from swapfill.pipeline import Start
from swapfill.planning import Piece, batches, plan_windows
from swapfill.video_steady import Belief, Frame, Steady
from swapfill.windows import cut_known, enlarged

if TYPE_CHECKING:
    from swapfill.engines.interface import Engine

Floats = NDArray[np.float32]
Pixels = NDArray[Any]

log = logging.getLogger(__name__)


class VideoSettings(Settings):
    """How a clip's frames are filled."""

    # How much of a fill is the one before, moved; the rest is new. 0: each frame for itself.
    steadiness: Share = 1.0
    batch: Annotated[int, Field(ge=1, le=64)] = 1  # frames that are filled together


class _Window(NamedTuple):
    frame: int
    piece: Piece
    incomplete: Floats  # [S, S, 3] in [0, 1]
    hole: Hole  # [S, S]
    start: Floats  # [S, S, 3] in [0, 1]
    sure: Hole  # [S, S]


class FrameFiller:
    """Fills frames one batch after the other, each batch starting from the last frame before it.

    Args:
        engine: runs the steps.
        fill: scales and matching; its grow, feather and invert are not looked at.
        settings: steadiness.

    Attributes:
        cuts: how many cuts were seen.
        alone: frames with a hole that did not start from the one before.
    """

    def __init__(self, engine: Engine[Any], fill: FillSettings, settings: VideoSettings) -> None:
        self._engine, self._fill, self._settings = engine, fill, settings
        self._steady = Steady()
        self.alone = 0

    @property
    def cuts(self) -> int:
        """How many cuts were seen."""
        return self._steady.cuts

    def __call__(self, frames: Sequence[Frame]) -> list[Pixels]:
        """Fill a batch of frames of one clip, in order: [H, W, 3] each, equal outside the hole."""
        beliefs = [self._belief(frame) for frame in frames]
        results = self._filled(frames, beliefs)
        if self._settings.steadiness and frames:
            self._steady.keep(frames[-1], results[-1])
        return results

    def _belief(self, frame: Frame) -> Belief | None:
        belief = self._steady.belief(frame) if self._settings.steadiness else None
        self.alone += belief is None and bool(frame.hole.any())
        return belief

    def _filled(self, frames: Sequence[Frame], beliefs: Sequence[Belief | None]) -> list[Pixels]:
        results = [frame.pixels.copy() for frame in frames]
        left = [frame.hole.copy() for frame in frames]
        plans = [
            batches(plan_windows(hole), (hole.shape[0], hole.shape[1]))
            for hole in (frame.hole for frame in frames)
        ]
        for step in zip_longest(*plans, fillvalue=()):
            windows = [
                _window(number, piece, results[number], left[number], beliefs[number])
                for number, pieces in enumerate(step)
                for piece in pieces
            ]
            for group in _alike([window for window in windows if not self._is_settled(window)]):
                for window, filled in zip(group, self._windows(group), strict=True):
                    _write(results[window.frame], window, filled)
            for window in windows:
                if self._is_settled(window):
                    _write(results[window.frame], window, window.start)
                left[window.frame][window.piece.box.slices] &= ~window.piece.part
        return results

    def _is_settled(self, window: _Window) -> bool:
        """Tell whether nothing of a window is left to the networks."""
        return self._settings.steadiness == 1 and bool((window.sure | ~window.hole).all())

    def _windows(self, group: Sequence[_Window]) -> list[Floats]:
        """Fill windows of one side that all have a start, or none of them."""
        incomplete = np.stack([window.incomplete for window in group])
        hole = np.stack([window.hole for window in group])
        sure = np.stack([window.sure for window in group])
        start = Start(np.stack([window.start for window in group]), sure) if sure.any() else None
        try:
            filled = pipeline.fill_windows(self._engine, incomplete, hole, self._fill, start=start)
        except NoKnownPatchError as error:
            if len(group) == 1:
                log.warning("a window is filled smoothly: %s", error)
                return [np.zeros_like(incomplete[0])]  # the colours of its rim are put on it
            return [self._windows([window])[0] for window in group]
        return [self._blended(window, one) for window, one in zip(group, filled, strict=True)]

    def _blended(self, window: _Window, filled: Floats) -> Floats:
        share = np.float32(self._settings.steadiness) * window.sure[..., None]
        return np.asarray(filled + share * (window.start - filled), np.float32)


def _window(
    number: int, piece: Piece, pixels: Pixels, left: Hole, belief: Belief | None
) -> _Window:
    white = np.float32(np.iinfo(pixels.dtype).max)
    known, hole = cut_known(pixels, left, piece.window)
    if belief is None:
        return _Window(number, piece, known / white, hole, known, np.zeros_like(hole))
    start, unsure = cut_known(belief.pixels, left & ~belief.sure, piece.window)
    return _Window(number, piece, known / white, hole, start / white, hole & ~unsure)


def _alike(windows: Sequence[_Window]) -> list[list[_Window]]:
    """Group windows by side, and by whether they have a start."""
    groups: dict[tuple[int, bool], list[_Window]] = {}
    for window in windows:
        groups.setdefault((len(window.hole), bool(window.sure.any())), []).append(window)
    return list(groups.values())


def _write(result: Pixels, window: _Window, filled: Floats) -> None:
    """Put a filled window's piece into the frame, in place."""
    piece = window.piece
    aligned = align_rim(filled, window.incomplete, window.hole)
    inside = enlarged(aligned, piece.window, piece.box) * np.float32(np.iinfo(result.dtype).max)
    rounded = np.rint(inside).clip(0, np.iinfo(result.dtype).max).astype(result.dtype)
    np.copyto(result[piece.box.slices], rounded, where=piece.part[..., None])
