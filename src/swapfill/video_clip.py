"""A clip's file as what is read of it, and how each of that is written to another one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swapfill.config import FillSettings
from swapfill.masks import Hole
from swapfill.video_frames import put_fill, rgb_of
from swapfill.video_masks import Masks, next_hole
from swapfill.video_reader import ClipReader, Decoded
from swapfill.video_stages import Item, Lost, Other, Seen
from swapfill.video_steady import Frame
from swapfill.video_writer import ClipWriter

if TYPE_CHECKING:
    from av import VideoFrame

Pixels: TypeAlias = NDArray[Any]


class ClipFrames:
    """Reads a clip, and writes its frames filled, everything else as it is.

    Args:
        reader: of the clip; used where this is iterated.
        writer: of the result; used where items are written.
        masks: of the frames.
        how: whether masks are turned over, and grown.
    """

    def __init__(
        self, reader: ClipReader, writer: ClipWriter, masks: Masks, how: FillSettings
    ) -> None:
        self._reader, self._writer, self._masks, self._how = reader, writer, masks, how
        self._base = reader.time_base
        self._last: VideoFrame | None = None  # that was written

    def __iter__(self) -> Iterator[Item]:
        """Read; raises `MaskError` where a mask is missing, of another size, or covers all."""
        number = 0
        for item in self._reader:
            if not isinstance(item, Decoded):
                yield Other(partial(self._writer.copy, item))
                continue
            hole = next_hole(self._masks, self._reader.size, self._how)
            if item.frame is not None:
                stored = np.rot90(hole, -self._reader.rotation // 90)
                write = partial(self._write, item.frame, item.pts, stored)
                yield Seen(Frame(rgb_of(item.frame), stored), write)
                number += 1
            else:
                at = f"{float(item.pts * self._base):.3f} s"
                name = f"{self._reader.path}: frame {number} at {at}"
                yield Lost(name, item.fault, partial(self._again, item.pts) if number else None)
                number += number > 0

    def _write(self, image: VideoFrame, pts: int, hole: Hole, fill: Pixels) -> None:
        if hole.any():
            put_fill(image, fill, hole)
        self._last = image
        self._writer.write(image, pts, self._base)

    def _again(self, pts: int) -> None:
        assert self._last is not None
        self._writer.write(self._last, pts, self._base)
