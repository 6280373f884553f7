import io
import struct
import warnings
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, JpegImagePlugin, PngImagePlugin

from picture_files import LOSSLESS, cmyk_profile, pillow_image, samples
from swapfill import tiff_tags
from swapfill.errors import OutputError
from swapfill.images import Photograph
from swapfill.jpeg_format import JpegSettings
from swapfill.metadata import Metadata

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta/><?xpacket end='w'?>"
OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 91},
    "WEBP": {"lossless": True},
    "TIFF": {},
}


def exif() -> Image.Exif:
    """A block with text, a fraction, a directory of its own and the place where it was taken."""
    block = Image.Exif()
    block[271] = "Maker"
    block.get_ifd(34665)[33434] = 0.005  # exposure time
    block.get_ifd(34665)[37500] = b"notes of the maker \x00\xff"
    block.get_ifd(34853)[1] = "N"
    return block


def file_with_everything(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    everything = {"icc_profile": ICC, "exif": exif(), "dpi": (150, 75)} | OPTIONS[kind] | options
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        everything["pnginfo"] = text
    elif kind == "TIFF":
        del everything["exif"]
        everything["tiffinfo"] = exif()
        everything["tiffinfo"][700] = XMP
    else:
        everything["xmp"] = XMP
    pillow_image(mode).save(file, kind, **everything)
    return file.getvalue()


def edited(source: bytes) -> Photograph:
    photo = Photograph.from_bytes(source)
    hole = np.zeros(photo.size, np.bool_)
    hole[2:5, 3:9] = True
    return photo.with_fill(np.full((*photo.size, 3), 99, photo.rgb.dtype), hole)


def described(file: bytes) -> dict[str, Any]:
    """What Pillow reads of it, in one shape for all formats."""
    image = Image.open(io.BytesIO(file))
    image.load()
    found = image.getexif()
    xmp = image.info.get("xmp", b"")
    return {
        "icc": image.info.get("icc_profile"),
        "maker": found.get(271),
        "time": float(found.get_ifd(34665).get(33434, 0)),
        "notes": found.get_ifd(34665).get(37500),
        "north": found.get_ifd(34853).get(1),
        "xmp": xmp if isinstance(xmp, bytes) else xmp.encode(),
        "dpi": tuple(round(float(value), 1) for value in image.info.get("dpi", ())),
    }


@pytest.mark.parametrize("kind", OPTIONS)
def test_profile_exif_xmp_and_resolution_are_kept(kind: str) -> None:
    source = file_with_everything(kind)
    result = described(edited(source).to_bytes())
    assert result == described(source)
    assert result["icc"] == ICC
    if kind != "TIFF":  # Pillow does not write them there
        assert result["notes"] == b"notes of the maker \x00\xff"
    assert result["xmp"] == XMP


@pytest.mark.parametrize("source", OPTIONS)
@pytest.mark.parametrize("target", OPTIONS)
def test_metadata_goes_along_to_another_format(source: str, target: str) -> None:
    before = file_with_everything(source)
    result = described(edited(before).to_bytes(target))
    expected = described(before)
    if "WEBP" in (source, target):
        del result["dpi"], expected["dpi"]  # WebP has no place for it
    assert result == expected


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_a_compressed_tiff_keeps_its_metadata(compression: str) -> None:
    plain = file_with_everything("TIFF")
    photo = Photograph.from_bytes(file_with_everything("TIFF", compression=compression))
    known = tuple(tiff_tags.read_tags(plain).values())  # Pillow's own encoder drops some
    tags = tuple(tag for tag in known if tag.code not in tiff_tags.LAYOUT)
    settings = photo.settings
    assert settings is not None
    file = io.BytesIO(photo.to_bytes())
    tiff_tags.add_tags(file, tags)
    source = file.getvalue()
    result = edited(source).to_bytes()
    assert described(result) == described(plain)
    assert _compression(result) == _compression(source)


def _compression(file: bytes) -> int:
    with tifffile.TiffFile(io.BytesIO(file)) as tiff:
        return int(tiff.pages[0].aspage().compression)


def test_a_deep_tiff_keeps_profile_resolution_and_every_private_tag() -> None:
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        samples(3, "u2"),
        photometric="rgb",
        byteorder=">",
        iccprofile=ICC,
        resolution=(300, 200),
        resolutionunit="CENTIMETER",
        description="a caption",
        compression="zlib",
        predictor=True,
        metadata=None,
        extratags=[(65000, "I", 2, (7, 8), True), (65001, "d", 1, 0.25, True)],
    )
    with tifffile.TiffFile(io.BytesIO(edited(file.getvalue()).to_bytes())) as tiff:
        tags = tiff.pages[0].aspage().tags
        assert tags[65000].value == (7, 8)
        assert tags[65001].value == 0.25
        assert tags[34675].value == ICC
        assert tags[270].value == "a caption"
        assert (tags[282].value, tags[283].value) == ((300, 1), (200, 1))
        assert (tags[296].value, tags[317].value, tags[259].value) == (3, 2, 8)


