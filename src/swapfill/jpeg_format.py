"""JPEG with its own quantisation tables, subsampling and every segment of its metadata."""

import io
import threading
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageFile, JpegImagePlugin
from PIL.JpegImagePlugin import JpegImageFile

from swapfill import jpeg_blocks
from swapfill.decoding import image_of, one_line_errors, open_image, raster_of
from swapfill.jpeg_stream import framed, segments
from swapfill.metadata import EXIF_MARK, Metadata, metadata_of
from swapfill.raster import CMYK, GREY, Raster, Samples
from swapfill.tiff_tags import without_thumbnail

SIGNATURE = b"\xff\xd8\xff"

_COMMENT, _ADOBE = 0xFE, 0xEE
_APPLICATION = range(0xE0, 0xF0)
_FINEST = 0  # 4:4:4
_LARGE_BLOCK = threading.Lock()  # held by whoever has changed Pillow's constant


@dataclass(frozen=True)
class JpegSettings:
    """What a JPEG is written with.

    Attributes:
        tables: the quantisation tables, one a component; the last one also serves the rest.
        subsampling: as Pillow numbers it: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0, -1 has no meaning.
        progressive: whether it appears coarse to fine.
        stores_rgb: the components are red, green, blue; else they are turned to luma and chroma.
        segments: marker and content of the metadata, in order.
        stores_ycck: of CMYK, the three colours are turned to luma and chroma.
        source: the file. Its blocks are kept where the picture is the same.
        before: where the picture may differ from the file (rows, columns), and what the file has
            there. Without it the file is read again, which takes time and memory.
    """

    tables: tuple[tuple[int, ...], ...]
    subsampling: int
    progressive: bool
    stores_rgb: bool
    segments: tuple[tuple[int, bytes], ...]
    stores_ycck: bool
    source: bytes = field(repr=False, compare=False)
    before: tuple[tuple[slice, slice], Samples] | None = field(
        default=None, repr=False, compare=False
    )


def decode(data: bytes, name: str) -> tuple[Raster, Metadata, JpegSettings]:
    """Read a JPEG; raises `ImageError` for a damaged or too large one.

    Of a file with further pictures behind the first (a phone's MPO) the first is read.
    """
    with one_line_errors(name):
        image = open_image(data, name, "JPEG")
        assert isinstance(image, JpegImageFile)
        image.load()
        return raster_of(image, name), metadata_of(image.info), _settings(image, data)


def encode(
    raster: Raster, metadata: Metadata, settings: JpegSettings | None, quality: int | None
) -> bytes:
    """Write a JPEG.

    With `settings` and without `quality`, the blocks of the source that have not changed keep their
    bits, if the source is sequential in one scan, as cameras write. Else all is encoded again.

    Args:
        raster: 8 bits, grey, RGB or CMYK, without alpha.
        metadata: written when there are no `settings`.
        settings: those of the file that the picture was read from.
        quality: 1 to 100, instead of the tables of `settings`. Without either it is 95 in 4:4:4.
    """
    if settings is not None and quality is None:
        exchanged = _exchanged(raster, settings)
        if exchanged is not None:
            return _with_segments(exchanged, settings.segments)
    image = image_of(raster)
    assert image is not None
    options: dict[str, object] = {"quality": 95 if quality is None else quality}
    options["subsampling"] = -1 if image.mode in ("L", "1", "CMYK") else _FINEST
    if settings is None:
        exif = EXIF_MARK + metadata.exif if metadata.exif else b""
        options |= {"icc_profile": metadata.icc, "xmp": metadata.xmp, "exif": exif}
        options["dpi"] = metadata.dpi or (0, 0)
    else:
        options["subsampling"] = settings.subsampling
        options["progressive"], options["keep_rgb"] = settings.progressive, settings.stores_rgb
        if quality is None:
            options["quality"] = -1
            options["qtables"] = [list(table) for table in settings.tables]
    plain = _saved(image, options)
    return plain if settings is None else _with_segments(plain, settings.segments)


