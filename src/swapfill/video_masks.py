"""Masks of a clip: one for all frames, a folder of them, or a clip of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from swapfill.config import FillSettings
from swapfill.errors import MaskError, VideoError
from swapfill.formats import SUFFIXES
from swapfill.images import read_hole
from swapfill.masks import Hole, grow


class Masks(Protocol):
    """Gives the hole of frame after frame."""

    @property
    def count(self) -> int | None:
        """Of masks, where there is one for each frame and it is known beforehand."""
        ...

    def next(self, size: tuple[int, int]) -> Hole:
        """Give the next frame's hole, [H, W], as one looks at it.

        Raises:
            MaskError: there is none left, or it is of another size.
        """
        ...

    def skip(self) -> None:
        """Pass over the next frame's hole: that frame is lost."""
        ...


def next_hole(masks: Masks, size: tuple[int, int], how: FillSettings) -> Hole:
    """Give the next frame's hole as it is filled: turned over and grown where `how` says so.

    Raises:
        MaskError: there is none left, it is of another size, or covers the whole frame.
    """
    hole = masks.next(size)
    hole = grow(~hole if how.invert else hole, how.grow)
    if hole.all():
        raise MaskError(f"the hole covers all {size[0]} x {size[1]} pixels, want known ones")
    return hole


@contextmanager
def open_masks(path: Path) -> Iterator[Masks]:
    """Open a picture (one mask for all frames), a folder of pictures in order, or a clip.

    Raises:
        MaskError: it cannot be read, or a folder holds no picture.
    """
    if path.is_dir():
        yield _Folder(path)
    elif path.suffix.lower() in SUFFIXES:
        yield _Still(path)
    else:
        from swapfill.video_reader import ClipReader

        try:
            reader = ClipReader(path)
        except VideoError as error:
            raise MaskError(str(error)) from error
        with reader:
            yield _Clip(path, reader.grey_frames())


class _Still:
    count = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hole: Hole | None = None

    def next(self, size: tuple[int, int]) -> Hole:
        if self._hole is None or self._hole.shape != size:
            self._hole = read_hole(self._path, size)
        return self._hole

    def skip(self) -> None:
        pass


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not self._files:
            raise MaskError(f"{path}: holds no picture, want a mask for each frame")
        self.count = len(self._files)
        self._done = 0

    def next(self, size: tuple[int, int]) -> Hole:
        if self._done >= len(self._files):
            raise MaskError(
                f"{self._path}: holds {self.count} masks, want one for each frame of the clip,"
                " which has more"
            )
        self._done += 1
        return read_hole(self._files[self._done - 1], size)

    def skip(self) -> None:
        self._done += 1


class _Clip:
    count = None

    def __init__(self, path: Path, frames: Iterator[np.ndarray]) -> None:
        self._path, self._frames = path, frames
        self._done = 0

    def next(self, size: tuple[int, int]) -> Hole:
        grey = next(self._frames, None)
        if grey is None:
            raise MaskError(
                f"{self._path}: has {self._done} frames, want one for each frame of the clip,"
                " which has more"
            )
        self._done += 1
        if grey.shape != size:
            raise MaskError(
                f"{self._path}: is {grey.shape[1]} x {grey.shape[0]} pixels (width x height), want"
                f" {size[1]} x {size[0]} as the clip has"
            )
        return np.asarray(grey >= 128)

    def skip(self) -> None:
        self._done += next(self._frames, None) is not None
