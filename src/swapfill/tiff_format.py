"""TIFF of 1 to 32 bits and any number of samples a pixel, with all its tags.

`tifffile` writes what is stored plainly or deflated, and `tiff_samples` reads by it; Pillow's
libtiff does the other compressions. Pillow has no mode for 16 bits or floating point in colour, but
its encoder and its decoder know the samples: see `_write_wide` and `_deep_samples`.
"""

import logging
import sys
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image

from swapfill import tiff_tags
from swapfill.decoding import (
    check_frames,
    check_size,
    deep_samples,
    image_of,
    one_line_errors,
    open_image,
    raster_of,
)
from swapfill.errors import ImageError
from swapfill.metadata import Metadata, to_stored
from swapfill.raster import CMYK, GREY, RGB, Raster
from swapfill.tiff_samples import DEFLATE, LZW, PACKBITS, PLAIN, is_known, samples_of
from swapfill.tiff_tags import Tag

# tifffile logs what it then raises or what does not matter; without a handler that goes to stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_JPEG = 7
_FAX = {2: "tiff_ccitt", 3: "group3", 4: "group4"}  # of 1 bit only
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK = 0, 1, 2, 3, 5
_COLOURS = {_WHITE_IS_ZERO: GREY, _BLACK_IS_ZERO: GREY, _RGB: RGB, _PALETTE: GREY, _CMYK: CMYK}
_ASSOCIATED, _UNASSOCIATED = 1, 2  # kinds of alpha: with or without the colours multiplied by it
_DESCRIBED_APART = {tiff_tags.ICC, tiff_tags.XMP, 33723, 34377}  # 33723, 34377: IPTC, Photoshop
_ROWS_PER_STRIP, _PREDICTOR, _COLOUR_MAP = 278, 317, 320
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class TiffSettings:
    """What a TIFF is written with.

    Attributes:
        compression: the number that TIFF has for it.
        predictor: 1 none, 2 differences of neighbours.
        photometric: the number that TIFF has for the kind of colours.
        extra: what the samples beside the colours are, one number each.
        tags: every tag that does not describe how the samples lie in the file.
    """

    compression: int = DEFLATE
    predictor: int = 2
    photometric: int | None = None
    extra: tuple[int, ...] = ()
    tags: tuple[Tag, ...] = ()


def decode(file: BinaryIO, name: str) -> tuple[Raster, Metadata, TiffSettings]:
    """Read a TIFF from an open file, which as a whole may be more than there is room for.

    Raises:
        ImageError: it is damaged or too large, or has several pages.
    """
    with one_line_errors(name), tifffile.TiffFile(file) as tiff:
        pages = [page for page in tiff.pages if not page.aspage().is_reduced]  # no thumbnails
        check_frames(name, len(pages), "pages")
        page = pages[0].aspage()
        check_size(name, page.imagewidth, page.imagelength)
        tags = tiff_tags.read_tags(tiff_tags.FileBytes(file))
        metadata = _metadata(tags)
        if page.photometric in _COLOURS and is_known(page):
            raster = _raster_of_page(page, name)
        else:
            raster = _raster_by_pillow(page, file, name, metadata.orientation)
        return raster, metadata, _settings(page, tags)


def write(
    file: BinaryIO, raster: Raster, metadata: Metadata, settings: TiffSettings | None
) -> None:
    """Write a TIFF like the source; without `settings` deflated, with the tags of `metadata`.

    Args:
        file: empty, open to write and to read.
        raster: the picture.
        metadata: what is said of it, where there are no `settings`.
        settings: those of the source.
    """
    if settings is None:
        settings = _settings_for(raster, metadata)
    if settings.photometric == _WHITE_IS_ZERO and raster.bits >= 8:
        raster = _inverted_grey(raster)
    if raster.bits == 1:
        compression = {LZW: "tiff_lzw", PACKBITS: "packbits", PLAIN: "raw"} | _FAX
        how = compression.get(settings.compression, "tiff_deflate")
        _save(file, image_of(raster), how)
    elif settings.compression == _JPEG:
        _save(file, image_of(raster), "jpeg", quality=_JPEG_QUALITY)
    elif settings.compression in (LZW, PACKBITS):
        _write_wide(file, raster, settings)
    else:
        _by_tifffile(file, raster, settings)
    tiff_tags.add_tags(file, settings.tags)


def _metadata(tags: dict[int, Tag]) -> Metadata:
    """Take from the tags what other formats have a place for."""

    def value(code: int) -> bytes:
        return tags[code].value if code in tags else b""

    kept = [tag for code, tag in tags.items() if code not in _DESCRIBED_APART]
    return Metadata(
        icc=value(tiff_tags.ICC),
        xmp=value(tiff_tags.XMP),
        exif=tiff_tags.write_exif(kept),
        dpi=_resolution(tags),
    )


