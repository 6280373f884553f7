import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from jpeg_files import HEIGHT, SEQUENTIAL, WIDTH, by_pillow, picture
from swapfill import jpeg_blocks, jpeg_format
from swapfill.images import Photograph
from swapfill.jpeg_blocks import differing
from swapfill.jpeg_stream import BlockStream, segments
from swapfill.raster import Hole

HOLES = {
    "inside": (slice(30, 41), slice(33, 52)),
    "a corner": (slice(0, 3), slice(0, 5)),
    "the other corner": (slice(-1, None), slice(-1, None)),
    "a column": (slice(None), slice(47, 48)),
    "one pixel": (slice(16, 17), slice(31, 32)),
}


def hole_of(kind: str, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Hole:
    hole = np.zeros(size, np.bool_)
    hole[HOLES[kind]] = True
    return hole


def decoded(data: bytes) -> NDArray[np.int64]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(np.int64).reshape(image.height, image.width, -1)


def edited(source: bytes, hole: Hole, value: int = 150) -> bytes:
    photo = Photograph.from_bytes(source)
    return photo.with_fill(np.full((*photo.size, 3), value, np.uint8), hole).to_bytes()


def may_change(source: bytes, hole: Hole) -> Hole:
    """The units of the scan that the hole touches and, where chroma is coarse, one pixel more."""
    with Image.open(io.BytesIO(source)) as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        across, down = (max(part[i] for part in image.layer) for i in (1, 2))
        ring = 1 if len({part[1:3] for part in image.layer}) > 1 else 0
        if len(image.layer) == 1:
            across = down = 1
    changed = np.zeros(hole.shape, np.bool_)
    for row, column in np.argwhere(hole) // (8 * down, 8 * across):
        top, left = row * 8 * down, column * 8 * across
        rows = slice(max(top - ring, 0), top + 8 * down + ring)
        changed[rows, max(left - ring, 0) : left + 8 * across + ring] = True
    return changed


@pytest.mark.parametrize("place", HOLES)
@pytest.mark.parametrize("make", SEQUENTIAL.values(), ids=SEQUENTIAL)
def test_outside_the_touched_blocks_every_pixel_is_the_same(
    make: Callable[[], bytes], place: str
) -> None:
    source, hole = make(), hole_of(place)
    old, new = decoded(source), decoded(edited(source, hole))
    same = ~may_change(source, hole)
    np.testing.assert_array_equal(new[same], old[same])
    assert (new[hole] != old[hole]).any()


@pytest.mark.parametrize("make", SEQUENTIAL.values(), ids=SEQUENTIAL)
def test_blocks_without_a_hole_keep_their_coefficients(make: Callable[[], bytes]) -> None:
    source, hole = make(), hole_of("inside")
    old, new = BlockStream.read(source), BlockStream.read(edited(source, hole))
    assert old is not None
    assert new is not None
    numbers = np.arange(len(old.dc))
    differ = (old.rest(numbers) != new.rest(numbers)).any(axis=1) | (old.dc != new.dc)
    before = 0
    for part in old.components:
        size = part.down * part.across
        mine = differ.reshape(-1, len(old.pattern))[:, before : before + size]
        blocks = mine.reshape(*old.units, part.down, part.across).swapaxes(1, 2)
        blocks = blocks.reshape(old.units[0] * part.down, -1)
        tall, wide = (
            8 * max(getattr(c, way) for c in old.components) // getattr(part, way)
            for way in ("down", "across")
        )
        touched = {(row // tall, column // wide) for row, column in np.argwhere(hole)}
        assert {(row, column) for row, column in np.argwhere(blocks)} <= touched
        before += size


@pytest.mark.parametrize("make", SEQUENTIAL.values(), ids=SEQUENTIAL)
def test_the_fill_arrives_in_its_colours(make: Callable[[], bytes]) -> None:
    photo = Photograph.from_bytes(make())
    hole = np.zeros(photo.size, np.bool_)
    hole[16:64, 32:80] = True
    fill = np.empty((*photo.size, 3), np.uint8)
    fill[:] = 200, 90, 60
    wanted = photo.with_fill(fill, hole)
    result = Photograph.from_bytes(wanted.to_bytes())
    inner = result.raster.samples[20:60, 36:76].astype(int)
    assert np.abs(inner - wanted.raster.samples[20:60, 36:76]).max() <= 8
    assert np.abs(inner - wanted.raster.samples[20:60, 36:76]).mean() < 3


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_picture_all_new_has_the_coefficients_of_libjpeg(subsampling: int) -> None:
    source = by_pillow("RGB", subsampling=subsampling)()
    old = decoded(source).astype(np.uint8)
    new = 255 - picture(3, seed=5)
    file = io.BytesIO()
    Image.fromarray(new).save(file, "JPEG", quality=92, subsampling=subsampling)
    ours = jpeg_blocks.with_changes(source, differing(old, new), new, jpeg_blocks.luma_and_chroma)
    assert ours is not None
    streams = BlockStream.read(ours), BlockStream.read(file.getvalue())
    contents = []
    for stream in streams:
        assert stream is not None
        contents.append(stream.rest(np.arange(len(stream.dc))))
        contents[-1][:, 0] = stream.dc
    # Steps of 2 to 15. libjpeg rounds luma, chroma and their means to integers on the way.
    difference = np.abs(contents[0] - contents[1])
    assert difference.max() <= 1
    assert difference.mean() < 0.04


def test_known_pixels_beside_the_hole_differ_by_one_rounding_only() -> None:
    source = by_pillow("L", quality=100)()  # steps of 1: the rounding is at most half a level each
    hole = hole_of("inside")
    old, new = decoded(source), decoded(edited(source, hole))
    assert np.abs(new - old)[~hole].max() <= 2


def test_what_was_clipped_beside_the_hole_stays_as_it_was() -> None:
    checks = (np.indices((32, 32)).sum(axis=0) // 2 % 2 * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(checks).save(file, "JPEG", quality=60)
    stream = BlockStream.read(file.getvalue())
    old = decoded(file.getvalue()).astype(np.uint8)
    assert stream is not None
    new = old.copy()
    new[9, 9] = old[9, 9] - 1 if old[9, 9] else 1  # too little to move a coefficient
    result = jpeg_blocks.with_changes(
        file.getvalue(), differing(old, new), new, jpeg_blocks.as_stored
    )
    assert result is not None
    np.testing.assert_array_equal(decoded(result)[..., 0], old[..., 0])


def test_nothing_changed_gives_the_source() -> None:
    source = SEQUENTIAL["4:2:0"]()
    photo = Photograph.from_bytes(source)
    assert photo.to_bytes() == source
    assert replace(photo, source=None).to_bytes() == source


def test_what_is_beyond_the_edge_is_new_too() -> None:
    source = SEQUENTIAL["4:2:0"]()  # 107 wide: the last unit ends at 112; 75 high: at 80
    filled = BlockStream.read(edited(source, np.ones((HEIGHT, WIDTH), np.bool_)))
    assert filled is not None
    assert not filled.rest(np.arange(len(filled.dc))).any()

    narrow = Image.open(io.BytesIO(source)).crop((0, 0, 33, 33))
    file = io.BytesIO()
    narrow.save(file, "JPEG", quality=92, subsampling=2)
    filled = BlockStream.read(edited(file.getvalue(), np.ones((33, 33), np.bool_)))
    assert filled is not None
    assert not filled.rest(np.arange(len(filled.dc))).any()
    assert len(np.unique(filled.dc[np.isin(np.arange(len(filled.dc)) % 6, range(4))])) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_hole_of_a_turned_photograph_is_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    photo = Photograph.from_bytes(by_pillow("RGB", subsampling=2, exif=exif)())
    hole = np.zeros(photo.size, np.bool_)
    hole[5:12, 40:60] = True
    result = Photograph.from_bytes(
        photo.with_fill(np.full((*photo.size, 3), 9, np.uint8), hole).to_bytes()
    )
    far = np.ones(photo.size, np.bool_)
    far[: 12 + 16, 40 - 16 : 60 + 16] = False  # more than 16 pixels from the hole
    assert result.orientation == orientation
    np.testing.assert_array_equal(result.rgb[far], photo.rgb[far])
    assert np.abs(result.rgb[hole].astype(int) - 9).mean() < 12


def test_a_second_fill_leaves_the_rest_as_the_first_source_had_it() -> None:
    source = SEQUENTIAL["4:2:0"]()
    photo = Photograph.from_bytes(source)
    first, second = hole_of("inside"), hole_of("a corner")
    for hole in (first, second):
        photo = photo.with_fill(np.full((*photo.size, 3), 77, np.uint8), hole)
    same = ~may_change(source, first | second)
    np.testing.assert_array_equal(decoded(photo.to_bytes())[same], decoded(source)[same])


def test_every_segment_is_kept_and_nothing_behind_the_picture() -> None:
    icc, comment = b"profile " * 30, b"a comment"
    source = by_pillow("RGB", icc_profile=icc, comment=comment)() + b"a second picture"
    result = edited(source, hole_of("inside"))
    kept = [[(p.marker, p.content) for p in segments(data)] for data in (source, result)]
    assert sorted(kept[0]) == sorted(kept[1])
    assert icc in result
    assert b"a second picture" not in result


def test_a_quality_asked_for_is_given() -> None:
    photo = Photograph.from_bytes(SEQUENTIAL["4:2:0"]())
    hole = hole_of("inside")
    filled = photo.with_fill(np.zeros((*photo.size, 3), np.uint8), hole)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=50)
    tables = [
        Image.open(io.BytesIO(data)).quantization  # type: ignore[attr-defined]
        for data in (filled.to_bytes(quality=50), file.getvalue())
    ]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("progressive", [True, False])
def test_what_cannot_be_exchanged_is_encoded_again(progressive: bool) -> None:
    source = by_pillow("RGB", progressive=progressive)()
    if not progressive:
        source = source[:-2] + b"\x55\x55" + source[-2:]  # bits left over
    old, new = decoded(source), decoded(edited(source, hole_of("inside")))
    far = ~may_change(source, hole_of("inside"))
    assert 0 < np.abs(new - old)[far].max() < 20


def test_another_size_than_the_source_has_is_encoded_again() -> None:
    raster, metadata, settings = jpeg_format.decode(SEQUENTIAL["4:2:0"](), "photo")
    smaller = replace(raster, samples=np.ascontiguousarray(raster.samples[:50, :60]))
    assert decoded(jpeg_format.encode(smaller, metadata, settings, None)).shape == (50, 60, 3)


def test_a_picture_of_another_shape_is_left_alone() -> None:
    source = SEQUENTIAL["4:4:4"]()
    old = decoded(source).astype(np.uint8)
    for other in (old[1:], old[:, 1:], old[..., :1]):
        assert (
            jpeg_blocks.with_changes(source, differing(other, other), other, jpeg_blocks.as_stored)
            is None
        )


def test_no_coefficient_is_larger_than_the_codes_of_a_jpeg_reach() -> None:
    stream = BlockStream.read(by_pillow("L", quality=100)())  # steps of 1
    assert stream is not None
    random = np.random.default_rng(0)
    numbers = np.arange(len(stream.dc))
    content = random.choice([-1023, 1023], (len(numbers), 64)).astype(np.int32)
    source = stream.with_blocks(numbers, stream.dc, content)  # far beyond black and white
    assert source is not None
    old = decoded(source).astype(np.uint8)
    new = np.where(random.random(old.shape) < 0.5, 255 - old, old)
    result = jpeg_blocks.with_changes(source, differing(old, new), new, jpeg_blocks.as_stored)
    assert result is not None
    written = BlockStream.read(result)
    assert written is not None
    assert np.abs(written.rest(numbers)).max() == 1023


def test_a_photograph_that_was_filled_is_not_decoded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    photo, hole = Photograph.from_bytes(file.getvalue()), np.zeros((48, 64), np.bool_)
    hole[10:20, 20:30] = True
    filled = photo.with_fill(np.full((48, 64, 3), 128, np.uint8), hole)
    plain = replace(filled, settings=replace(filled.settings, before=None)).to_bytes()  # type: ignore[type-var]
    monkeypatch.setattr("swapfill.jpeg_format.decode", None)
    assert filled.to_bytes() == plain
