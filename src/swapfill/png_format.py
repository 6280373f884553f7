"""PNG of every kind: 1 to 16 bits, grey, colour and palette, with all its chunks.

Pillow decodes, also what it has no mode for. Encoding is our own, 60 lines: Pillow writes no 16
bits in colour and chooses the depth of a palette by itself; `pypng` does both, but works in Python
loops.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

from swapfill.decoding import check_frames, deep_samples, one_line_errors, open_image, raster_of
from swapfill.metadata import Metadata, metadata_of
from swapfill.png_bands import SIGNATURE, Bands, Header, chunk, chunks
from swapfill.raster import GREY, RGB, Raster, Samples
from swapfill.tiff_tags import without_thumbnail

# The kinds of colour that the header can name.
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6

# Bytes of rows filtered and compressed at once: choosing the filters takes twenty times as many.
_BAND = 1 << 20

_DATA = {b"IHDR", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"}
_KNOWN = {b"PLTE", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV"}
_KNOWN |= {b"cLLI", b"bKGD", b"pHYs", b"sPLT", b"eXIf", b"tIME", b"tEXt", b"zTXt", b"iTXt"}


@dataclass(frozen=True)
class PngSettings:
    """What a PNG is written with: its chunks but for the picture, before and after the picture."""

    before: tuple[tuple[bytes, bytes], ...] = ()
    after: tuple[tuple[bytes, bytes], ...] = ()


def decode(file: BinaryIO, name: str) -> tuple[Raster, Metadata, PngSettings]:
    """Read a PNG from an open file, which beside its samples may be more than there is room for.

    Raises:
        ImageError: it is damaged, animated or too large.
    """
    with one_line_errors(name):
        image = open_image(file, name, "PNG")
        check_frames(name, getattr(image, "n_frames", 1))
        header, settings = Header.read(file), _settings(file)
        if header.bits == 16 and header.kind != _GREY:
            raster, info = _deep_raster(file, name, header, settings)
        else:
            file.seek(0)
            image = open_image(file, name, "PNG")
            image.load()
            raster, info = replace(raster_of(image, name), bits=header.bits), image.info
        # Some of the metadata may stand behind the picture: only now it is all there.
        return _with_scaled_key(raster), metadata_of(info), settings


def write(file: BinaryIO, raster: Raster, metadata: Metadata, settings: PngSettings | None) -> None:
    """Write a PNG with the chunks of `settings`, or with those that `metadata` asks for."""
    if settings is None:
        settings = PngSettings(before=tuple(_chunks_for(raster, metadata)))
    height, width, channels = raster.samples.shape
    kind = _PALETTE
    if raster.palette is None:
        kinds = {(GREY, 1): _GREY, (GREY, 2): _GREY_ALPHA, (RGB, 3): _RGB, (RGB, 4): _RGB_ALPHA}
        kind = kinds[raster.colours, channels]
    file.write(SIGNATURE + Header(width, height, raster.bits, kind).chunk())
    for before in settings.before:
        file.write(chunk(*before))
    for some in _compressed(raster):
        if some:
            file.write(chunk(b"IDAT", some))
    for after in (*settings.after, (b"IEND", b"")):
        file.write(chunk(*after))


def _deep_raster(
    file: BinaryIO, name: str, header: Header, settings: PngSettings
) -> tuple[Raster, dict[Any, Any]]:
    """Decode 16 bits in colour or with alpha, for which Pillow has a decoder but no mode.

    Of a large picture there is no room for the decoder's image beside the samples: it is decoded
    band by band, unless it is interlaced.
    """
    channels = {_GREY_ALPHA: 2, _RGB: 3, _RGB_ALPHA: 4}[header.kind]
    if header.interlaced:
        samples = _deep_samples(file, name, header.kind)
    else:
        samples = np.empty((header.height, header.width, channels), np.uint16)
        bands, above = Bands(file, header, 2 * channels), bytes(2 * channels * header.width)
        for top, bottom in bands.spans():
            band = io.BytesIO(bands.next_file(bottom - top, above))
            samples[top:bottom] = _deep_samples(band, name, header.kind)[1:]
            above = samples[bottom - 1].astype(">u2").tobytes()
    info = _info(header, settings, name)
    key = info.get("transparency")
    alpha = None if header.kind == _RGB else channels - 1
    key = key if isinstance(key, tuple) and alpha is None else None
    return Raster(samples, GREY if channels == 2 else RGB, alpha, 16, key=key), info


def _deep_samples(file: BinaryIO, name: str, kind: int) -> Samples:
    """Decode samples of two bytes, [H, W, C].

    The decoder is asked twice: for the first byte of every sample, as it always does, and by its
    unpackers for little-endian samples for the second.
    """
    if kind == _GREY_ALPHA:  # two samples of two bytes lie in memory as four of one byte
        return np.array(_decoded_as(file, name, "RGBA")).view(">u2").astype(np.uint16)
    mode = "RGBA" if kind == _RGB_ALPHA else "RGB"
    return deep_samples(lambda order: _decoded_as(file, name, f"{mode};16{order}"), "B", "L")


def _decoded_as(file: BinaryIO, name: str, layout: str) -> ImageFile:
    """Decode the picture with another of Pillow's unpackers than it would choose."""
    image = open_image(file, name, "PNG")
    image.tile = [tile._replace(args=layout) for tile in image.tile]
    image.load()
    return image