def _resolution(tags: dict[int, Tag]) -> tuple[float, float] | None:
    """Give the dots per inch; None when the tags name no unit of length."""
    factor = {2: 1.0, 3: 2.54}
    unit = tags.get(tiff_tags.RESOLUTION_UNIT)
    inches = factor.get(unit.integers()[0]) if unit else 1.0
    numbers = [
        tags[code].integers()
        for code in (tiff_tags.X_RESOLUTION, tiff_tags.Y_RESOLUTION)
        if code in tags
    ]
    if inches is None or len(numbers) < 2 or not all(len(n) == 2 and all(n) for n in numbers):
        return None
    (across, by_across), (down, by_down) = numbers
    return inches * across / by_across, inches * down / by_down


def _settings(page: Any, tags: dict[int, Tag]) -> TiffSettings:
    """Read how a page was encoded."""
    kept = {code: tag for code, tag in tags.items() if code not in tiff_tags.LAYOUT}
    if page.photometric == _PALETTE and _COLOUR_MAP in tags:
        kept[_COLOUR_MAP] = tags[_COLOUR_MAP]  # it has 16 bits, of which Pillow reads 8
    return TiffSettings(
        compression=int(page.compression),
        predictor=int(page.predictor),
        photometric=int(page.photometric),
        extra=tuple(int(kind) for kind in page.extrasamples),
        tags=tuple(kept.values()),
    )


def _settings_for(raster: Raster, metadata: Metadata) -> TiffSettings:
    """Say in TIFF what another format said of the picture."""
    exif = tiff_tags.read_tags(metadata.exif)
    tags = {code: tag for code, tag in exif.items() if code not in tiff_tags.LAYOUT}
    for code, content in ((tiff_tags.ICC, metadata.icc), (tiff_tags.XMP, metadata.xmp)):
        if content:
            tags[code] = tiff_tags.opaque_bytes(code, content)
    if metadata.dpi:
        across, down = metadata.dpi
        tags[tiff_tags.X_RESOLUTION] = tiff_tags.rational(tiff_tags.X_RESOLUTION, across)
        tags[tiff_tags.Y_RESOLUTION] = tiff_tags.rational(tiff_tags.Y_RESOLUTION, down)
        tags[tiff_tags.RESOLUTION_UNIT] = tiff_tags.short(tiff_tags.RESOLUTION_UNIT, 2)
    predictor = 1 if raster.palette is not None or raster.samples.dtype.kind == "f" else 2
    extra = () if raster.alpha is None else (_UNASSOCIATED,)
    return TiffSettings(predictor=predictor, extra=extra, tags=tuple(tags.values()))


def _raster_of_page(page: Any, name: str) -> Raster:
    """Read the samples as they are, however many there are of each pixel."""
    kinds = (np.uint8, np.uint16, np.float32)
    if page.dtype not in kinds:
        wanted = ", ".join(kind.__name__ for kind in kinds)
        raise ImageError(f"{name}: has samples of type {page.dtype}, want one of {wanted}")
    samples = samples_of(page)
    colours = _COLOURS[page.photometric]
    if samples.shape[2] < colours:
        raise ImageError(f"{name}: has {samples.shape[2]} samples a pixel, want {colours} or more")
    raster = Raster(samples, colours, bits=page.bitspersample, palette=_palette(page))
    if page.photometric == _WHITE_IS_ZERO:
        raster = _inverted_grey(raster)
    extra = list(page.extrasamples)
    if not extra and samples.shape[2] == colours + 1:
        extra = [_UNASSOCIATED]  # not said; everybody takes a fourth sample of RGB for alpha
    for place, kind in enumerate(extra):
        if kind in (_ASSOCIATED, _UNASSOCIATED):
            premultiplied = kind == _ASSOCIATED
            return replace(raster, alpha=colours + place, premultiplied=premultiplied)
    return raster


def _palette(page: Any) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None:
    """Give the palette of a page as RGBA, [N, 4]."""
    if page.photometric != _PALETTE:
        return None
    colours = (page.colormap.T >> 8).astype(np.uint8)
    return np.pad(colours, ((0, 0), (0, 1)), constant_values=255)


def _inverted_grey(raster: Raster) -> Raster:
    """Turn "white is zero" and "black is zero" round; floating point would be rounded by it."""
    if raster.samples.dtype.kind == "f":
        return raster
    samples = raster.samples.copy()
    samples[..., 0] = raster.top - samples[..., 0]
    return replace(raster, samples=samples)


def _raster_by_pillow(page: Any, file: BinaryIO, name: str, orientation: int) -> Raster:
    """Read what tifffile has no codec for; Pillow turns it upright, here it is turned back."""
    mode = (page.photometric, page.bitspersample, page.samplesperpixel)
    if mode in ((_RGB, 16, 3), (_RGB, 16, 4)):
        raster = _deep_samples(page, file, name)
    else:
        image = open_image(file, name, "TIFF")
        image.load()
        if len(image.getbands()) != page.samplesperpixel or page.extrasamples[:1] == (_ASSOCIATED,):
            raise ImageError(
                f"{name}: has {page.samplesperpixel} samples of {page.bitspersample} bits a pixel"
                f" in compression {page.compression}, want them uncompressed or deflated"
            )
        raster = raster_of(image, name)
        if page.photometric == _WHITE_IS_ZERO and raster.bits > 8:
            raster = _inverted_grey(raster)  # as Pillow itself does it up to 8 bits
    return replace(raster, samples=np.ascontiguousarray(to_stored(raster.samples, orientation)))


