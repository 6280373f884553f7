"""A clip that is a folder of pictures, each written as faithfully as a picture alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from swapfill.config import FillSettings
from swapfill.errors import ImageError, OutputError, VideoError
from swapfill.formats import SUFFIXES
from swapfill.images import Photograph
from swapfill.masks import Hole
from swapfill.video_masks import Masks, next_hole
from swapfill.video_stages import Item, Lost, Seen
from swapfill.video_steady import Frame

Pixels: TypeAlias = NDArray[Any]


def frames_in(folder: Path) -> list[Path]:
    """List the pictures of a folder, in the order of their names.

    Raises:
        VideoError: there is none.
    """
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not files:
        raise VideoError(f"{folder}: holds no picture, want the frames of a clip")
    return files


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """Make a folder for a block; if that fails before anything is in the folder, it goes again.

    Raises:
        OutputError: it cannot be made.
    """
    there = folder.exists()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
    try:
        yield
    except BaseException:
        if not there:
            with suppress(OSError):  # whole frames are in it
                folder.rmdir()
        raise


class PictureFrames:
    """Reads pictures, and writes them filled into another folder.

    Args:
        files: the pictures, in order.
        masks: of them.
        how: whether masks are turned over, and grown.
        output: the folder of the results; it is there.
    """

    def __init__(
        self, files: Sequence[Path], masks: Masks, how: FillSettings, output: Path
    ) -> None:
        self._files, self._masks, self._how, self._output = files, masks, how, output
        self._last: Photograph | None = None  # that was written

    def __iter__(self) -> Iterator[Item]:
        """Read; a picture that is damaged counts as lost.

        Raises:
            MaskError: a mask is missing or of another size.
            VideoError: a picture is floating point, or none at all can be decoded.
        """
        good = False
        for path in self._files:
            try:
                photo = Photograph.open(path)
            except ImageError as error:
                self._masks.skip()
                repeat = partial(self._again, path.name) if good else None
                yield Lost(str(path), str(error).removeprefix(f"{path}: "), repeat)
                continue
            good = True
            hole = next_hole(self._masks, photo.size, self._how)
            write = partial(self._write, photo, path.name, hole)
            yield Seen(Frame(_samples(photo), hole), write)
        if not good:
            raise VideoError(f"{self._files[0].parent}: has no picture that can be decoded")

    def _write(self, photo: Photograph, name: str, hole: Hole, fill: Pixels) -> None:
        self._last = photo.with_fill(fill, hole)
        self._last.save(self._output / name)

    def _again(self, name: str) -> None:
        assert self._last is not None
        self._last.save(self._output / name)


def _samples(photo: Photograph) -> Pixels:
    if photo.rgb.dtype.kind != "u":
        raise VideoError(f"{photo.name}: is floating point, want 8 or 16 bits in a clip's frames")
    return photo.rgb
