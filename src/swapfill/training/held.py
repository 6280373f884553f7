"""One photograph of a source: where its bytes lie, and its pixels."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from swapfill.errors import DataError
from swapfill.metadata import metadata_of, to_upright

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Held:
    """A picture's file, as bytes `offset` to `offset` + `size` of another, or of its own."""

    source: str  # as it was given: a URL, not the file that it was fetched to
    name: str  # in the source
    file: Path
    offset: int
    size: int
    content: bytes | None = None  # in a compressed tar file no picture can be found again

    def read(self) -> bytes:
        """Read the bytes.

        Raises:
            DataError: the file vanished, or ends before them.
            OSError: they cannot be read.
        """
        if self.content is not None:
            return self.content
        try:
            with self.file.open("rb") as file:
                file.seek(self.offset)
                data = file.read(self.size)
        except FileNotFoundError:
            raise DataError(f"{self.file}: vanished while the photographs were read") from None
        if len(data) < self.size:
            raise DataError(f"{self.file}: was cut short while the photographs were read")
        return data


def rgb(data: bytes) -> Pixels:
    """Decode a picture's file to [H, W, 3], upright; what is damaged raises what Pillow raises."""
    with Image.open(io.BytesIO(data)) as picture:
        stored = np.asarray(_eight_bits(picture).convert("RGB"))
        return np.ascontiguousarray(to_upright(stored, metadata_of(picture.info).orientation))


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Scale grey of 16 bits, which Pillow would cut off at 255; refuse what has no white."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) / 257).round().astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError(f"has the mode {picture.mode}, want samples of 8 or 16 bits")
    return picture