def _info(header: Header, settings: PngSettings, name: str) -> dict[Any, Any]:
    """Have Pillow read what the chunks say, around a picture of one pixel."""
    file = io.BytesIO()
    file.write(SIGNATURE + header._replace(width=1, height=1, interlaced=0).chunk())
    nothing = (b"IDAT", zlib.compress(bytes(9)))  # more than any pixel has
    for one in (*settings.before, nothing, *settings.after, (b"IEND", b"")):
        file.write(chunk(*one))
    image = open_image(file, name, "PNG")
    image.load()
    return image.info


def _with_scaled_key(raster: Raster) -> Raster:
    """Bring the transparent grey of a picture of 1, 2 or 4 bits to the scale of its samples."""
    if raster.key is None or raster.bits >= 8 or raster.palette is not None:
        return raster
    step = 255 // (2**raster.bits - 1)
    return replace(raster, key=tuple(value * step for value in raster.key))


def _settings(file: BinaryIO) -> PngSettings:
    """Collect the chunks to keep.

    As the PNG standard asks of whoever changes the samples, a chunk that nobody here knows is kept
    only if its name says that it may be (a small fourth letter).
    """
    before: list[tuple[bytes, bytes]] = []
    after: list[tuple[bytes, bytes]] = []
    kept = before
    for kind, length in chunks(file):
        if kind == b"IDAT":
            kept = after
        if kind not in _DATA and (kind in _KNOWN or kind[3:4].islower()):
            content = file.read(length)
            kept.append((kind, without_thumbnail(content) if kind == b"eXIf" else content))
    return PngSettings(tuple(before), tuple(after))


def _chunks_for(raster: Raster, metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """Say in PNG what another format said of the picture."""
    if metadata.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)
    if raster.palette is not None:
        yield b"PLTE", raster.palette[:, :3].tobytes()
        if (raster.palette[:, 3] < 255).any():
            yield b"tRNS", raster.palette[:, 3].tobytes()
    if metadata.dpi:
        across, down = (round(dpi / 0.0254) for dpi in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", across, down, 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp


def _compressed(raster: Raster) -> Iterator[bytes]:
    """Filter and compress the rows."""
    compress = zlib.compressobj(6)
    above: NDArray[np.uint8] | None = None
    at_once = max(1, _BAND // raster.samples[0].nbytes)
    for start in range(0, len(raster.samples), at_once):
        rows = _packed(raster, start, start + at_once)
        if raster.bits < 8 or raster.palette is not None:
            # The standard's advice: differences of indices and of packed samples mean nothing.
            filtered = np.pad(rows, ((0, 0), (1, 0)))
        else:
            step = raster.samples.shape[2] * raster.bits // 8
            first = np.zeros_like(rows[0]) if above is None else above
            filtered = _filtered(rows, first, step)
        above = rows[-1]
        yield compress.compress(filtered.tobytes())
    yield compress.flush()


def _packed(raster: Raster, start: int, end: int) -> NDArray[np.uint8]:
    """Lay rows out as PNG has them: [rows, bytes a row]."""
    samples = raster.samples[start:end]
    if raster.bits == 16:
        return samples.astype(">u2").view(np.uint8).reshape(len(samples), -1)
    if raster.bits == 8:
        return samples.reshape(len(samples), -1)
    values = samples[..., 0]
    if raster.palette is None:
        values = values // (255 // (2**raster.bits - 1))
    bits = np.unpackbits(values[..., None], axis=2)[..., 8 - raster.bits :]
    return np.packbits(bits.reshape(len(samples), -1), axis=1)


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Filter each row in the way that leaves the smallest differences, as libpng chooses.

    Args:
        rows: [rows, bytes a row].
        above: the row before the first one, zeros at the top of the picture.
        step: bytes of a pixel.

    Returns:
        The rows, each with the number of its filter before it: [rows, 1 + bytes a row].
    """
    up = np.vstack([above[None], rows[:-1]])
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], corner[:, step:] = rows[:, :-step], up[:, :-step]
    candidates = {1: left, 2: up, 4: _paeth(left, up, corner)}
    best = np.zeros((len(rows), 1 + rows.shape[1]), np.uint8)
    smallest = np.full(len(rows), np.iinfo(np.int64).max)
    for number, predicted in candidates.items():
        difference = rows - predicted  # modulo 256, as PNG wants it
        size = np.abs(difference.view(np.int8).astype(np.int16)).sum(axis=1, dtype=np.int64)
        better = size < smallest
        best[better, 0], best[better, 1:] = number, difference[better]
        smallest[better] = size[better]
    return best


def _paeth(
    left: NDArray[np.uint8], up: NDArray[np.uint8], corner: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Predict each byte by whichever of its three neighbours is nearest to left + up - corner."""
    a, b, c = left.astype(np.int16), up.astype(np.int16), corner.astype(np.int16)
    by_left, by_up, by_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearer = np.where(by_up <= by_corner, up, corner)
    return np.where((by_left <= by_up) & (by_left <= by_corner), left, nearer)