def _deep_samples(page: Any, file: BinaryIO, name: str) -> Raster:
    """Decode 16 bits in colour, for which Pillow has a decoder but no mode.

    The decoder is asked twice. libtiff gives samples in the order of the machine; Pillow's
    unpacker for one order takes the high byte, that for the other the low byte.
    """
    mode = "RGBA" if page.samplesperpixel == 4 else "RGB"

    def unpacked(order: str) -> Image.Image:
        image = open_image(file, name, "TIFF")
        if image.mode != mode:
            raise ImageError(f"{name}: has a layout of 16-bit samples that is not supported")
        (tile,) = image.tile
        assert isinstance(tile.args, tuple)
        image.tile = [tile._replace(args=(f"{mode};16{order}", *tile.args[1:]))]
        image.load()
        return image

    high, low = ("L", "B") if sys.byteorder == "little" else ("B", "L")
    samples = deep_samples(unpacked, high, low)
    alpha = RGB if mode == "RGBA" else None
    premultiplied = page.extrasamples[:1] == (_ASSOCIATED,)
    return Raster(samples, RGB, alpha, 16, premultiplied=premultiplied)


def _photometric(raster: Raster, settings: TiffSettings) -> int:
    """Give the number for the kind of colours that the samples have now."""
    if raster.palette is not None:
        return _PALETTE
    if raster.colours == GREY:
        white_is_zero = settings.photometric == _WHITE_IS_ZERO
        return _WHITE_IS_ZERO if white_is_zero else _BLACK_IS_ZERO
    return _RGB if raster.colours == RGB else _CMYK


def _extra(raster: Raster, settings: TiffSettings) -> tuple[int, ...]:
    """Say what each sample beside the colours is."""
    count = raster.samples.shape[2] - raster.colours
    return settings.extra if len(settings.extra) == count else (_UNASSOCIATED,) * count


def _by_tifffile(file: BinaryIO, raster: Raster, settings: TiffSettings) -> None:
    """Write plain or deflated samples; deflated is also what replaces a rare compression."""
    deflated = settings.compression != PLAIN
    differences = deflated and settings.predictor == 2 and raster.samples.dtype.kind == "u"
    samples = raster.samples[..., 0] if raster.samples.shape[2] == 1 else raster.samples
    tifffile.imwrite(
        file,
        samples,
        byteorder="<",
        photometric=_photometric(raster, settings),
        planarconfig=1 if samples.ndim == 3 else None,
        extrasamples=_extra(raster, settings) or None,
        colormap=_colour_map(raster) if raster.palette is not None else None,
        compression=DEFLATE if deflated else None,
        predictor=2 if differences else None,
        rowsperstrip=_rows_per_strip(raster) if deflated else None,
        metadata=None,
        software=False,
        maxworkers=1,
    )


def _write_wide(file: BinaryIO, raster: Raster, settings: TiffSettings) -> None:
    """Write samples by Pillow's libtiff, which takes them as a grey picture of long rows.

    libtiff itself only sees bytes and tags, and the tags say what the samples are.
    """
    height, width, channels = raster.samples.shape
    mode = {8: "L", 16: "I;16", 32: "F"}[raster.bits]
    content = np.ascontiguousarray(raster.samples, raster.samples.dtype.newbyteorder("<"))
    # Of a large picture a copy counts; Pillow looks at grey where it lies.
    image = Image.frombuffer(mode, (width * channels, height), content, "raw", mode, 0, 1)
    tags: dict[int, Any] = {
        256: width,
        262: _photometric(raster, settings),
        277: channels,
        _ROWS_PER_STRIP: _rows_per_strip(raster),
    }
    if raster.samples.dtype.kind == "u" and settings.compression == LZW:
        tags[_PREDICTOR] = settings.predictor
    if extra := _extra(raster, settings):
        tags[338] = extra
    if raster.palette is not None:
        tags[_COLOUR_MAP] = tuple(int(v) for v in _colour_map(raster).reshape(-1))
    compression = "tiff_lzw" if settings.compression == LZW else "packbits"
    if tags[262] == _WHITE_IS_ZERO and mode == "L":
        image = Image.eval(image, lambda value: 255 - value)  # Pillow turns it round once more
    _save(file, image, compression, tiffinfo=tags)


def _save(file: BinaryIO, image: Image.Image | None, compression: str, **options: Any) -> None:
    """Save an image by Pillow."""
    assert image is not None
    image.info = {}
    image.save(file, "TIFF", compression=compression, **options)


def _rows_per_strip(raster: Raster) -> int:
    """Choose strips of about 256 KB: small enough to skip through, large enough to compress."""
    return int(np.clip((1 << 18) // raster.samples[0].nbytes, 1, len(raster.samples)))


def _colour_map(raster: Raster) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """Lay a palette out as TIFF has it: 16 bits, [3, 256]."""
    assert raster.palette is not None
    colours = raster.palette[:, :3].astype(np.uint16) * 257
    return np.pad(colours, ((0, 256 - len(colours)), (0, 0))).T
