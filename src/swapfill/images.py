"""The only door for picture files: what comes in goes out the same, but for the hole."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill import formats
from swapfill.decoding import check_size, image_of, one_line_errors, raster_of
from swapfill.errors import ImageError, MaskError, OutputError
from swapfill.files import Seen, write_atomically
from swapfill.formats import Settings
from swapfill.jpeg_format import JpegSettings
from swapfill.masks import Box
from swapfill.metadata import EXIF_MARK, Metadata, metadata_of, to_stored, to_upright
from swapfill.raster import (
    GREY,
    RGB,
    Hole,
    Raster,
    Samples,
    filled,
    luminance,
    seen_alpha,
    seen_rgb,
)

# Rows of a mask turned to luminance at once, or searched for NaN: what is made of them is small.
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Photograph:
    """A picture with all that its file says of it; it never changes, filling gives a new one.

    Make one by `open`, `from_bytes`, `from_pil` or `from_array`. Arrays go in and out *upright*, as
    one looks at the picture; the samples stay the way the file stores them.

    Attributes:
        raster: the samples as stored.
        metadata: profile, EXIF, XMP and resolution.
        name: of the source, for messages.
        format: the format of the source, one of `formats.FORMATS`; "" if it was no file.
        settings: all that is needed to write the source's format alike.
        orientation: the turn from stored to upright, 1 to 8, as EXIF numbers it.
        source: the file itself, as long as not a sample has changed; of an opened PNG or TIFF,
            which may be as large as its samples, only where it lies.
    """

    raster: Raster = field(repr=False)
    metadata: Metadata = field(repr=False)
    name: str
    format: str = ""
    settings: Settings | None = field(default=None, repr=False)
    orientation: int = 1
    source: bytes | Seen | None = field(default=None, repr=False)

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Read a picture file: PNG, JPEG, WebP, TIFF, BMP or GIF, told by its content.

        Raises:
            ImageError: there is no such file, it is no picture, it is damaged, has more than one
                frame or page, or more than `decoding.MAX_PIXELS` pixels.
        """
        path = Path(path)
        with _opened(path) as file:
            if formats.is_streamed(file):
                decoded = formats.decode_open(file, str(path))
                return cls._of(decoded, str(path), Seen.now(path, file))
            return cls.from_bytes(file.read(), str(path))

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "picture") -> Self:
        """Read a picture file that is in memory; raises the `ImageError` that `open` does."""
        return cls._of(formats.decode(data, name), name, data)

    @classmethod
    def _of(
        cls, decoded: tuple[str, Raster, Metadata, Settings], name: str, source: bytes | Seen
    ) -> Self:
        format, raster, metadata, settings = decoded
        _check_finite(raster, name)
        return cls(raster, metadata, name, format, settings, metadata.orientation, source)

    @classmethod
    def from_pil(cls, image: Image.Image, name: str = "image") -> Self:
        """Take a Pillow image. Its pixels count as upright, whatever its EXIF says.

        Raises:
            ImageError: it has no pixels, too many, or a mode that cannot be filled.
        """
        check_size(name, *image.size)
        with one_line_errors(name):
            image.load()
        raster = raster_of(image, name)
        _check_finite(raster, name)
        return cls(raster, metadata_of(image.info), name)

    @classmethod
    def from_array(cls, array: NDArray[Any], name: str = "array") -> Self:
        """Take an array [H, W] or [H, W, C]; C of 1 to 4 is grey, grey and alpha, RGB, RGBA.

        Args:
            array: uint8, uint16, or floating point with white at 1 (kept as float32).
            name: for messages.

        Raises:
            ImageError: another type or shape, no pixels, too many, or a value that is not finite.
        """
        array = np.asarray(array)
        channels = array.shape[2] if array.ndim == 3 else 1
        if array.ndim not in (2, 3) or channels not in (1, 2, 3, 4):
            raise ImageError(f"{name}: has the shape {array.shape}, want [H, W] or [H, W, 1 to 4]")
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        if array.dtype not in (np.uint8, np.uint16, np.float32):
            raise ImageError(f"{name}: has the type {array.dtype}, want uint8, uint16 or float32")
        check_size(name, array.shape[1], array.shape[0])
        colours = GREY if channels < RGB else RGB
        alpha = colours if channels in (2, 4) else None
        samples = array.reshape(*array.shape[:2], channels).copy()
        raster = Raster(samples, colours, alpha, bits=8 * array.dtype.itemsize)
        _check_finite(raster, name)
        return cls(raster, Metadata(), name)

    @cached_property
    def rgb(self) -> Samples:
        """What is to be seen, [H, W, 3] of the type of the samples: uint8, uint16 or float32.

        Upright. Grey is repeated, a palette looked up, CMYK turned to RGB through the profile of
        the file, alpha left out. Read only.
        """
        return self._upright(seen_rgb(self.raster, self.metadata.icc))

    @cached_property
    def alpha(self) -> Samples | None:
        """The opacity, [H, W] of the type of `rgb`, upright and read only; None without any."""
        alpha = seen_alpha(self.raster)
        return None if alpha is None else self._upright(alpha)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width as one looks at the picture."""
        height, width = self.raster.samples.shape[:2]
        return (width, height) if self.orientation >= 5 else (height, width)

    def hole_from_alpha(self) -> Hole:
        """Take what is less than half opaque for the hole: [H, W], upright.

        Raises:
            MaskError: the picture has no alpha channel, nor another transparency.
        """
        if self.alpha is None:
            raise MaskError(f"{self.name}: has no alpha channel to take the hole from; give a mask")
        return self.alpha < self.raster.top / 2

    def with_fill(
        self,
        fill: Samples,
        hole: Hole,
        *,
        box: Box | None = None,
        opaque: bool = False,
        reuse: bool = False,
    ) -> Self:
        """Fill the hole; every sample outside of it stays as it is, bit for bit.

        Grey takes the luminance of the fill, a palette its nearest colour, CMYK goes back through
        the profile.

        Args:
            fill: [H, W, 3], upright, of the type of `rgb`. It is read in the hole only.
            hole: true where to fill, [H, W], upright.
            box: the part of the picture that `fill` and `hole` are of; all of it unless given.
            opaque: make the hole fully opaque, as is right where it was taken from alpha. Otherwise
                alpha stays as it is.
            reuse: fill the samples of this picture, which is then spent, instead of a copy.

        Returns:
            The filled picture; this very one when the hole is empty.
        """
        box = box or Box(0, 0, *self.size)
        size = (box.height, box.width)
        if fill.shape != (*size, 3) or fill.dtype != self.rgb.dtype:
            wanted = f"{self.rgb.dtype} {(*size, 3)}"
            raise ValueError(f"fill is {fill.dtype} {fill.shape}, want {wanted}")
        if hole.shape != size or hole.dtype != np.bool_:
            raise ValueError(f"hole is {hole.dtype} {hole.shape}, want bool {size}")
        if not hole.any():
            return self
        settings = self._settings_before(box)
        samples = self.raster.samples if reuse else self.raster.samples.copy()
        part = to_upright(samples, self.orientation)[box.slices]  # a view
        stored = replace(self.raster, samples=to_stored(part, self.orientation))
        fill, hole = (to_stored(array, self.orientation) for array in (fill, hole))
        changed = filled(stored, fill, hole, opaque=opaque, icc=self.metadata.icc)
        part[:] = to_upright(changed.samples, self.orientation)
        raster = replace(self.raster, samples=samples)
        return replace(self, raster=raster, settings=settings, source=None)

    def _settings_before(self, box: Box) -> Settings | None:
        """Give the settings; those of a JPEG with what is in the part that is to be filled."""
        if not isinstance(self.settings, JpegSettings):
            return self.settings
        known = self.source is not None and self.orientation == 1  # stored as it is seen
        before = (box.slices, self.raster.samples[box.slices].copy()) if known else None
        return replace(self.settings, before=before)

    def save(
        self, path: Path | str, *, format: str | None = None, quality: int | None = None
    ) -> None:
        """Write the picture, whole or not at all.

        Args:
            path: where to. Its suffix names the format; without a suffix it is that of the source.
            format: the format, as "PNG" or "jpeg", whatever the suffix.
            quality: of JPEG and WebP, 1 to 100; None keeps that of the source.

        Raises:
            OutputError: the format is unknown or cannot hold the picture, or the file cannot be
                written; what was there before is untouched.
        """
        path = Path(path)
        if format is None:
            format = formats.format_of_path(path, otherwise=self.format or "PNG")
        formats.format_called(format)  # before there is a file
        write_atomically(
            path, lambda file: self.write(file, format, quality=quality, name=str(path))
        )

    def to_bytes(
        self, format: str | None = None, *, quality: int | None = None, name: str | None = None
    ) -> bytes:
        """Encode the picture as `save` does; one that was not filled is the source, byte for byte.

        Raises:
            OutputError: the format is unknown or cannot hold the picture; the line names `name`.
        """
        file = io.BytesIO()
        self.write(file, format, quality=quality, name=name)
        return file.getvalue()

    def write(
        self,
        file: BinaryIO,
        format: str | None = None,
        *,
        quality: int | None = None,
        name: str | None = None,
    ) -> None:
        """Do `to_bytes` into a file, empty and open to write and to read.

        If the source of a picture that was not filled is another file meanwhile, it is encoded: its
        samples are the same.
        """
        format = formats.format_called(format or self.format or "PNG")
        same = format == self.format
        if same and quality is None and self._copy_source(file):
            return
        raster = self.raster
        if format not in formats.TURNED_BY_EXIF:
            raster = replace(raster, samples=to_upright(raster.samples, self.orientation))
        settings = self.settings if same else None
        formats.write(file, raster, self.metadata, format, settings, quality, name or self.name)

    def _copy_source(self, file: BinaryIO) -> bool:
        """Write the file that the picture is from, if it still is; tell whether it was."""
        if isinstance(self.source, Seen):
            return self.source.copy_to(file)
        if self.source is not None:
            file.write(self.source)
        return self.source is not None

    def to_array(self) -> Samples:
        """Give the samples upright, [H, W] or [H, W, C], as `from_array` took them."""
        samples = to_upright(self.raster.samples, self.orientation)
        return (samples[..., 0] if samples.shape[2] == 1 else samples).copy()

    def to_pil(self) -> Image.Image:
        """Give a Pillow image of the mode of the source, upright.

        It carries profile and resolution; EXIF only where that does not ask for another turn.

        Raises:
            OutputError: Pillow has no mode for these samples (16 bits in colour, for one).
        """
        samples = np.ascontiguousarray(to_upright(self.raster.samples, self.orientation))
        image = image_of(replace(self.raster, samples=samples))
        if image is None:
            shape = f"{samples.shape[2]} samples of {self.raster.bits} bits"
            raise OutputError(f"{self.name}: has {shape} a pixel, for which Pillow has no mode")
        if self.metadata.icc:
            image.info["icc_profile"] = self.metadata.icc
        if self.metadata.dpi:
            image.info["dpi"] = self.metadata.dpi
        if self.metadata.exif and self.orientation == 1:
            image.info["exif"] = EXIF_MARK + self.metadata.exif
        return image

    def _upright(self, stored: Samples) -> Samples:
        """Turn an array upright and protect it: it may share the memory of the samples."""
        upright = to_upright(stored, self.orientation)
        upright.flags.writeable = False
        return upright


def read_hole(
    source: Path | str | bytes,
    size: tuple[int, int],
    *,
    invert: bool = False,
    fit: bool = False,
    name: str | None = None,
) -> Hole:
    """Read a mask file: what is at least half white is the hole.

    A mask may have any mode and depth; its luminance counts. Where it is transparent it counts as
    black, as if it lay on a black sheet: whoever paints white strokes on an empty layer means the
    strokes, and the colour under full transparency is a left-over that no viewer shows.

    Args:
        source: the path of the mask, or the content of the file.
        size: height and width of the picture, upright.
        invert: take the black for the hole.
        fit: bring a mask of another size to `size`, by the nearest pixel.
        name: for messages; the path, unless it is given.

    Returns:
        True where the picture is missing, [H, W].

    Raises:
        MaskError: the mask cannot be read, or it has another size and `fit` is false.
    """
    name = name or ("mask" if isinstance(source, bytes) else str(source))
    try:
        if isinstance(source, bytes):
            mask = Photograph.from_bytes(source, name)
        else:
            mask = Photograph.open(source)
    except ImageError as error:
        raise MaskError(str(error)) from error
    hole = _is_white(mask)
    if hole.shape != size:
        if not fit:
            raise MaskError(
                f"{name}: is {hole.shape[1]} x {hole.shape[0]} pixels (width x height), want"
                f" {size[1]} x {size[0]} as the picture has; --fit-mask resizes it"
            )
        hole = _nearest(hole, size)
    return ~hole if invert else hole


def _is_white(mask: Photograph) -> Hole:
    """Tell where a mask on a black sheet is at least half white: [H, W], upright."""
    top, rgb, alpha = mask.raster.top, mask.rgb, mask.alpha
    white = np.empty(mask.size, np.bool_)
    for start in range(0, len(white), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        light = luminance(rgb[rows]).astype(np.float64)
        if alpha is not None:
            light *= alpha[rows] / top
        white[rows] = light >= top / 2
    return white


def _nearest(hole: Hole, size: tuple[int, int]) -> Hole:
    """Resize by taking, for the middle of each new pixel, the pixel that it falls on."""
    rows, columns = (
        (np.arange(new) * 2 + 1) * old // (2 * new)
        for new, old in zip(size, hole.shape, strict=True)
    )
    resized: Hole = hole[rows[:, None], columns]
    return resized


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read it."""
    if path.is_dir():
        raise ImageError(f"{path}: is a folder, want a picture file")
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from error


def _check_finite(raster: Raster, name: str) -> None:
    """Refuse NaN and infinity, which would spread through every layer of the network."""
    if raster.samples.dtype.kind != "f":
        return
    samples = raster.samples
    at_once = (samples[row : row + _ROWS_AT_ONCE] for row in range(0, len(samples), _ROWS_AT_ONCE))
    bad = sum(rows.size - np.count_nonzero(np.isfinite(rows)) for rows in at_once)
    if bad:
        raise ImageError(f"{name}: has {bad} samples that are NaN or infinite, want finite ones")
