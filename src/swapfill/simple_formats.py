"""WebP, BMP and GIF: formats whose metadata Pillow carries whole."""

import io
import struct
from dataclasses import dataclass

import numpy as np

from swapfill.decoding import check_frames, image_of, one_line_errors, open_image, raster_of
from swapfill.metadata import Metadata, metadata_of
from swapfill.raster import Raster

# A lossy WebP does not say its quality. At 95 a photograph that was saved at 80 changes by less
# than its own compression did.
_WEBP_QUALITY = 95


@dataclass(frozen=True)
class SimpleSettings:
    """What is to be kept besides samples and metadata."""

    lossless: bool = False  # WebP
    comment: bytes = b""  # GIF


def decode(data: bytes, name: str, kind: str) -> tuple[Raster, Metadata, SimpleSettings]:
    """Read a file of Pillow's format `kind`: WEBP, BMP or GIF.

    Raises:
        ImageError: the file is damaged, animated or too large.
    """
    with one_line_errors(name):
        image = open_image(data, name, kind)
        check_frames(name, getattr(image, "n_frames", 1))
        image.load()
        comment = image.info.get("comment", b"")
        settings = SimpleSettings(kind == "WEBP" and _is_lossless(data), bytes(comment))
        return raster_of(image, name), metadata_of(image.info), settings


def encode_webp(
    raster: Raster, metadata: Metadata, settings: SimpleSettings | None, quality: int | None
) -> bytes:
    """Write a WebP: lossless if the source was so and no `quality` is asked for."""
    file = io.BytesIO()
    image = image_of(raster)
    assert image is not None
    carried = {"icc_profile": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp}
    if settings is not None and settings.lossless and quality is None:
        # `exact` keeps the colours under full transparency, which count as samples too.
        image.save(file, "WEBP", lossless=True, exact=True, **carried)
    else:
        quality = _WEBP_QUALITY if quality is None else quality
        image.save(file, "WEBP", quality=quality, exact=True, **carried)
    return file.getvalue()


def encode_bmp(raster: Raster, metadata: Metadata) -> bytes:
    """Write a BMP, which has room for the resolution and no other metadata."""
    if raster.alpha is not None:
        return _bmp_with_alpha(raster, metadata)
    image = image_of(raster)
    assert image is not None
    file = io.BytesIO()
    image.save(file, "BMP", dpi=metadata.dpi or (0, 0))
    return file.getvalue()


def encode_gif(raster: Raster, metadata: Metadata, settings: SimpleSettings | None) -> bytes:
    """Write a GIF of one frame with its palette as it is."""
    image = image_of(raster)
    assert image is not None
    file = io.BytesIO()
    transparency = raster.palette[:, 3] if raster.palette is not None else np.empty(0)
    options: dict[str, object] = {"comment": settings.comment if settings else b""}
    if (transparency == 0).any():
        options["transparency"] = int(transparency.argmin())
    image.info = {}
    image.save(file, "GIF", optimize=False, **options)
    return file.getvalue()


def _is_lossless(data: bytes) -> bool:
    """Look for the chunk of lossless samples in a WebP."""
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        if kind == b"VP8L":
            return True
        place += 8 + length + length % 2
    return False


def _bmp_with_alpha(raster: Raster, metadata: Metadata) -> bytes:
    """Write RGBA with the version 4 header, which says where alpha is; Pillow writes version 3."""
    height, width, _ = raster.samples.shape
    size = 4 * width * height
    dots_per_metre = [round(dpi * 39.3701) for dpi in metadata.dpi or (0, 0)]
    file_header = struct.pack("<2sIII", b"BM", 14 + 108 + size, 0, 14 + 108)
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, size, *dots_per_metre, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    colour_space = b"BGRs" + bytes(48)  # "sRGB", little-endian
    rows = raster.samples[::-1, :, [2, 1, 0, 3]]  # from the bottom up
    return file_header + header + masks + colour_space + rows.tobytes()
