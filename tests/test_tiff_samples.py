"""TIFFs of every layout, in LZW too, are read as they were laid out."""

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from swapfill import tiff_samples
from swapfill.errors import ImageError
from swapfill.images import Photograph

Pixels = NDArray[Any]
CLEAR, END = 256, 257


def lzw(content: bytes) -> bytes:
    """Compress to nine bits a byte: the table is cleared before it would ask for ten."""
    codes = []
    for start in range(0, len(content), 250):
        codes += [CLEAR, *content[start : start + 250]]
    bits = "".join(f"{code:09b}" for code in [*codes, END])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def noise(height: int, width: int, channels: int, dtype: str) -> Pixels:
    rng = np.random.default_rng(0)
    if dtype == "f4":
        return rng.random((height, width, channels)).astype(np.float32)
    return rng.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


def tiff(samples: Pixels, *, tile: int, rows: int, planar: bool, order: Any, **options: Any) -> Any:
    """Write by tifffile, in LZW what this file itself compresses."""
    planes = [samples[..., i : i + 1] for i in range(samples.shape[2])] if planar else [samples]
    layout: dict[str, Any] = {"tile": (tile, tile)} if tile else {"rowsperstrip": rows}
    predictor = options.pop("predictor")
    data: Any = np.moveaxis(samples, 2, 0) if planar else samples
    packed = options["compression"] == "lzw"
    if packed:
        data = (
            lzw(part) for plane in planes for part in parts(plane, tile, rows, order, predictor)
        )
        height, width, channels = samples.shape
        shape = (channels, height, width) if planar else samples.shape
        options |= {"shape": shape, "dtype": samples.dtype, "compression": "zlib"}  # as it were
    if predictor:
        options["predictor"] = 2
    file = io.BytesIO()
    planarconfig = "separate" if planar else "contig"
    with tifffile.TiffWriter(file, byteorder=order) as writer:
        writer.write(data, photometric="rgb", planarconfig=planarconfig, **layout, **options)
    if packed:
        file.seek(0)
        with tifffile.TiffFile(file, mode="r+") as written:
            written.pages[0].tags[259].overwrite(5)  # type: ignore[union-attr]
    return file.getvalue()


def parts(plane: Pixels, tile: int, rows: int, order: Any, predictor: bool) -> Iterator[bytes]:
    """Cut a plane into strips or whole tiles, stored as differences where `predictor`."""
    across = tile or plane.shape[1]
    for top in range(0, plane.shape[0], tile or rows):
        for left in range(0, plane.shape[1], across):
            part = plane[top : top + (tile or rows), left : left + across]
            if tile:
                missing = [(0, tile - part.shape[0]), (0, tile - part.shape[1]), (0, 0)]
                part = np.pad(part, missing)
            if predictor:
                part = np.diff(part, axis=1, prepend=np.zeros_like(part[:, :1]))
            yield part.astype(part.dtype.newbyteorder(order)).tobytes()


@settings(max_examples=120, deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    channels=st.integers(3, 5),
    dtype=st.sampled_from(["u1", "u2", "f4"]),
    tile=st.sampled_from([0, 16, 32]),
    rows=st.integers(1, 40),
    planar=st.booleans(),
    order=st.sampled_from("<>"),
    compression=st.sampled_from([None, "zlib", "lzw"]),
    predictor=st.booleans(),
)
def test_samples_come_out_as_they_went_in(
    size: tuple[int, int], channels: int, dtype: str, rows: int, **layout: Any
) -> None:
    if dtype == "f4" or layout["compression"] is None:
        layout["predictor"] = False
    samples = noise(*size, channels, dtype)
    data = tiff(samples, rows=min(rows, size[0]), **layout)
    read = Photograph.from_bytes(data).raster.samples
    assert read.dtype == samples.dtype
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, samples)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("tile", [0, 16])
def test_a_strip_of_lzw_that_ends_too_early_is_refused(tile: int, planar: bool) -> None:
    samples = noise(20, 20, 3, "u2")
    layout: dict[str, Any] = {"order": "<", "compression": "lzw", "predictor": False}
    data = tiff(samples, tile=tile, rows=5, planar=planar, **layout)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        counts = file.pages[0].tags[325 if tile else 279]  # type: ignore[union-attr]
        place = counts.valueoffset
    short = data[:place] + (40).to_bytes(2, "little") + data[place + 2 :]
    with pytest.raises(ImageError, match="damaged or cut short"):
        Photograph.from_bytes(short)


def test_one_large_strip_of_lzw_is_read_as_many_small_ones_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    samples = noise(30, 20, 3, "u2")
    layout: dict[str, Any] = {"tile": 0, "planar": False, "order": "<", "predictor": True}
    data = tiff(samples, rows=30, compression="lzw", **layout)
    for largest in (0, 1 << 20):
        monkeypatch.setattr(tiff_samples, "_LARGEST", largest)
        np.testing.assert_array_equal(Photograph.from_bytes(data).raster.samples, samples)


@pytest.mark.parametrize(("order", "planar"), [("<", True), (">", False), (">", True)])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_planes_and_turned_bytes_take_little_more_than_the_samples(
    order: Any, planar: bool, compression: str | None, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(tiff_samples, "_READ_AT_ONCE", 1 << 16)
    samples = noise(400, 500, 3, "u2")
    layout: dict[str, Any] = {"tile": 0, "rows": 8, "predictor": False}
    data = tiff(samples, order=order, planar=planar, compression=compression, **layout)
    (tmp_path / "photo.tif").write_bytes(data)
    del data
    tracemalloc.start()
    photo = Photograph.open(tmp_path / "photo.tif")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * samples.nbytes
    np.testing.assert_array_equal(photo.raster.samples, samples)
