"""The three stages of a clip at once: frames are read ahead, filled in batches, written behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from numpy.typing import NDArray

from swapfill.video_steady import Frame
from swapfill.video_threads import WriteBehind, read_ahead

Pixels: TypeAlias = NDArray[Any]

log = logging.getLogger(__name__)

_AT_HAND = 3  # items read ahead, and others still to be written, beside a batch of each


class Seen(NamedTuple):
    """A frame that is read, and what writes it, given its fill [H, W, 3]."""

    frame: Frame
    write: Callable[[Pixels], None]


class Lost(NamedTuple):
    """A frame that cannot be decoded.

    `name` says which, `fault` why; `repeat` writes the frame before in its place, None where there
    is none before.
    """

    name: str
    fault: str
    repeat: Callable[[], None] | None


class Other(NamedTuple):
    """What is no frame, such as sound, and what writes it."""

    write: Callable[[], None]


Item: TypeAlias = Seen | Lost | Other


class Stages:
    """Takes a clip's items through the stages; whatever is written, is so in their order.

    Args:
        fill: fills a batch of frames, in the caller's thread.
        batch: frames that are filled together.
        on_written: called with the number of frames written so far, in the caller's thread.

    Attributes:
        frames: written so far.
        lost: frames that could not be decoded.
    """

    def __init__(
        self,
        fill: Callable[[Sequence[Frame]], list[Pixels]],
        batch: int,
        on_written: Callable[[int], None],
    ) -> None:
        self._fill, self._batch, self._on_written = fill, batch, on_written
        self.frames = self.lost = 0

    def run(self, items: Iterator[Item]) -> None:
        """Do everything.

        Args:
            items: are drawn in a thread of their own; their `write` and `repeat` are called in
                another one.

        Raises:
            Exception: what any of the stages raised; then the others have stopped.
        """
        most = self._batch + _AT_HAND
        waiting: list[Seen] = []
        with (
            closing(read_ahead(items, most)) as ahead,
            WriteBehind[int](most, self._count) as behind,
        ):
            for item in ahead:
                if isinstance(item, Seen):
                    waiting.append(item)
                if len(waiting) == self._batch or isinstance(item, Lost):
                    self._filled(waiting, behind)
                if isinstance(item, Other):
                    behind.do(partial(_done, item.write, 0))
                elif isinstance(item, Lost):
                    self._stand_in(item, behind)
            self._filled(waiting, behind)

    def _filled(self, waiting: list[Seen], behind: WriteBehind[int]) -> None:
        """Fill what waits, and have it written."""
        fills = self._fill([seen.frame for seen in waiting])
        for seen, fill in zip(waiting, fills, strict=True):
            behind.do(partial(_done, partial(seen.write, fill), 1))
        waiting.clear()

    def _stand_in(self, lost: Lost, behind: WriteBehind[int]) -> None:
        """Have the last good frame shown in place of one that is lost."""
        self.lost += 1
        instead = "the one before is shown" if lost.repeat else "none before, left out"
        log.warning("%s cannot be decoded (%s): %s", lost.name, lost.fault, instead)
        if lost.repeat:
            behind.do(partial(_done, lost.repeat, 1))

    def _count(self, written: int) -> None:
        for _ in range(written):
            self.frames += 1
            self._on_written(self.frames)


def _done(write: Callable[[], None], frames: int) -> int:
    """Write, and tell how many frames that were."""
    write()
    return frames