def test_every_chunk_of_a_png_is_kept_in_its_place_but_unknown_ones_about_the_samples() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "Dusk")
    text.add_text("Comment", "long " * 50, zip=True)
    text.add_itxt("Author", "Zoë", "de", "Autor")
    text.add(b"gAMA", struct.pack(">I", 45455))
    text.add(b"tIME", bytes([7, 228, 1, 2, 3, 4, 5]))
    text.add(b"saFe", b"may be copied")
    text.add(b"laTe", b"stands behind the picture", after_idat=True)
    text.add(b"unSA", b"depends on the samples")
    file = io.BytesIO()
    pillow_image("P").save(file, "PNG", pnginfo=text, dpi=(72, 72), icc_profile=ICC)

    def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
        found, place = [], 8
        while place < len(data):
            length, name = struct.unpack_from(">I4s", data, place)
            content = data[place + 8 : place + 8 + length]
            (checksum,) = struct.unpack_from(">I", data, place + 8 + length)
            assert checksum == zlib.crc32(name + content)
            found.append((name, b"" if name == b"IDAT" else content))
            place += 12 + length
        return [chunk for i, chunk in enumerate(found) if i == 0 or chunk != found[i - 1]]

    before = chunks(file.getvalue())
    expected = [chunk for chunk in before if chunk[0] != b"unSA"]
    assert len(before) == len(expected) + 1
    assert chunks(edited(file.getvalue()).to_bytes()) == expected


@pytest.mark.parametrize("quality", [30, 75, 92, 100])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_keeps_tables_subsampling_and_progression(
    quality: int, subsampling: int, progressive: bool
) -> None:
    source = file_with_everything(
        "JPEG", quality=quality, subsampling=subsampling, progressive=progressive
    )
    first, second = (Image.open(io.BytesIO(f)) for f in (source, edited(source).to_bytes()))
    assert isinstance(first, JpegImagePlugin.JpegImageFile)
    assert isinstance(second, JpegImagePlugin.JpegImageFile)
    assert second.quantization == first.quantization
    assert second.layer == first.layer  # sampling factors and the table of each component
    assert ("progressive" in second.info) == progressive
    assert (second.mode, second.size) == (first.mode, first.size)


def test_a_progressive_jpeg_of_noise_in_full_quality_is_written() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=100, subsampling=0)
    source = file.getvalue()
    photo = Photograph.from_bytes(source)
    assert isinstance(photo.settings, JpegSettings)
    photo = replace(photo, settings=replace(photo.settings, progressive=True))
    result = photo.with_fill(photo.rgb, np.ones(photo.size, np.bool_)).to_bytes()
    again = Image.open(io.BytesIO(result))
    assert again.info["progressive"] == 1
    assert np.abs(np.array(again).astype(int) - photo.rgb).mean() < 1
    assert len(result) < 1.1 * len(source)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_jpeg_of_another_mode_keeps_its_tables_too(mode: str) -> None:
    profile = cmyk_profile() if mode == "CMYK" else ICC
    source = file_with_everything("JPEG", mode, quality=60, icc_profile=profile)
    first, second = (Image.open(io.BytesIO(f)) for f in (source, edited(source).to_bytes()))
    assert isinstance(first, JpegImagePlugin.JpegImageFile)
    assert isinstance(second, JpegImagePlugin.JpegImageFile)
    assert second.quantization == first.quantization
    assert (second.mode, second.info["icc_profile"]) == (mode, profile)