def _exchanged(raster: Raster, settings: JpegSettings) -> bytes | None:
    """Exchange the blocks of the source that changed; None where that is not possible."""
    if settings.progressive:
        return None
    changed = np.zeros(raster.samples.shape[:2], np.bool_)
    if settings.before is None:
        old = decode(settings.source, "source")[0].samples
        if old.shape != raster.samples.shape:
            return None
        changed[:] = jpeg_blocks.differing(old, raster.samples)
    else:
        place, old = settings.before
        changed[place] = jpeg_blocks.differing(old, raster.samples[place])
    if raster.colours == CMYK:
        luma = settings.stores_ycck
        convert = jpeg_blocks.luma_and_chroma if luma else jpeg_blocks.inverted
    elif raster.colours == GREY or settings.stores_rgb:
        convert = jpeg_blocks.as_stored
    else:
        convert = jpeg_blocks.luma_and_chroma
    return jpeg_blocks.with_changes(settings.source, changed, raster.samples, convert)


def _saved(image: Image.Image, options: dict[str, object]) -> bytes:
    """Save by Pillow; a progressive JPEG of noise in a second try."""
    file = io.BytesIO()
    try:
        image.save(file, "JPEG", **options)
    except OSError:
        # A progressive JPEG is made in one piece, for which Pillow provides 2 bytes a pixel. Fine
        # noise in the best quality needs up to 6, and this constant of Pillow is the only way to
        # ask for them: https://github.com/python-pillow/Pillow/issues/5448
        with _LARGE_BLOCK:
            before, ImageFile.MAXBLOCK = ImageFile.MAXBLOCK, 6 * image.width * image.height
            try:
                file = io.BytesIO()
                image.save(file, "JPEG", **options)
            finally:
                ImageFile.MAXBLOCK = before
    return file.getvalue()


def _settings(image: JpegImageFile, data: bytes) -> JpegSettings:
    """Read how a loaded JPEG was encoded."""
    subsampling = JpegImagePlugin.get_sampling(image)
    if subsampling < 0 and image.layers == 3:
        subsampling = _FINEST  # one that Pillow cannot write (4:1:1, 4:4:0): rather more than less
    says_rgb = image.info.get("adobe_transform") == 0 or [c[0] for c in image.layer] == [*b"RGB"]
    return JpegSettings(
        tables=_tables(image),
        subsampling=subsampling,
        progressive="progressive" in image.info,
        stores_rgb=image.mode == "RGB" and says_rgb and "jfif" not in image.info,
        segments=tuple(
            _kept(part.marker, part.content)
            for part in segments(data)
            if _is_metadata(part.marker, part.content)
        ),
        stores_ycck=image.mode == "CMYK" and image.info.get("adobe_transform") == 2,
        source=data,
    )


def _tables(image: JpegImageFile) -> tuple[tuple[int, ...], ...]:
    """Give the table of each component, but for those at the end that share the one before."""
    numbers = [component[3] for component in image.layer]
    while len(numbers) > 1 and numbers[-1] == numbers[-2]:
        numbers.pop()
    return tuple(tuple(image.quantization[number]) for number in numbers)


def _is_metadata(marker: int, content: bytes) -> bool:
    """Tell what is carried over from what belongs to one encoding of the picture.

    The Adobe segment says how the components are stored, and the encoder writes its own. MPF and
    JFXX hold places and thumbnails of pictures that the new file does not have.
    """
    if marker == _COMMENT:
        return True
    stale = content.startswith((b"MPF\0", b"JFXX\0"))
    return marker in _APPLICATION and marker != _ADOBE and not stale


def _kept(marker: int, content: bytes) -> tuple[int, bytes]:
    """Give a segment as it is, but for the thumbnail in EXIF."""
    if content.startswith(EXIF_MARK):
        content = EXIF_MARK + without_thumbnail(content.removeprefix(EXIF_MARK))
    return marker, content


def _with_segments(plain: bytes, kept: tuple[tuple[int, bytes], ...]) -> bytes:
    """Put `kept` in the place of the metadata that the file `plain` has."""
    others = {*_APPLICATION, _COMMENT} - {_ADOBE}
    parts = list(segments(plain))
    own = [(part.marker, part.content) for part in parts if part.marker not in others]
    written = b"".join(framed(*segment) for segment in [*kept, *own])
    return plain[:2] + written + plain[parts[-1].end :]
