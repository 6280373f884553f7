import io
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from picture_files import HEIGHT, LOSSLESS, LOSSY, WIDTH, Make, cmyk_profile, pillow_image, samples
from swapfill.errors import MaskError
from swapfill.images import Photograph, read_hole
from swapfill.raster import Hole, Samples

BLUE = (0.2, 0.4, 0.9)


def box(size: tuple[int, int]) -> Hole:
    hole = np.zeros(size, np.bool_)
    hole[3:9, 5:14] = True
    return hole


def flat(photo: Photograph, colour: tuple[float, float, float] = BLUE) -> Samples:
    values = np.array(colour) * photo.raster.top
    return np.broadcast_to(values.astype(photo.rgb.dtype), (*photo.size, 3)).copy()


def png(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize("make", LOSSLESS.values(), ids=LOSSLESS.keys())
def test_a_lossless_file_comes_back_the_same_but_for_the_hole(make: Make) -> None:
    photo = Photograph.from_bytes(make())
    hole = box(photo.size)
    filled = photo.with_fill(flat(photo), hole)
    again = Photograph.from_bytes(filled.to_bytes())

    assert again.raster.samples.dtype == photo.raster.samples.dtype
    np.testing.assert_array_equal(again.raster.samples[~hole], photo.raster.samples[~hole])
    np.testing.assert_array_equal(again.raster.samples, filled.raster.samples)
    assert (again.rgb != photo.rgb).any(axis=2)[hole].mean() > 0.3
    assert (again.format, again.raster.bits) == (photo.format, photo.raster.bits)
    assert (again.raster.colours, again.raster.alpha) == (photo.raster.colours, photo.raster.alpha)
    assert again.raster.key == photo.raster.key
    np.testing.assert_equal(again.raster.palette, photo.raster.palette)
    if photo.alpha is not None:
        assert again.alpha is not None
        np.testing.assert_array_equal(again.alpha, photo.alpha)


@pytest.mark.parametrize("make", LOSSLESS.values(), ids=LOSSLESS.keys())
def test_another_reader_sees_the_same_kind_of_file_with_the_same_known_pixels(make: Make) -> None:
    source = make()
    photo = Photograph.from_bytes(source)
    hole = box(photo.size)
    result = photo.with_fill(flat(photo), hole).to_bytes()
    if photo.raster.bits > 8 and photo.raster.colours > 1:
        before, after = (_by_tifffile_or_opencv(file) for file in (source, result))
    else:
        first, second = (Image.open(io.BytesIO(file)) for file in (source, result))
        assert (first.mode, first.size, first.format) == (second.mode, second.size, second.format)
        compressions = [image.info.get("compression") for image in (first, second)]
        assert len({str(c).replace("tiff_adobe", "tiff") for c in compressions}) == 1
        before, after = np.array(first), np.array(second)
    if before.shape[0] != HEIGHT:  # planes one after the other are written together
        before = np.moveaxis(before, 0, -1)
    assert before.dtype == after.dtype
    np.testing.assert_array_equal(before[~hole], after[~hole])


def _by_tifffile_or_opencv(file: bytes) -> Samples:
    """Read more than 8 bits in colour; tifffile alone knows floating point, OpenCV LZW and PNG."""
    with suppress(ValueError):
        return np.asarray(tifffile.imread(io.BytesIO(file)))
    return np.asarray(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED))


@pytest.mark.parametrize("make", LOSSY.values(), ids=LOSSY.keys())
def test_a_lossy_file_is_encoded_again_in_the_same_way(make: Make) -> None:
    photo = Photograph.from_bytes(make())
    again = Photograph.from_bytes(photo.with_fill(flat(photo), box(photo.size)).to_bytes())
    assert again.settings == photo.settings
    assert again.raster.samples.shape == photo.raster.samples.shape
    known = ~box(photo.size)
    difference = again.rgb[known].astype(float) - photo.rgb[known]
    assert np.abs(difference).mean() < 20  # of noise, the hardest picture there is


