import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from picture_files import LOSSLESS, LOSSY, samples
from swapfill.decoding import MAX_PIXELS
from swapfill.errors import ImageError, MaskError, OutputError
from swapfill.images import Photograph, read_hole


def header_of_png(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        Photograph.from_bytes(data, "photo")
    message = str(caught.value)
    assert message.startswith("photo: ")
    assert "\n" not in message
    assert "0x" not in message  # no address of an object
    return message


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    with pytest.raises(ImageError) as caught:
        Photograph.open(path)
    assert str(caught.value) == f"{path}: there is no such file"


def test_a_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        Photograph.open(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a folder, want a picture file"


def test_what_is_no_picture_is_refused() -> None:
    assert refusal(b"") == "photo: is empty, want a picture file"
    wanted = "want PNG, JPEG, WEBP, TIFF, BMP, GIF"
    assert refusal(b"%PDF-1.7 and so on") == f"photo: is not a picture, {wanted}"


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_a_truncated_file_is_refused(name: str, share: float) -> None:
    data = (LOSSLESS | LOSSY)[name]()
    # Without its end mark a PNG is whole all the same; a compressed TIFF ends with tags, of which
    # some can be missed.
    end = {"PNG": 20, "TIFF": 400}.get(name.split()[0], 0)
    refusal(data[: int((len(data) - end) * share)])


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_damaged_bytes_never_end_in_another_exception(name: str) -> None:
    data = (LOSSLESS | LOSSY)[name]()
    random = np.random.default_rng(3)
    for _ in range(6):
        damaged = bytearray(data)
        for place in random.integers(0, len(data), 8):
            damaged[place] = random.integers(256)
        try:
            photo = Photograph.from_bytes(bytes(damaged), "photo")
            hole = np.zeros(photo.size, np.bool_)
            hole[0, 0] = True
            photo.with_fill(photo.rgb, hole).to_bytes()
        except (ImageError, OutputError) as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_the_largest_size_is_12000_a_side() -> None:
    assert MAX_PIXELS == 12_000 * 12_000
    assert "damaged" in refusal(header_of_png(12_000, 12_000))  # the size is not what is wrong
    assert refusal(header_of_png(12_001, 12_000)) == (
        "photo: has 12001 x 12000 = 144,012,000 pixels, want at most 144,000,000"
    )


def test_a_bomb_is_refused_with_its_pixels_and_the_limit_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refusal(header_of_png(60_000, 50_000)) == (
            "photo: has 3,000,000,000 pixels, want at most 144,000,000"
        )


@pytest.mark.parametrize(
    ("kind", "what"), [("GIF", "frames"), ("PNG", "frames"), ("WEBP", "frames"), ("TIFF", "pages")]
)
def test_a_file_of_several_pictures_is_refused(kind: str, what: str) -> None:
    frames = [Image.fromarray(np.roll(samples(3), i * 5, axis=0)) for i in range(3)]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    assert refusal(file.getvalue()) == f"photo: has 3 {what}, want a file with one picture"


def test_of_a_phones_file_with_more_behind_the_picture_the_picture_is_read() -> None:
    first, second = Image.new("RGB", (20, 20), "red"), Image.new("RGB", (20, 20), "blue")
    file = io.BytesIO()
    first.save(file, "MPO", save_all=True, append_images=[second], quality=95)
    photo = Photograph.from_bytes(file.getvalue())
    assert photo.format == "JPEG"
    assert np.abs(photo.rgb.astype(int) - np.array(first)).max() < 5
    hole = np.ones(photo.size, np.bool_)
    again = Image.open(io.BytesIO(photo.with_fill(photo.rgb, hole).to_bytes()))
    assert again.format == "JPEG"  # nothing in it claims a second picture


def test_a_mode_that_cannot_be_filled_is_refused() -> None:
    with pytest.raises(ImageError, match=r"^image: has the mode LAB, want one of L, LA, RGB"):
        Photograph.from_pil(Image.new("LAB", (4, 4)))


@pytest.mark.parametrize(
    ("array", "fault"),
    [
        (np.zeros((3, 3), np.int64), "has the type int64, want uint8, uint16 or float32"),
        (np.zeros((3, 3, 7), np.uint8), "has the shape (3, 3, 7), want [H, W] or [H, W, 1 to 4]"),
        (np.zeros(3, np.uint8), "has the shape (3,), want [H, W] or [H, W, 1 to 4]"),
        (np.zeros((0, 3, 3), np.uint8), "has no pixels: it is 3 x 0 (width x height)"),
        (
            np.array([[np.nan, np.inf, 0]]),
            "has 2 samples that are NaN or infinite, want finite ones",
        ),
    ],
)
def test_an_array_that_is_no_picture_is_refused(array: Any, fault: str) -> None:
    with pytest.raises(ImageError) as caught:
        Photograph.from_array(array)
    assert str(caught.value) == f"array: {fault}"


def test_a_file_with_nan_is_refused() -> None:
    content = samples(kind="f4")
    content[2, 3] = np.nan
    file = io.BytesIO()
    Image.fromarray(content).save(file, "TIFF")
    assert "1 samples that are NaN" in refusal(file.getvalue())


def test_an_unreadable_mask_is_a_mask_error(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="there is no such file"):
        read_hole(tmp_path / "mask.png", (3, 3))
    with pytest.raises(MaskError, match=r"^brush: is not a picture"):
        read_hole(b"no picture", (3, 3), name="brush")


def test_an_unknown_suffix_or_format_is_refused_and_nothing_written(tmp_path: Path) -> None:
    photo = Photograph.from_array(samples(3))
    with pytest.raises(OutputError, match=r"has the suffix \.heic, want one of \.png"):
        photo.save(tmp_path / "out.heic")
    with pytest.raises(OutputError, match="format 'heic' is not known, want one of PNG"):
        photo.save(tmp_path / "out.png", format="heic")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_encoded_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.jpg"
    target.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"out\.jpg: JPEG cannot hold transparency"):
        Photograph.from_array(samples(4)).save(target)
    assert target.read_bytes() == b"old"
