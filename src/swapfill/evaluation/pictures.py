"""Pictures in the report's folder: PNG files of 8 bits, and what came from elsewhere as 8 bits."""

import io
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill.errors import DataError, OutputError
from swapfill.evaluation.methods.interface import Pixels
from swapfill.files import write_bytes_atomically
from swapfill.training.sources import pictures_of

_BROKEN = (OSError, SyntaxError, ValueError)  # what Pillow raises
_QUICK = 1  # zlib's level: twice the speed for a tenth more bytes


def to_bytes(samples: NDArray[Any]) -> Pixels:
    """Bring a picture's samples to 8 bits: of 16 bits, or floating point with white at 1."""
    if samples.dtype == np.uint16:
        samples = np.rint(samples / 257)
    elif samples.dtype.kind == "f":
        samples = np.rint(np.clip(samples, 0, 1) * 255)
    return np.asarray(samples, np.uint8)


def read_png(path: Path) -> Pixels:
    """Read a picture that `write_png` wrote: [H, W, 3], grey repeated.

    Raises:
        OSError: it is not there.
    """
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write [H, W] or [H, W, 3], whole or not at all, into a folder that is made.

    Raises:
        OutputError: the system refused.
    """
    make_folder(path.parent)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=_QUICK)
    write_bytes_atomically(path, out.getvalue())


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        OutputError: the system refused.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from None


def same_or_written(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a picture unless the file holds these very pixels."""
    wanted = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    try:
        if np.array_equal(read_png(path), wanted):
            return
    except _BROKEN:
        pass  # not there, or not whole
    write_png(path, pixels)


class PictureFolder:
    """Pictures of a folder, whatever their depth and format, by the names of those they go with.

    Raises:
        DataError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder, want one of pictures")
        found = [path.relative_to(folder) for path in pictures_of(folder)]
        self._paths = {path.with_suffix("").as_posix(): folder / path for path in found}

    def find(self, name: str) -> Path | None:
        """Give the file of the name, such as `street/0042`; or `0042`, if none is so deep."""
        return self._paths.get(name) or self._paths.get(PurePosixPath(name).name)