@pytest.mark.parametrize("make", [*LOSSLESS.values(), *LOSSY.values()])
def test_a_picture_without_hole_is_its_own_file_byte_for_byte(make: Make) -> None:
    source = make()
    photo = Photograph.from_bytes(source)
    nothing = np.zeros(photo.size, np.bool_)
    assert photo.with_fill(flat(photo), nothing).to_bytes() == source


@pytest.mark.parametrize("make", [*LOSSLESS.values(), *LOSSY.values()])
def test_from_file_to_file_is_from_bytes_to_bytes(make: Make, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(make())
    photo, same = Photograph.open(source), Photograph.from_bytes(make())
    photo.save(target)
    assert target.read_bytes() == source.read_bytes()
    hole = box(photo.size)
    photo.with_fill(flat(photo), hole).save(target)
    assert target.read_bytes() == same.with_fill(flat(same), hole).to_bytes()


def test_a_tiff_stays_what_was_read_when_its_file_is_another_or_gone(tmp_path: Path) -> None:
    path = tmp_path / "photo.tif"
    path.write_bytes(LOSSLESS["TIFF RGB, 16 bits"]())
    photo = Photograph.open(path)
    photo.with_fill(flat(photo), box(photo.size)).save(path)
    again = Photograph.from_bytes(photo.to_bytes())
    np.testing.assert_array_equal(again.raster.samples, photo.raster.samples)
    path.unlink()
    again = Photograph.from_bytes(photo.to_bytes())
    np.testing.assert_array_equal(again.raster.samples, photo.raster.samples)


@pytest.mark.parametrize("make", [*LOSSLESS.values(), *LOSSY.values()])
def test_samples_are_filled_in_place_where_one_asks_for_it(make: Make) -> None:
    photo, spent = Photograph.from_bytes(make()), Photograph.from_bytes(make())
    hole = box(photo.size)
    reused = spent.with_fill(flat(spent), hole, reuse=True)
    assert reused.raster.samples is spent.raster.samples
    assert reused.to_bytes() == photo.with_fill(flat(photo), hole).to_bytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_rgb_is_what_pillow_shows(mode: str) -> None:
    photo = Photograph.from_pil(pillow_image(mode))
    # Pillow turns CMYK by a rounding of its own.
    np.testing.assert_allclose(
        photo.rgb.astype(int), np.array(pillow_image(mode).convert("RGB")), atol=mode == "CMYK"
    )


def test_16_bits_in_colour_are_read_whole() -> None:
    for name in ("PNG RGB, 16 bits", "PNG RGBA, 16 bits", "TIFF RGB, 16 bits, LZW"):
        rgb = Photograph.from_bytes(LOSSLESS[name]()).rgb
        blue_first = samples(4 if "RGBA" in name else 3, "u2")[..., :3]  # as OpenCV has it
        np.testing.assert_array_equal(rgb, blue_first[..., ::-1])


def test_16_bits_of_grey_and_alpha_are_read_whole() -> None:
    pairs = samples(2, "u2")
    again = Photograph.from_bytes(Photograph.from_array(pairs).to_bytes("PNG"))
    np.testing.assert_array_equal(again.to_array(), pairs)


def test_grey_takes_the_luminance_of_the_fill() -> None:
    photo = Photograph.from_pil(pillow_image("L"))
    filled = photo.with_fill(flat(photo), box(photo.size))
    expected = Image.fromarray(flat(photo)).convert("L")
    hole = box(photo.size)
    np.testing.assert_array_equal(filled.raster.samples[hole, 0], np.array(expected)[hole])


def test_a_fill_in_grey_leaves_grey_exactly_as_it_is() -> None:
    photo = Photograph.from_pil(pillow_image("L"))
    everywhere = np.ones(photo.size, np.bool_)
    filled = photo.with_fill(photo.rgb, everywhere)
    np.testing.assert_array_equal(filled.rgb, photo.rgb)


def test_a_palette_takes_its_nearest_colour() -> None:
    photo = Photograph.from_pil(pillow_image("P"))
    palette = photo.raster.palette
    assert palette is not None
    fill = samples(3)
    hole = box(photo.size)
    filled = photo.with_fill(fill, hole).rgb[hole].astype(int)
    distances = ((fill[hole][:, None].astype(int) - palette[None, :, :3]) ** 2).sum(2)
    found = ((filled - fill[hole]) ** 2).sum(1)
    np.testing.assert_array_equal(found, distances.min(axis=1))


def test_1_bit_takes_the_nearer_of_black_and_white() -> None:
    photo = Photograph.from_pil(pillow_image("1"))
    everywhere = np.ones(photo.size, np.bool_)
    for grey, expected in ((127, 0), (128, 255)):
        filled = photo.with_fill(np.full((*photo.size, 3), grey, np.uint8), everywhere)
        assert (filled.rgb == expected).all()


def test_cmyk_goes_through_its_profile_and_back() -> None:
    profile = cmyk_profile()
    image = pillow_image("CMYK")
    image.info["icc_profile"] = profile
    photo = Photograph.from_pil(image)
    srgb = ImageCms.createProfile("sRGB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    press = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    seen = ImageCms.profileToProfile(image, press, srgb, intent, outputMode="RGB")
    assert seen is not None
    np.testing.assert_array_equal(photo.rgb, np.array(seen))

    fill, hole = flat(photo), box(photo.size)
    inks = ImageCms.profileToProfile(Image.fromarray(fill), srgb, press, intent, outputMode="CMYK")
    assert inks is not None
    filled = photo.with_fill(fill, hole)
    np.testing.assert_array_equal(filled.raster.samples[hole], np.array(inks)[hole])


def test_cmyk_with_a_damaged_profile_is_turned_plainly() -> None:
    image = pillow_image("CMYK")
    image.info["icc_profile"] = b"no profile at all"
    photo = Photograph.from_pil(image)
    hole = box(photo.size)
    filled = photo.with_fill(flat(photo), hole)
    np.testing.assert_allclose(filled.rgb[hole], flat(photo)[hole], atol=1)


@pytest.mark.parametrize(
    "name",
    ["PNG LA", "PNG RGBA", "PNG RGBA, 16 bits", "PNG L, 4 bits", "PNG RGB, transparent colour"],
)
@pytest.mark.parametrize("opaque", [False, True])
def test_alpha_changes_only_in_the_hole_and_only_if_asked(name: str, opaque: bool) -> None:
    photo = Photograph.from_bytes(LOSSLESS[name]())
    assert photo.alpha is not None
    hole = box(photo.size)
    # The very colour that is transparent where one is: it must not open a hole by chance.
    colour = (1 / 255, 2 / 255, 3 / 255) if "colour" in name else (5 / 15,) * 3
    filled = Photograph.from_bytes(
        photo.with_fill(flat(photo, colour), hole, opaque=opaque).to_bytes()
    )
    assert filled.alpha is not None
    np.testing.assert_array_equal(filled.alpha[~hole], photo.alpha[~hole])
    if opaque:
        assert (filled.alpha[hole] == photo.raster.top).all()
    else:
        np.testing.assert_array_equal(filled.alpha[hole], photo.alpha[hole])


@pytest.mark.parametrize("opaque", [False, True])
def test_a_palette_changes_its_transparency_only_if_asked(opaque: bool) -> None:
    photo = Photograph.from_bytes(LOSSLESS["PNG P, one transparent"]())
    assert photo.alpha is not None
    hole = box(photo.size)
    palette = photo.raster.palette
    assert palette is not None
    transparent = tuple(palette[3, :3] / 255)
    filled = photo.with_fill(
        flat(photo, (transparent[0], transparent[1], transparent[2])), hole, opaque=opaque
    )
    assert filled.alpha is not None
    expected = 255 if opaque else photo.alpha[hole]
    np.testing.assert_array_equal(filled.alpha[hole], expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF, LZW", "WEBP"])
def test_a_turned_picture_is_filled_where_one_sees_the_hole(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    if "LZW" in kind:
        options = {"compression": "tiff_lzw"}  # type: ignore[dict-item]
    pillow_image("RGB").save(file, kind.split(",")[0], exif=exif, **options)
    photo = Photograph.from_bytes(file.getvalue())
    seen = ImageOps.exif_transpose(Image.open(file))
    assert seen is not None
    assert photo.size == (seen.height, seen.width)
    np.testing.assert_array_equal(photo.rgb, np.array(seen))
    np.testing.assert_array_equal(photo.raster.samples, samples(3))

    hole = np.zeros(photo.size, np.bool_)
    hole[1:3, 2:9] = True
    result = io.BytesIO(photo.with_fill(flat(photo), hole).to_bytes())
    after = ImageOps.exif_transpose(Image.open(result))
    expected = np.array(seen)
    expected[hole] = flat(photo)[hole]
    assert after is not None
    np.testing.assert_array_equal(np.array(after), expected)
    again = Photograph.from_bytes(result.getvalue())
    assert again.orientation == orientation
    assert again.raster.samples.shape == (HEIGHT, WIDTH, 3)


def test_a_turned_picture_is_upright_in_a_format_that_cannot_say_so() -> None:
    exif = Image.Exif()
    exif[274] = 6
    photo = Photograph.from_bytes(png(pillow_image("RGB"), exif=exif))
    again = Photograph.from_bytes(photo.to_bytes("BMP"))
    np.testing.assert_array_equal(again.rgb, photo.rgb)


def test_rgb_cannot_be_written_into() -> None:
    photo = Photograph.from_pil(pillow_image("RGB"))
    with pytest.raises(ValueError, match="read-only"):
        photo.rgb[0, 0] = 0


def test_with_fill_leaves_the_first_picture_alone() -> None:
    photo = Photograph.from_pil(pillow_image("RGB"))
    photo.with_fill(flat(photo), np.ones(photo.size, np.bool_))
    np.testing.assert_array_equal(photo.rgb, samples(3))


def test_a_fill_of_another_size_or_type_is_a_fault_of_the_caller() -> None:
    photo = Photograph.from_pil(pillow_image("RGB"))
    hole = box(photo.size)
    with pytest.raises(ValueError, match="float64"):
        photo.with_fill(flat(photo).astype(float), hole)
    with pytest.raises(ValueError, match=r"fill is uint8 \(22"):
        photo.with_fill(flat(photo)[1:], hole)
    with pytest.raises(ValueError, match="hole is uint8"):
        photo.with_fill(flat(photo), hole.astype(np.uint8))


@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_an_array_comes_back_as_it_went_in(channels: int, kind: str) -> None:
    array = samples(channels, kind)
    again = Photograph.from_array(array).to_array()
    np.testing.assert_array_equal(again.reshape(array.shape), array)
    assert again.dtype == array.dtype


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_a_pillow_image_comes_back_as_it_went_in(mode: str) -> None:
    image = pillow_image(mode)
    again = Photograph.from_pil(image).to_pil()
    assert again.mode == mode
    np.testing.assert_array_equal(np.array(again), np.array(image))
    assert again.getpalette() == image.getpalette()


def test_a_pillow_image_with_a_palette_keeps_its_transparency() -> None:
    photo = Photograph.from_bytes(LOSSLESS["PNG P, transparency"]())
    image = photo.to_pil()
    assert photo.alpha is not None
    np.testing.assert_array_equal(np.array(image.convert("RGBA"))[..., 3], photo.alpha)
    again = Photograph.from_pil(image).alpha
    np.testing.assert_array_equal(again, photo.alpha)


def test_open_reads_by_content_and_save_writes_by_suffix(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(png(pillow_image("RGB")))
    photo = Photograph.open(path)
    assert photo.format == "PNG"
    photo.save(tmp_path / "copy.tif")
    photo.save(tmp_path / "no suffix")
    photo.save(tmp_path / "odd.name", format="bmp")
    for name, kind in (("copy.tif", "TIFF"), ("no suffix", "PNG"), ("odd.name", "BMP")):
        copy = Photograph.open(tmp_path / name)
        assert copy.format == kind
        np.testing.assert_array_equal(copy.rgb, photo.rgb)


def test_quality_counts_when_it_is_given() -> None:
    photo = Photograph.from_bytes(LOSSY["JPEG RGB"]())
    assert len(photo.to_bytes(quality=20)) < len(photo.to_bytes()) < len(photo.to_bytes(quality=98))


# --- masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_a_mask_of_any_mode_is_white_where_the_hole_is(mode: str) -> None:
    hole = box((HEIGHT, WIDTH))
    if mode == "I;16":
        image = Image.fromarray(hole.astype(np.uint16) * 65535)
    else:
        image = Image.fromarray(hole.astype(np.uint8) * 255).convert(mode)
    np.testing.assert_array_equal(read_hole(png(image), hole.shape), hole)
    np.testing.assert_array_equal(read_hole(png(image), hole.shape, invert=True), ~hole)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[127, 128]], np.uint8), [[False, True]]),
        (np.array([[32767, 32768]], np.uint16), [[False, True]]),
    ],
)
def test_half_white_is_the_threshold_at_any_depth(array: Samples, expected: list[bool]) -> None:
    mask = Photograph.from_array(array).to_bytes("PNG")
    np.testing.assert_array_equal(read_hole(mask, (1, 2)), expected)


