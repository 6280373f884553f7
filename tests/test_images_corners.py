"""Rare layouts that real files have, each with a fault of its own that once went unseen."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image, JpegImagePlugin

from picture_files import LOSSY, by_pillow, by_tifffile, samples
from swapfill import png_format, tiff_samples, tiff_tags
from swapfill.errors import ImageError
from swapfill.images import Photograph
from swapfill.jpeg_format import JpegSettings
from swapfill.tiff_format import TiffSettings
from swapfill.tiff_tags import Tag

LZW = 5


def edited(source: bytes, value: int = 99) -> bytes:
    photo = Photograph.from_bytes(source)
    hole = np.zeros(photo.size, np.bool_)
    hole[2:5, 3:9] = True
    return photo.with_fill(np.full((*photo.size, 3), value, photo.rgb.dtype), hole).to_bytes()


def written_by_lzw(source: bytes) -> bytes:
    photo = Photograph.from_bytes(source)
    assert isinstance(photo.settings, TiffSettings)
    settings = replace(photo.settings, compression=LZW)
    return replace(photo, settings=settings, source=None).to_bytes()


def test_every_filter_of_png_is_undone_by_another_reader() -> None:
    # A random walk in both directions: all filters win somewhere.
    steps = np.random.default_rng(0).integers(-3, 4, (600, 40, 3))
    walk = (steps.cumsum(axis=0).cumsum(axis=1) % 256).astype(np.uint8)
    file = Photograph.from_array(walk).to_bytes("PNG")
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(file))), walk)


def test_the_filter_of_a_row_knows_the_row_before_it_in_every_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(png_format, "_BAND", 100)
    # Equal rows: each is the one above. Against a row of zeros the same filter would win.
    rows = np.tile(np.array([0, 100] * 10, np.uint8), (600, 1))
    file = Photograph.from_array(rows).to_bytes("PNG")
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(file))), rows)


def test_a_thumbnail_page_is_no_second_picture() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(samples(3), photometric="rgb", metadata=None)
        writer.write(samples(3)[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
    np.testing.assert_array_equal(Photograph.from_bytes(file.getvalue()).rgb, samples(3))


def test_a_fourth_sample_of_rgb_that_a_tiff_does_not_explain_is_alpha() -> None:
    explained = by_tifffile(4, "u1", photometric="rgb", extrasamples=["unassalpha"])()
    said, unsaid = (struct.pack("<HHI", code, 3, 1) for code in (338, 337))
    assert said in explained
    photo = Photograph.from_bytes(explained.replace(said, unsaid))
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha, samples(4)[..., 3])


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_grey_with_white_as_zero_stays_so_in_lzw(kind: str) -> None:
    result = written_by_lzw(by_tifffile(0, kind, photometric="miniswhite")())
    tags = tiff_tags.read_tags(result)
    assert (tags[259].integers(), tags[262].integers()) == ((LZW,), (0,))
    top = np.iinfo(kind).max
    np.testing.assert_array_equal(Photograph.from_bytes(result).rgb[..., 0], top - samples(0, kind))
    if kind == "u1":
        np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(result))), top - samples())


def test_the_palette_of_a_tiff_keeps_its_16_bits() -> None:
    colours = np.random.default_rng(1).integers(0, 65536, (3, 256), dtype=np.uint16)
    source = by_tifffile(0, "u1", photometric="palette", colormap=colours, compression="zlib")()
    with tifffile.TiffFile(io.BytesIO(edited(source))) as file:
        np.testing.assert_array_equal(file.pages[0].aspage().colormap, colours)


def test_dots_per_centimetre_are_told_in_inches() -> None:
    source = by_tifffile(
        3, "u1", photometric="rgb", resolution=(300, 200), resolutionunit="CENTIMETER"
    )()
    assert Photograph.from_bytes(source).metadata.dpi == pytest.approx((762, 508))


def test_premultiplied_colours_never_shine_brighter_than_their_alpha() -> None:
    source = by_tifffile(4, "u2", photometric="rgb", extrasamples=["assocalpha"])()
    result = Photograph.from_bytes(edited(source, value=65535)).raster.samples[2:5, 3:9]
    assert (result[..., :3] == result[..., 3:]).all()


def test_premultiplied_colours_that_pillow_would_divide_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = by_tifffile(4, "u1", photometric="rgb", extrasamples=["assocalpha"])()
    packed = written_by_lzw(source)
    np.testing.assert_array_equal(
        Photograph.from_bytes(packed).raster.samples, Photograph.from_bytes(source).raster.samples
    )
    monkeypatch.setattr(tiff_samples, "_LARGEST", 0)  # in one large strip it is Pillow's
    with pytest.raises(ImageError, match="has 4 samples of 8 bits a pixel in compression 5"):
        Photograph.from_bytes(packed)


def test_the_predictor_of_floating_point_is_undone() -> None:
    make = by_pillow("F", "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 3})
    assert tiff_tags.read_tags(make())[317].integers() == (3,)
    np.testing.assert_array_equal(Photograph.from_bytes(make()).rgb[..., 0], samples(kind="f4"))


def test_a_jpeg_that_stores_rgb_goes_on_to_do_so() -> None:
    source = LOSSY["JPEG RGB, not as luma"]()
    for file in (source, edited(source)):
        image = Image.open(io.BytesIO(file))
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        assert image.info["adobe_transform"] == 0
        assert [part[0] for part in image.layer] == [*b"RGB"]


def test_jfif_is_believed_rather_than_adobe_as_decoders_do() -> None:
    plain = by_pillow("RGB", "JPEG", quality=95)()
    adobe = b"\xff\xee" + struct.pack(">H", 14) + b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 0)
    source = plain[:20] + adobe + plain[20:]  # behind the JFIF segment
    photo = Photograph.from_bytes(source)
    assert isinstance(photo.settings, JpegSettings)
    assert not photo.settings.stores_rgb


def test_a_jpeg_of_cmyk_says_once_how_it_is_stored() -> None:
    source = by_pillow("CMYK", "JPEG")()
    parts = Image.open(io.BytesIO(edited(source))).applist  # type: ignore[attr-defined]
    assert sum(content.startswith(b"Adobe") for _, content in parts) == 1


def test_a_jpeg_of_ycck_comes_back_with_the_same_colours() -> None:
    plain = by_pillow("CMYK", "JPEG", quality=95)()
    mark = plain.index(b"Adobe")
    source = plain[: mark + 11] + b"\x02" + plain[mark + 12 :]  # the samples are YCCK, it says
    photo = Photograph.from_bytes(source)
    assert (photo.raster.samples != Photograph.from_bytes(plain).raster.samples).any()
    again = Photograph.from_bytes(edited(source))
    known = np.ones(photo.size, np.bool_)
    known[:10, :] = False  # the blocks that hold the hole
    difference = again.raster.samples[known].astype(int) - photo.raster.samples[known]
    assert np.abs(difference).mean() < 8


def test_directories_that_point_to_each_other_are_read_once() -> None:
    entries = b"".join(struct.pack("<HHII", code, 4, 1, 8) for code in (34665, 34853, 40965))
    block = b"II*\0" + struct.pack("<IH", 8, 3) + entries + bytes(4)
    inner = tiff_tags.read_tags(block)[34665].inner
    assert not any(tag.inner for part in inner for tag in part.inner)


def test_values_of_tags_start_at_even_places() -> None:
    tags = [Tag(270, 2, 5, b"four\0"), Tag(271, 2, 7, b"second\0")]
    block = tiff_tags.write_exif(tags)
    places = [struct.unpack_from("<I", block, 10 + 12 * i + 8)[0] for i in range(2)]
    assert all(place % 2 == 0 for place in places)
    assert tuple(tiff_tags.read_tags(block).values()) == tuple(tags)


def test_a_type_that_only_bigtiff_has_is_left_out_of_a_plain_tiff() -> None:
    kept = Tag(270, 2, 5, b"four\0")
    block = tiff_tags.write_exif([kept, Tag(65000, 16, 1, bytes(8))])
    assert tiff_tags.read_tags(block) == {270: kept}


def test_big_endian_tags_read_as_little_endian_ones_do() -> None:
    exif = Image.Exif()
    exif[282], exif[271] = 72.5, "Maker"
    exif.get_ifd(34665)[33434] = 0.004
    blocks = []
    for order in ("<", ">"):
        exif.endian = order
        blocks.append(tiff_tags.read_tags(exif.tobytes()[6:]))
    little, big = blocks
    assert little.keys() == big.keys()
    assert [tag.value for tag in little[34665].inner] == [tag.value for tag in big[34665].inner]
    assert little[282] == big[282]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_picture_of_several_bands_is_read_whole(mode: str) -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (600, 7), np.uint8)  # bands are of 256 rows
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(rng.integers(0, 256, (600, 7, 4), np.uint8)).convert(mode)
    file = io.BytesIO()
    image.save(file, "PNG")
    expected = np.array(Image.open(io.BytesIO(file.getvalue())))
    if mode == "1":
        expected = expected * np.uint8(255)
    samples = Photograph.from_bytes(file.getvalue()).raster.samples
    np.testing.assert_array_equal(samples.reshape(expected.shape), expected)


def test_the_three_colours_of_grey_take_no_memory_of_their_own() -> None:
    photo = Photograph.from_array(np.zeros((50, 40), np.uint8))
    assert photo.rgb.shape == (50, 40, 3)
    assert np.shares_memory(photo.rgb, photo.raster.samples)
    assert not photo.rgb.flags.writeable
