"""What a picture file says beside its samples, as far as every format can say it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swapfill.tiff_tags import ORIENTATION, read_tags, without_thumbnail

EXIF_MARK = b"Exif\0\0"  # before the EXIF block in a JPEG


@dataclass(frozen=True)
class Metadata:
    """The part of the metadata that is carried from one format to another.

    Within one format more is kept, byte for byte: see the settings that each format reads.
    """

    icc: bytes = b""
    exif: bytes = b""  # without its mark and thumbnail, else as the file has it, even if damaged
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None  # across, down

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1 to 8; 1 when there is none or it makes no sense."""
        tag = read_tags(self.exif).get(ORIENTATION)
        numbers = tag.integers() if tag else ()
        return numbers[0] if numbers and 1 <= numbers[0] <= 8 else 1


def metadata_of(info: dict[Any, Any]) -> Metadata:
    """Take the metadata from the `info` of a loaded Pillow image."""
    exif = info.get("exif") or b""
    xmp = info.get("xmp") or b""
    return Metadata(
        icc=bytes(info.get("icc_profile") or b""),
        exif=without_thumbnail(bytes(exif).removeprefix(EXIF_MARK)),
        xmp=xmp.encode() if isinstance(xmp, str) else bytes(xmp),
        dpi=_resolution(info.get("dpi")),
    )


def _resolution(dpi: Any) -> tuple[float, float] | None:
    """Give the resolution as two numbers; None when it is missing, zero or no number."""
    try:
        across, down = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if across > 0 and down > 0 else None


def to_upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn an array [H, W, ...] from the way a file stores it to the way it is looked at."""
    match orientation:
        case 2:
            return stored[:, ::-1]
        case 3:
            return stored[::-1, ::-1]
        case 4:
            return stored[::-1]
        case 5:
            return stored.swapaxes(0, 1)
        case 6:
            return np.rot90(stored, -1)
        case 7:
            return stored[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(stored)
    return stored


def to_stored(upright: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo `to_upright`."""
    # Every turn is its own opposite, but for the quarter turns 6 and 8, which are each other's.
    return to_upright(upright, {6: 8, 8: 6}.get(orientation, orientation))