def test_what_is_transparent_in_a_mask_is_no_hole() -> None:
    white_on_nothing = np.full((1, 3, 4), 255, np.uint8)
    white_on_nothing[0, :, 3] = 0, 127, 128
    mask = Photograph.from_array(white_on_nothing).to_bytes("PNG")
    np.testing.assert_array_equal(read_hole(mask, (1, 3)), [[False, False, True]])


def test_a_turned_mask_is_read_upright() -> None:
    exif = Image.Exif()
    exif[274] = 6
    stored = Image.fromarray(np.array([[255, 0, 0], [0, 0, 0]], np.uint8))
    np.testing.assert_array_equal(
        read_hole(png(stored, exif=exif), (3, 2)), [[False, True], [False, False], [False, False]]
    )


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(png(Image.new("L", (4, 3))))
    with pytest.raises(MaskError) as caught:
        read_hole(path, (6, 8))
    assert str(caught.value) == (
        f"{path}: is 4 x 3 pixels (width x height), want 8 x 6 as the picture has;"
        " --fit-mask resizes it"
    )


def test_a_fitted_mask_takes_the_nearest_pixels() -> None:
    mask = png(Image.fromarray(np.array([[255, 0], [0, 255]], np.uint8)))
    twice = read_hole(mask, (4, 4), fit=True)
    np.testing.assert_array_equal(twice, np.kron(np.eye(2), np.ones((2, 2))) > 0)
    large = np.zeros((30, 30), np.uint8)
    large[4::10, 4::10] = 255  # near the middles of 3 x 3 pixels
    large[5::10, 5::10] = 255
    assert read_hole(png(Image.fromarray(large)), (3, 3), fit=True).all()


def test_the_hole_of_alpha_is_what_is_less_than_half_opaque() -> None:
    array = np.zeros((1, 3, 4), np.uint8)
    array[0, :, 3] = 0, 127, 128
    hole = Photograph.from_array(array).hole_from_alpha()
    np.testing.assert_array_equal(hole, [[True, True, False]])


def test_a_picture_without_alpha_has_no_hole_of_alpha() -> None:
    photo = Photograph.from_array(samples(3), name="photo.png")
    with pytest.raises(MaskError, match=r"photo\.png: has no alpha channel"):
        photo.hole_from_alpha()
