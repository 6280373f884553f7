"""Open bytes with Pillow, under our limits and with our words, and turn its images to rasters."""

import io
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from swapfill.errors import ImageError
from swapfill.raster import CMYK, GREY, RGB, Raster, Samples

# 12,000 x 12,000. Pillow itself refuses twice its own limit, which is 179 million pixels.
MAX_PIXELS = 144_000_000

# Rows of an image turned to samples at once: Pillow hands out bytes, of which a whole copy would
# stand beside the image and the samples.
_ROWS_AT_ONCE = 256


class Extent(NamedTuple):
    """Of a picture as stored; of a TIFF's largest page."""

    width: int
    height: int
    samples: int  # a pixel


@contextmanager
def one_line_errors(name: str) -> Iterator[None]:
    """Turn whatever a decoder says of damaged bytes to an `ImageError` that names the file."""
    try:
        # Pillow warns of damaged EXIF, which is carried over as it is, and of many pixels, which
        # `check_size` refuses by a limit of our own.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        pixels = int("".join(re.findall(r"\d+", str(error))[:1]))
        raise ImageError(f"{name}: has {pixels:,} pixels, want at most {MAX_PIXELS:,}") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: is damaged or cut short: its header makes no sense") from error
    except Exception as error:  # decoders fail on damaged bytes with a dozen kinds of exceptions
        # A KeyError or IndexError says something of the decoder, and nothing of the file.
        telling = isinstance(error, OSError | SyntaxError | ValueError | tifffile.TiffFileError)
        reason = f": {' '.join(str(error).split())}" if telling else ""
        raise ImageError(f"{name}: is damaged or cut short{reason}") from error


def check_size(name: str, width: int, height: int) -> None:
    """Refuse a picture without pixels, or with more than `MAX_PIXELS`, before it is decoded."""
    if width < 1 or height < 1:
        raise ImageError(f"{name}: has no pixels: it is {width} x {height} (width x height)")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name}: has {width} x {height} = {width * height:,} pixels,"
            f" want at most {MAX_PIXELS:,}"
        )


def check_frames(name: str, frames: int, what: str = "frames") -> None:
    """Refuse an animation or a file of several pages."""
    if frames > 1:
        raise ImageError(f"{name}: has {frames} {what}, want a file with one picture")


def open_image(data: bytes | BinaryIO, name: str, kind: str) -> ImageFile:
    """Read the header of a file of Pillow's format `kind` and check its size; decode nothing."""
    image = Image.open(io.BytesIO(data) if isinstance(data, bytes) else data, formats=[kind])
    check_size(name, *image.size)
    return image


def extent_of(data: bytes, name: str, form: str) -> Extent:
    """Read from a file's header how large it becomes; decode nothing.

    Raises:
        ImageError: the header is damaged, or asks for more than `MAX_PIXELS`.
    """
    with one_line_errors(name):
        if form != "TIFF":
            image = open_image(data, name, form)
            return Extent(*image.size, len(image.getbands()))
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            pages = [page.aspage() for page in file.pages]
            found = [Extent(p.imagewidth, p.imagelength, p.samplesperpixel) for p in pages]
            largest = max(found, key=lambda one: one.width * one.height * one.samples)
            check_size(name, largest.width, largest.height)
            return largest


def raster_of(image: Image.Image, name: str) -> Raster:
    """Turn a loaded Pillow image of a mode that this package knows to a raster."""
    mode = image.mode
    if mode == "1":
        return Raster(_samples(image.convert("L")), GREY, bits=1)
    if mode in ("I;16", "I;16B", "I;16L"):
        return Raster(_samples(image).astype(np.uint16), GREY, bits=16, key=_key(image))
    if mode == "P":
        return Raster(_samples(image), GREY, palette=_palette(image))
    known = {"L": GREY, "LA": GREY, "RGB": RGB, "RGBA": RGB, "CMYK": CMYK, "F": GREY}
    if mode not in known:
        raise ImageError(f"{name}: has the mode {mode}, want one of {', '.join(known)}, 1, P, I;16")
    alpha = known[mode] if mode in ("LA", "RGBA") else None
    bits = 32 if mode == "F" else 8
    return Raster(_samples(image), known[mode], alpha, bits, key=_key(image))