def test_every_segment_of_a_jpeg_is_kept_but_those_of_the_encoding() -> None:
    plain = file_with_everything("JPEG", comment=b"a comment")
    iptc = b"\xff\xed" + struct.pack(">H", 2 + 20) + b"Photoshop 3.0\0IPTC!!"
    thumbnail = b"\xff\xe0" + struct.pack(">H", 2 + 6) + b"JFXX\0a"
    source = plain[:2] + iptc + thumbnail + plain[2:]
    applications = Image.open(io.BytesIO(source)).applist  # type: ignore[attr-defined]
    result = Image.open(io.BytesIO(edited(source).to_bytes())).applist  # type: ignore[attr-defined]
    assert result == [part for part in applications if not part[1].startswith(b"JFXX")]
    assert len(result) == len(applications) - 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_is_kept_as_it_is(kind: str) -> None:
    damaged = b"Exif\0\0II*\0\x08\0\0\0\xff\xff not a directory"
    file = io.BytesIO()
    pillow_image("RGB").save(file, kind, exif=damaged, **OPTIONS[kind])
    photo = edited(file.getvalue())
    assert photo.orientation == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow says that it is damaged
        again = Image.open(io.BytesIO(photo.to_bytes()))
        again.load()
    assert again.info["exif"].removeprefix(b"Exif\0\0") == damaged[6:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_thumbnail_in_exif_goes_since_it_shows_the_old_picture(kind: str, order: str) -> None:
    thumbnail = b"\xff\xd8 the thing that was taken out \xff\xd9"
    entries = [(513, 4, 1, 8 + 2 + 12 + 4 + 2 + 24 + 4), (514, 4, 1, len(thumbnail))]
    block = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    block += struct.pack(f"{order}HHHIHxxI", 1, 274, 3, 1, 6, 26)
    block += struct.pack(f"{order}H", 2)
    block += b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    block += struct.pack(f"{order}I", 0) + thumbnail + b"notes"
    file = io.BytesIO()
    pillow_image("RGB").save(file, kind, exif=b"Exif\0\0" + block)
    assert thumbnail in file.getvalue()

    photo = edited(file.getvalue())
    assert photo.orientation == 6
    result = photo.to_bytes()
    assert b"taken out" not in result
    kept = Image.open(io.BytesIO(result)).info["exif"].removeprefix(b"Exif\0\0")
    assert len(kept) == len(block)
    assert kept.endswith(b"notes")
    assert tiff_tags.read_tags(kept)[274].integers() == (6,)


def test_resolution_of_a_bmp_is_kept() -> None:
    for dpi in ((300, 150), None):
        file = io.BytesIO()
        pillow_image("RGB").save(file, "BMP", dpi=dpi or (0, 0))
        result = edited(file.getvalue()).to_bytes()
        assert result[38:46] == file.getvalue()[38:46]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP"])
def test_transparency_goes_along_to_another_format(kind: str) -> None:
    sources = [f"PNG {mode}" for mode in ("LA", "RGBA", "P, transparency")]
    for name in [*sources, "PNG L, 4 bits"]:
        photo = Photograph.from_bytes(LOSSLESS[name]())
        quality = 100 if kind == "WEBP" else None
        again = Photograph.from_bytes(photo.to_bytes(kind, quality=quality))
        assert again.alpha is not None
        assert photo.alpha is not None
        np.testing.assert_array_equal(again.alpha, photo.alpha)
        if kind != "WEBP":
            np.testing.assert_array_equal(again.rgb, photo.rgb)


@pytest.mark.parametrize("target", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    "name", ["PNG RGBA, 16 bits", "TIFF RGB, 16 bits", "PNG I;16", "PNG 1", "GIF P", "PNG P"]
)
def test_any_depth_goes_along_to_another_format(name: str, target: str) -> None:
    photo = Photograph.from_bytes(LOSSLESS[name]())
    again = Photograph.from_bytes(photo.to_bytes(target))
    assert again.rgb.dtype == photo.rgb.dtype
    np.testing.assert_array_equal(again.rgb, photo.rgb)


def test_alpha_that_hides_nothing_may_be_dropped_by_a_format_without() -> None:
    array = samples(4)
    array[..., 3] = 255
    again = Photograph.from_bytes(Photograph.from_array(array).to_bytes("JPEG"))
    assert again.alpha is None


@pytest.mark.parametrize(
    ("array", "kind", "lost"),
    [
        (samples(4), "JPEG", "transparency"),
        (samples(3, "u2"), "JPEG", "samples of 16 bits"),
        (samples(3, "u2"), "WEBP", "samples of 16 bits"),
        (samples(3, "f4"), "PNG", "samples of 32 bits"),
        (samples(3), "GIF", "more than 256 colours"),
        (np.zeros((1, 20_000, 3), np.uint8), "WEBP", "20000 x 1 pixels, but 16,383 a side"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(array: Any, kind: str, lost: str) -> None:
    with pytest.raises(OutputError) as caught:
        Photograph.from_array(array).to_bytes(kind, name="out")
    assert str(caught.value) == f"out: {kind} cannot hold {lost}; want another format, as TIFF"


def test_metadata_too_long_for_a_jpeg_is_refused() -> None:
    photo = Photograph.from_array(samples(3))
    for metadata, what in (
        (Metadata(exif=bytes(70_000)), "an EXIF block"),
        (Metadata(xmp=bytes(70_000)), "XMP"),
    ):
        long = replace(photo, metadata=metadata)
        with pytest.raises(OutputError, match=f"JPEG cannot hold {what} of 70,000 bytes"):
            long.to_bytes("JPEG")


def test_cmyk_is_refused_by_a_format_without() -> None:
    with pytest.raises(OutputError, match="PNG cannot hold CMYK"):
        Photograph.from_pil(pillow_image("CMYK")).to_bytes("PNG")
