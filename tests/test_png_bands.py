"""PNGs of 16 bits are read band by band: against the standard, written out with loops."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from swapfill import png_bands, png_format
from swapfill.errors import ImageError
from swapfill.images import Photograph
from swapfill.masks import Box
from swapfill.png_bands import SIGNATURE, Header, chunk, chunks

KINDS = {2: 4, 3: 2, 4: 6}  # channels: the number of the kind of colour
# Of interlacing: the first row and column, and the steps.
PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
PASSES += [(1, 0, 2, 1)]

Deep = NDArray[np.uint16]


def noise(height: int, width: int, channels: int, seed: int = 0) -> Deep:
    return np.random.default_rng(seed).integers(0, 65536, (height, width, channels), np.uint16)


def filtered(samples: Deep, filters: list[int]) -> bytes:
    """Filter rows, each by its number, as the standard says it of every byte."""
    step = 2 * samples.shape[2]
    above, written = bytes(step * samples.shape[1]), bytearray()
    for row, number in zip(samples.astype(">u2"), filters, strict=True):
        content = row.tobytes()
        written.append(number)
        for place, value in enumerate(content):
            left = content[place - step] if place >= step else 0
            corner = above[place - step] if place >= step else 0
            written.append((value - predicted(number, left, above[place], corner)) % 256)
        above = content
    return bytes(written)


def predicted(number: int, left: int, up: int, corner: int) -> int:
    nearest = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
    return (0, left, up, (left + up) // 2, nearest)[number]


def png(samples: Deep, picture: bytes, *, part: int = 1 << 20, interlaced: int = 0) -> bytes:
    """Frame what is compressed, `part` bytes a chunk."""
    height, width, channels = samples.shape
    header = Header(width, height, 16, KINDS[channels], interlaced=interlaced)
    parts = [picture[start : start + part] for start in range(0, len(picture), part)]
    data = b"".join(chunk(b"IDAT", one) for one in parts)
    return SIGNATURE + header.chunk() + data + chunk(b"IEND", b"")


def plain(samples: Deep) -> bytes:
    return png(samples, zlib.compress(filtered(samples, [0] * len(samples))))


def read(data: bytes) -> Any:
    return Photograph.from_bytes(data).raster.samples


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 13), st.integers(1, 9), st.sampled_from(sorted(KINDS)))
def test_rows_of_any_filter_come_out_as_they_went_in(
    data: st.DataObject, height: int, width: int, channels: int
) -> None:
    samples = noise(height, width, channels)
    filters = data.draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    picture = zlib.compress(filtered(samples, filters), data.draw(st.sampled_from((0, 6))))
    part, band = data.draw(st.integers(1, 200)), data.draw(st.integers(1, 300))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png_bands, "_BAND", band)
        patch.setattr(png_bands, "_READ_AT_ONCE", data.draw(st.integers(1, 50)))
        np.testing.assert_array_equal(read(png(samples, picture, part=part)), samples)


@pytest.mark.parametrize("channels", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (13, 9)])
def test_an_interlaced_picture_is_read_whole(size: tuple[int, int], channels: int) -> None:
    samples, rows = noise(*size, channels), b""
    for top, left, down, across in PASSES:
        some = samples[top::down, left::across]
        rows += filtered(some, [0] * len(some)) if some.size else b""
    data = png(samples, zlib.compress(rows), interlaced=1)
    np.testing.assert_array_equal(read(data), samples)


def test_a_row_of_an_unknown_filter_is_refused() -> None:
    samples = noise(3, 2, 3)
    rows = bytearray(filtered(samples, [0, 0, 0]))
    rows[2 * 13] = 5
    with pytest.raises(ImageError, match="damaged"):
        read(png(samples, zlib.compress(bytes(rows))))


@pytest.mark.parametrize("missing", [1, 13, 30])
def test_a_picture_that_unpacks_to_too_few_rows_is_refused(missing: int) -> None:
    samples = noise(4, 2, 3)
    rows = filtered(samples, [1] * 4)[:-missing]
    with pytest.raises(ImageError, match="damaged or cut short: the picture ends too early"):
        read(png(samples, zlib.compress(rows)))


def test_chunks_before_and_behind_the_picture_are_heard() -> None:
    samples = noise(2, 3, 3)
    data = plain(samples)
    key = chunk(b"tRNS", struct.pack(">3H", *samples[0, 0]))
    dots = chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))
    exif = chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    head, tail = len(SIGNATURE) + 25, len(data) - 12
    data = data[:head] + key + dots + data[head:tail] + exif + data[tail:]
    photo = Photograph.from_bytes(data)
    assert photo.raster.key == tuple(int(value) for value in samples[0, 0])
    assert photo.metadata.dpi == pytest.approx((300, 300), abs=0.01)
    assert photo.orientation == 6
    assert [kind for kind, _ in chunks(io.BytesIO(data))][-2:] == [b"eXIf", b"IEND"]


def test_reading_and_writing_take_little_more_than_the_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (png_bands, png_format):
        monkeypatch.setattr(module, "_BAND", 1 << 16)
    samples = noise(1500, 500, 3)
    (tmp_path / "photo.png").write_bytes(plain_by_numpy(samples))
    tracemalloc.start()
    photo = Photograph.open(tmp_path / "photo.png")
    box, hole = Box(5, 6, 6, 7), np.ones((1, 1), np.bool_)
    filled = photo.with_fill(photo.rgb[box.slices], hole, box=box, reuse=True)
    filled.save(tmp_path / "out.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * samples.nbytes  # neither the old file nor the new one is held, as large
    np.testing.assert_array_equal(Photograph.open(tmp_path / "out.png").raster.samples, samples)


def plain_by_numpy(samples: Deep) -> bytes:
    rows = samples.astype(">u2").view(np.uint8).reshape(len(samples), -1)
    return png(samples, zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes(), 0))
