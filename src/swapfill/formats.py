"""Which format a file has, and which pictures a format can hold."""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from swapfill import jpeg_format, png_bands, png_format, simple_formats, tiff_format
from swapfill.decoding import Extent, expanded, extent_of
from swapfill.errors import ImageError, OutputError
from swapfill.jpeg_format import JpegSettings
from swapfill.metadata import Metadata
from swapfill.png_format import PngSettings
from swapfill.raster import CMYK, GREY, RGB, Raster, seen_alpha
from swapfill.simple_formats import SimpleSettings
from swapfill.tiff_format import TiffSettings

Settings = JpegSettings | PngSettings | SimpleSettings | TiffSettings

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
SUFFIXES = {".png": "PNG", ".webp": "WEBP", ".gif": "GIF", ".bmp": "BMP", ".dib": "BMP"}
SUFFIXES |= {".tif": "TIFF", ".tiff": "TIFF"}
SUFFIXES |= dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG")

# These have a place for the EXIF orientation; in the others the picture itself must be upright.
TURNED_BY_EXIF = frozenset({"PNG", "JPEG", "WEBP", "TIFF"})

_SIGNATURES: dict[str, bytes | tuple[bytes, ...]] = {
    "PNG": png_bands.SIGNATURE,
    "JPEG": jpeg_format.SIGNATURE,
    "TIFF": tiff_format.SIGNATURES,
    "BMP": b"BM",
    "GIF": (b"GIF87a", b"GIF89a"),
}

_LONGEST_SEGMENT = 65_500  # of a JPEG, in bytes, less the name of what is in it


@dataclass(frozen=True)
class _Room:
    """What a format has room for."""

    dtypes: tuple[str, ...]  # of the samples
    colours: tuple[int, ...]
    alpha: bool = True
    palette: bool = True
    bits: tuple[int, ...] = (8, 16, 32)
    side: int = 65_535  # largest, in pixels


_ROOM = {
    "PNG": _Room(("u1", "u2"), (GREY, RGB), bits=(1, 2, 4, 8, 16)),
    "JPEG": _Room(("u1",), (GREY, RGB, CMYK), alpha=False, palette=False, side=65_500),
    "WEBP": _Room(("u1",), (GREY, RGB), palette=False, side=16_383),
    "TIFF": _Room(("u1", "u2", "f4"), (GREY, RGB, CMYK), bits=(1, 8, 16, 32)),
    "BMP": _Room(("u1",), (GREY, RGB), bits=(1, 8)),
    "GIF": _Room(("u1",), (GREY,), alpha=False),
}


def decode(data: bytes, name: str) -> tuple[str, Raster, Metadata, Settings]:
    """Read a picture file, whose format shows in its first bytes, whatever its name says.

    Raises:
        ImageError: it is empty, of no known format, damaged, animated or too large.
    """
    form = _form(data, name)
    if form in ("PNG", "TIFF"):
        # Closed because tifffile's pages, which know each other, would keep its memory.
        with io.BytesIO(data) as file:
            return decode_open(file, name)
    if form == "JPEG":
        return form, *jpeg_format.decode(data, name)
    return form, *simple_formats.decode(data, name, form)


def is_streamed(file: BinaryIO) -> bool:
    """Tell whether an open file at its beginning is a PNG or TIFF, which `decode_open` reads."""
    start = file.read(len(png_bands.SIGNATURE))
    file.seek(0)
    return start.startswith((png_bands.SIGNATURE, *tiff_format.SIGNATURES))


def decode_open(file: BinaryIO, name: str) -> tuple[str, Raster, Metadata, Settings]:
    """Read an open file for which `is_streamed` holds; raises the `ImageError` that `decode` does.

    The file may, beside its samples, be more than there is room for.
    """
    start = file.read(len(png_bands.SIGNATURE))
    file.seek(0)
    if start == png_bands.SIGNATURE:
        return "PNG", *png_format.decode(file, name)
    return "TIFF", *tiff_format.decode(file, name)


def extent(data: bytes, name: str) -> Extent:
    """Read from a file's header how large it becomes; decode nothing.

    Raises:
        ImageError: it is empty, of no known format, its header is damaged, or it is too large.
    """
    return extent_of(data, name, _form(data, name))


def _form(data: bytes, name: str) -> str:
    """Tell the format by the first bytes."""
    if not data:
        raise ImageError(f"{name}: is empty, want a picture file")
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    for form, signature in _SIGNATURES.items():
        if data.startswith(signature):
            return form
    raise ImageError(f"{name}: is not a picture, want {', '.join(FORMATS)}")


def format_called(name: str) -> str:
    """Give the format that a user calls `name`: "PNG", "jpg", "tiff".

    Raises:
        OutputError: there is no such format.
    """
    form = SUFFIXES.get(f".{name.lower()}")
    if form is None:
        raise OutputError(f"format {name!r} is not known, want one of {', '.join(FORMATS)}")
    return form


def format_of_path(path: Path, otherwise: str) -> str:
    """Give the format that the suffix of `path` stands for; without a suffix, `otherwise`.

    Raises:
        OutputError: the suffix stands for no format.
    """
    if not path.suffix:
        return otherwise
    try:
        return SUFFIXES[path.suffix.lower()]
    except KeyError:
        wanted = ", ".join(SUFFIXES)
        raise OutputError(f"{path}: has the suffix {path.suffix}, want one of {wanted}") from None


