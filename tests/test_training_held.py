"""One photograph: its bytes and its pixels."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from photo_files import noise, png
from swapfill.errors import DataError
from swapfill.training.held import Held, rgb


def test_the_bytes_are_those_of_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert Held("", "", tmp_path / "file", 3, 4).read() == b"3456"
    with pytest.raises(DataError, match="file: was cut short"):
        Held("", "", tmp_path / "file", 7, 4).read()


def test_a_picture_of_sixteen_bits_is_not_cut_off_at_white() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    out = io.BytesIO()
    Image.fromarray(ramp).save(out, "PNG")
    found = rgb(out.getvalue())
    np.testing.assert_array_equal(found, np.arange(256)[None, :, None].repeat(4, 0).repeat(3, 2))


def test_a_picture_without_a_white_is_refused() -> None:
    out = io.BytesIO()
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(out, "TIFF")
    with pytest.raises(ValueError, match="has the mode F, want samples of 8 or 16 bits"):
        rgb(out.getvalue())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_upright_as_it_is_when_it_is_filled(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(noise(0, 16, 24)).save(out, kind, exif=exif)
    with Image.open(out) as picture:
        wanted = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    np.testing.assert_array_equal(rgb(out.getvalue()), wanted)


@pytest.mark.parametrize("exif", [b"", b"Exif", b"II*\0\xff\xff\xff\xff", b"\0" * 40])
def test_damaged_exif_does_not_make_a_picture_unreadable(exif: bytes) -> None:
    out = io.BytesIO()
    Image.fromarray(noise(0)).save(out, "PNG", exif=exif)
    np.testing.assert_array_equal(rgb(out.getvalue()), noise(0))
    assert rgb(png(1)).shape == (12, 15, 3)