def image_of(raster: Raster) -> Image.Image | None:
    """Turn a raster to a Pillow image of the very same samples; None when Pillow has no such mode.

    Pillow has none for 16 bits or floating point in colour, nor for samples beside the alpha.
    """
    samples = raster.samples
    height, width, channels = samples.shape
    extra = 0 if raster.alpha is None else 1
    if channels != raster.colours + extra or raster.premultiplied:
        return None
    modes = {("u1", 1): "L", ("u1", 2): "LA", ("u1", 3): "RGB", ("u1", 4): "RGBA"}
    modes |= {("u2", 1): "I;16", ("f4", 1): "F"}
    mode = modes.get((samples.dtype.str[1:], channels))
    if raster.palette is not None:
        mode = "P"
    elif raster.colours == CMYK:
        mode = "CMYK" if samples.dtype == np.uint8 and not extra else None
    if mode is None:
        return None
    content = np.ascontiguousarray(samples)
    if mode == "I;16":
        content = content.astype("<u2")
    image = Image.frombytes(mode, (width, height), content.tobytes())
    if raster.palette is not None:
        image.putpalette(raster.palette[:, :3].tobytes())
        if (raster.palette[:, 3] < 255).any():
            image.info["transparency"] = raster.palette[:, 3].tobytes()
    return image.convert("1", dither=Image.Dither.NONE) if raster.bits == 1 else image


def expanded(raster: Raster) -> Raster:
    """Look a palette up: the same picture as RGB, or RGBA where it can be transparent."""
    if raster.palette is None:
        return raster
    opaque = bool((raster.palette[:, 3] == 255).all())
    indices = np.minimum(raster.samples[..., 0], len(raster.palette) - 1)
    colours = raster.palette[indices, : 3 if opaque else 4]
    return Raster(colours, RGB, alpha=None if opaque else RGB)


def deep_samples(decoded: Callable[[str], Image.Image], high: str, low: str) -> Samples:
    """Join 16-bit samples of two images of 8 bits, of which one is there at a time.

    Args:
        decoded: decodes the picture with one of Pillow's unpackers.
        high: the unpacker that takes the high byte of each sample.
        low: the one that takes the low byte.

    Returns:
        The samples, [H, W, C].
    """
    image = decoded(high)
    samples = np.empty((image.height, image.width, len(image.getbands())), np.uint16)
    halves = samples.view(np.uint8).reshape(*samples.shape, 2)
    at = 1 if sys.byteorder == "little" else 0
    _copy(image, halves[..., at])
    del image
    _copy(decoded(low), halves[..., 1 - at])
    return samples


def _samples(image: Image.Image) -> Samples:
    """Copy the samples of an image, [H, W, C]."""
    row = np.asarray(image.crop((0, 0, image.width, 1)))
    samples = np.empty((image.height, *row.shape[1:]), row.dtype)
    _copy(image, samples)
    return samples if samples.ndim == 3 else samples[..., None]


def _copy(image: Image.Image, samples: Samples) -> None:
    """Copy the samples of an image into an array, band by band."""
    for top in range(0, image.height, _ROWS_AT_ONCE):
        bottom = min(top + _ROWS_AT_ONCE, image.height)
        samples[top:bottom] = image.crop((0, top, image.width, bottom))


def _key(image: Image.Image) -> tuple[int, ...] | None:
    """Give the transparent colour of a picture without palette."""
    key = image.info.get("transparency")
    if isinstance(key, int):
        return (key,)
    return tuple(key) if isinstance(key, tuple) else None


def _palette(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Give the palette as RGBA, [N, 4]."""
    colours = np.array(image.getpalette("RGB") or [0, 0, 0], np.uint8).reshape(-1, 3)
    alpha = np.full(len(colours), 255, np.uint8)
    transparency = image.info.get("transparency")
    if isinstance(transparency, int) and transparency < len(alpha):
        alpha[transparency] = 0
    elif isinstance(transparency, bytes):
        given = np.frombuffer(transparency, np.uint8)[: len(alpha)]
        alpha[: len(given)] = given
    elif image.palette is not None and image.palette.mode == "RGBA":
        alpha = np.array(image.getpalette("RGBA"), np.uint8).reshape(-1, 4)[:, 3]
    return np.column_stack([colours, alpha])