def write(
    file: BinaryIO,
    raster: Raster,
    metadata: Metadata,
    form: str,
    settings: Settings | None,
    quality: int | None,
    name: str,
) -> None:
    """Write a picture as `form`.

    Args:
        file: empty, open to write and to read; a PNG or TIFF goes there piece by piece.
        raster: the picture.
        metadata: what is said of it, in so far as the format has a place for it.
        form: one of `FORMATS`.
        settings: those of the source if it had this format; they also hold all its metadata.
        quality: of JPEG and WebP, 1 to 100; None keeps that of the source.
        name: for the message.

    Raises:
        OutputError: the format cannot hold the picture without loss.
    """
    raster = _suited(raster, form, name)
    if form == "JPEG" and settings is None:
        _check_segments(metadata, name)
    match form, settings:
        case "PNG", (PngSettings() | None):
            png_format.write(file, raster, metadata, settings)
        case "TIFF", (TiffSettings() | None):
            tiff_format.write(file, raster, metadata, settings)
        case "JPEG", (JpegSettings() | None):
            file.write(jpeg_format.encode(raster, metadata, settings, quality))
        case "WEBP", (SimpleSettings() | None):
            file.write(simple_formats.encode_webp(raster, metadata, settings, quality))
        case "BMP", (SimpleSettings() | None):
            file.write(simple_formats.encode_bmp(raster, metadata))
        case "GIF", (SimpleSettings() | None):
            file.write(simple_formats.encode_gif(raster, metadata, settings))
        case _:
            raise ValueError(f"format is {form!r}, want one of {FORMATS} with settings of its own")


def _check_segments(metadata: Metadata, name: str) -> None:
    """Refuse what is too long for a segment of a JPEG, which the source was not bound to."""
    for what, content in (("an EXIF block", metadata.exif), ("XMP", metadata.xmp)):
        if len(content) > _LONGEST_SEGMENT:
            found = f"{what} of {len(content):,} bytes"
            raise OutputError(
                f"{name}: JPEG cannot hold {found}, but {_LONGEST_SEGMENT:,}; want another format"
            )


def _suited(raster: Raster, form: str, name: str) -> Raster:
    """Bring a picture to a shape that `form` has, if nothing is lost by that; else refuse."""
    room = _ROOM[form]
    if form != "PNG" and raster.key is not None:
        raster = _with_key_as_alpha(raster)
    if raster.palette is not None and not _holds_palette(raster.palette, form):
        raster = expanded(raster)
    if raster.alpha is not None and not room.alpha:
        raster = _without_idle_alpha(raster)
    if raster.bits < 8 and raster.bits not in room.bits:
        raster = replace(raster, bits=8)  # grey of fewer bits is spread over 0 to 255 already
    if raster.colours == GREY and raster.alpha is not None and form in ("WEBP", "BMP"):
        raster = _as_colour(raster)
    if lost := _loss(raster, room, form):
        raise OutputError(f"{name}: {form} cannot hold {lost}; want another format, as TIFF")
    return raster


def _loss(raster: Raster, room: _Room, form: str) -> str:
    """Say what of the picture `form` has no room for; nothing when it has room for all."""
    height, width, channels = raster.samples.shape
    if max(height, width) > room.side:
        return f"{width} x {height} pixels, but {room.side:,} a side"
    if raster.samples.dtype.str[1:] not in room.dtypes:
        return f"samples of {raster.bits} bits"
    if raster.alpha is not None and not room.alpha:
        return "transparency"
    if raster.colours not in room.colours:
        return {GREY: "grey", RGB: "more than 256 colours", CMYK: "CMYK"}[raster.colours]
    extra = channels - raster.colours - (0 if raster.alpha is None else 1)
    if form != "TIFF" and (extra or raster.premultiplied):
        return f"{extra} samples beside the colours" if extra else "premultiplied colours"
    return ""


def _holds_palette(palette: NDArray[np.uint8], form: str) -> bool:
    """Tell whether `form` can store a palette with this transparency."""
    if form == "PNG" or not _ROOM[form].palette:
        return form == "PNG"
    transparent = palette[palette[:, 3] < 255, 3]
    if form == "GIF":  # one entry can be transparent, wholly
        return len(transparent) <= 1 and not transparent.any()
    return len(transparent) == 0


def _with_key_as_alpha(raster: Raster) -> Raster:
    """Turn a transparent colour to an alpha channel; to nothing when no pixel has the colour."""
    alpha = seen_alpha(raster)
    if alpha is None or (alpha == raster.top).all():
        return replace(raster, key=None)
    samples = np.concatenate([raster.samples, alpha[..., None]], axis=2)
    return replace(
        raster, samples=samples, alpha=raster.colours, bits=max(raster.bits, 8), key=None
    )


def _without_idle_alpha(raster: Raster) -> Raster:
    """Drop an alpha channel that is the last one and opaque everywhere."""
    alpha = seen_alpha(raster)
    is_idle = alpha is not None and bool((alpha == raster.top).all())
    if not is_idle or raster.samples.shape[2] > raster.colours + 1:
        return raster
    return replace(raster, samples=raster.samples[..., : raster.colours], alpha=None)


def _as_colour(raster: Raster) -> Raster:
    """Repeat the grey of grey with alpha, for formats that have alpha beside colours only."""
    return replace(raster, samples=raster.samples[..., [0, 0, 0, 1]], colours=RGB, alpha=RGB)
