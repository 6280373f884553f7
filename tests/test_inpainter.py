import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from swapfill.bundle import write_sums
from swapfill.config import FillSettings
from swapfill.engines.interface import Engine
from swapfill.errors import ConfigError, ImageError, MaskError, NoKnownPatchError
from swapfill.inpainter import Inpainter
from swapfill.masks import Hole, feather_weight, grow
from swapfill.random_holes import mixed_hole

Floats = NDArray[np.float32]
Pixels = NDArray[Any]
DTYPES = ["uint8", "uint16", "float32", "float64"]
NO_ENGINE = cast("Engine[Any]", None)


def mean_fill(engine: Engine[Any], incomplete: Floats, hole: Hole, how: FillSettings) -> Floats:
    """A translator that knows nothing but the mean colour, tinted, and repaints the known side."""
    assert (incomplete[hole] == 0).all()
    assert 0 <= incomplete.min() <= incomplete.max() <= 1
    known = ~hole[..., None]
    mean = (incomplete * known).sum(axis=(1, 2)) / known.sum(axis=(1, 2))
    return np.broadcast_to(0.9 * mean[:, None, None], incomplete.shape).astype(np.float32)


def painter(**asked: Any) -> Inpainter:
    return Inpainter(NO_ENGINE, FillSettings(**asked), fill_windows=mean_fill)


def bright(rng: np.random.Generator, size: tuple[int, int], dtype: str) -> Pixels:
    """Give a picture that is nowhere darker than half."""
    shares = rng.uniform(0.5, 1, (*size, 3))
    if dtype.startswith("uint"):
        return (shares * np.iinfo(dtype).max).astype(dtype)
    return shares.astype(dtype)


def dotted(size: tuple[int, int], *dots: tuple[int, int]) -> Hole:
    hole = np.zeros(size, np.bool_)
    for dot in dots:
        hole[dot] = True
    return hole


def hole_of_kind(kind: str, rng: np.random.Generator, size: tuple[int, int]) -> Hole:
    hole = np.zeros(size, np.bool_)
    if kind == "border":
        hole[: size[0] // 3, size[1] // 2 :] = True
    elif kind == "several":
        for _ in range(5):
            top, left = rng.integers(size[0] - 8), rng.integers(size[1] - 8)
            hole[top : top + 8, left : left + 8] = True
    elif kind == "row":
        hole[size[0] // 2] = True
    elif kind == "nearly all":
        hole[:] = True
        hole[rng.integers(size[0]), rng.integers(size[1])] = False
    else:
        hole = mixed_hole(rng, size)
    return hole


@settings(deadline=None, max_examples=25)
@given(
    size=st.tuples(st.integers(16, 300), st.integers(16, 300)),
    dtype=st.sampled_from(DTYPES),
    kind=st.sampled_from(["border", "several", "row", "nearly all", "any"]),
    feather=st.sampled_from([0, 0, 1, 5, 20]),
    grown=st.sampled_from([0, 0, 3, -1]),
    seed=st.integers(0, 10**6),
)
def test_known_pixels_stay_bit_for_bit_and_every_hole_pixel_is_written(
    size: tuple[int, int], dtype: str, kind: str, feather: int, grown: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    hole = hole_of_kind(kind, rng, size)
    missing = grow(hole, grown)
    if missing.all():
        return
    picture = bright(rng, size, dtype)
    picture[missing] = 0
    inpainter = painter(feather=feather, grow=grown)
    before = picture.copy()
    result = inpainter.fill(picture, hole)
    assert result.dtype == picture.dtype
    assert (result[missing] > 0).all()
    changed = inpainter.changed(hole)
    np.testing.assert_array_equal(result[~changed], before[~changed])
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize(("feather", "grown"), [(0, 0), (0, 4), (1, 0), (3, 0), (6, 4)])
def test_what_may_change_is_where_the_fill_has_any_weight(feather: int, grown: int) -> None:
    hole = mixed_hole(np.random.default_rng(0), (60, 60))
    weight = feather_weight(grow(hole, grown), feather)
    changed = painter(feather=feather, grow=grown).changed(hole)
    np.testing.assert_array_equal(changed, weight > 0)


def test_a_feathered_fill_fades_into_the_picture() -> None:
    picture = np.full((100, 100, 3), 200, np.uint8)
    picture[:, ::2] = 240  # stripes that the fill has not
    hole = np.zeros((100, 100), np.bool_)
    hole[40:60, 40:60] = True
    hard, soft = painter().fill(picture, hole), painter(feather=10).fill(picture, hole)
    np.testing.assert_array_equal(hard[50, 60:], picture[50, 60:])
    stripes = np.abs(np.diff(soft[50, 60:72, 0].astype(int)))
    assert stripes[0] < 10
    assert (np.diff(stripes) >= 0).all()
    assert stripes[-1] == 40


def test_neither_tint_nor_seam_is_left() -> None:
    rows, columns = np.mgrid[:200, :240]
    picture = np.stack([rows / 400 + 0.3, columns / 480 + 0.2, 0.7 - rows / 500], axis=-1)
    hole = np.zeros((200, 240), np.bool_)
    hole[70:130, 80:150] = True
    result = painter().fill(picture, hole)  # the mean colour times 0.9, before alignment
    np.testing.assert_allclose(result, picture, atol=0.02)


def test_a_later_window_sees_the_earlier_fill_as_known() -> None:
    seen: list[Hole] = []

    def watch(engine: Engine[Any], incomplete: Floats, hole: Hole, how: FillSettings) -> Floats:
        seen.append(hole)
        return mean_fill(engine, incomplete, hole, how)

    hole = np.zeros((128, 600), np.bool_)
    hole[64] = True
    inpainter = Inpainter(NO_ENGINE, FillSettings(), fill_windows=watch)
    inpainter.fill(bright(np.random.default_rng(0), (128, 600), "uint8"), hole)
    missing = [int(one.sum()) for batch in seen for one in batch]
    assert max(missing) == 128
    assert min(missing) < 100


def test_inverting_fills_the_other_side() -> None:
    picture = bright(np.random.default_rng(0), (40, 50), "uint8")
    hole = dotted((40, 50), (10, 10))
    np.testing.assert_array_equal(
        painter(invert=True).fill(picture, ~hole), painter().fill(picture, hole)
    )


def test_progress_counts_the_windows_from_none_to_all_of_them() -> None:
    hole = np.zeros((64, 900), np.bool_)
    hole[30] = True
    told: list[tuple[int, int]] = []
    picture = bright(np.random.default_rng(0), (64, 900), "uint8")
    painter().fill(picture, hole, on_progress=lambda done, total: told.append((done, total)))
    done, totals = [d for d, _ in told], {t for _, t in told}
    assert done == sorted(set(done))
    assert totals == {done[-1]}
    assert done[0] == 0
    assert len(done) > 2


def test_an_empty_hole_changes_nothing_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    picture = bright(np.random.default_rng(0), (20, 20), "uint8")
    with caplog.at_level(logging.WARNING):
        result = painter(feather=3).fill(picture, dotted((20, 20)))
    np.testing.assert_array_equal(result, picture)
    assert result is not picture
    assert [record.message for record in caplog.records] == [
        "the hole is empty: the picture is unchanged"
    ]


def test_where_there_is_nothing_to_copy_the_fill_is_smooth_and_the_others_are_filled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = []

    def picky(engine: Engine[Any], incomplete: Floats, hole: Hole, how: FillSettings) -> Floats:
        asked.append(len(hole))
        if (hole.sum(axis=(1, 2)) > 4).any():
            raise NoKnownPatchError("no patch")
        return mean_fill(engine, incomplete, hole, how)

    picture = np.full((200, 500, 3), 180, np.uint8)
    hole = dotted((200, 500), (100, 60), (100, 61), (100, 62), (100, 63), (100, 64), (100, 400))
    picture[hole] = 0
    inpainter = Inpainter(NO_ENGINE, FillSettings(), fill_windows=picky)
    with caplog.at_level(logging.WARNING):
        assert (inpainter.fill(picture, hole) == 180).all()
    assert len(caplog.records) == 1
    assert asked == [1, 1]


def test_a_window_holds_the_feather_of_its_hole() -> None:
    seen: list[tuple[int, ...]] = []

    def watch(engine: Engine[Any], incomplete: Floats, hole: Hole, how: FillSettings) -> Floats:
        seen.append(hole.shape)
        return mean_fill(engine, incomplete, hole, how)

    picture = bright(np.random.default_rng(0), (300, 300), "uint8")
    hole = dotted((300, 300), (150, 150))
    for feather in (0, 100):
        how = FillSettings(feather=feather)
        Inpainter(NO_ENGINE, how, fill_windows=watch).fill(picture, hole)
    assert seen == [(1, 128, 128), (1, 256, 256)]


def test_the_fill_is_the_same_when_blended_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    picture, hole = bright(rng, (90, 100), "uint16"), mixed_hole(rng, (90, 100))
    whole = painter(feather=7).fill(picture, hole)
    monkeypatch.setattr("swapfill.placing._PIXELS_AT_ONCE", 1)
    np.testing.assert_array_equal(painter(feather=7).fill(picture, hole), whole)


def test_samples_slightly_out_of_range_are_taken_and_kept() -> None:
    picture = np.full((40, 40, 3), 1.05, np.float32)
    picture[:, ::2] = -0.05
    hole = dotted((40, 40), (20, 20))
    result = painter().fill(picture, hole)
    np.testing.assert_array_equal(result[~hole], picture[~hole])


def test_a_reduced_window_is_filled_at_the_resolution_of_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swapfill.windows.LARGEST_RESOLUTION", 128)
    monkeypatch.setattr("swapfill.planning.LARGEST_RESOLUTION", 128)
    monkeypatch.setattr("swapfill.placing._PIXELS_AT_ONCE", 7000)
    rows, columns = np.mgrid[:512, :512]
    picture = np.stack([rows / 2000 + 0.3, columns / 2000 + 0.2, 0.7 - rows / 2500], axis=-1)
    hole = np.hypot(rows - 256, columns - 256) < 120
    for feather in (0, 8):
        result = painter(feather=feather).fill(picture, hole)
        np.testing.assert_allclose(result, picture, atol=0.02)
        changed = painter(feather=feather).changed(hole)
        np.testing.assert_array_equal(result[~changed], picture[~changed])
        assert (result != picture)[hole].any(axis=-1).mean() > 0.99


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.full((9, 9, 3), np.nan, np.float32), "NaN"),
        (np.full((9, 9, 3), np.inf), "infinity"),
        (np.full((9, 9, 3), 200.0), "200 to 200, want numbers from 0 to 1"),
        (np.full((9, 9, 3), -1.0), "-1 to -1, want numbers from 0 to 1"),
        (np.zeros((9, 9, 2), np.uint8), r"\(9, 9, 2\), want \[height, width, 3\]"),
        (np.zeros((9, 9), np.uint8), r"\(9, 9\)"),
        (np.zeros((0, 9, 3), np.uint8), r"\(0, 9, 3\)"),
        (np.zeros((9, 9, 3), np.int64), "int64, want uint8"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(picture: Pixels, words: str) -> None:
    with pytest.raises(ImageError, match=words) as refused:
        painter().fill(picture, dotted((9, 9), (1, 1)))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("hole", "words"),
    [
        (np.zeros((8, 9), np.bool_), r"\(8, 9\), want bool \(9, 9\)"),
        (np.zeros((9, 9), np.uint8), "uint8"),
        (np.ones((9, 9), np.bool_), "covers all 9 x 9"),
    ],
)
def test_what_is_no_hole_is_refused_in_one_line(hole: Hole, words: str) -> None:
    with pytest.raises(MaskError, match=words) as refused:
        painter().fill(np.zeros((9, 9, 3), np.uint8), hole)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_comes_back_as_an_array_of_its_kind(channels: int, dtype: str) -> None:
    rng = np.random.default_rng(0)
    picture = np.concatenate([bright(rng, (30, 40), dtype)] * 2, axis=-1)[..., :channels]
    picture = picture[..., 0] if channels == 1 else picture
    hole = dotted((30, 40), (10, 10), (10, 11), (29, 39))
    picture[hole] = 0
    result = painter()(picture, hole)
    assert (result.dtype, result.shape) == (picture.dtype, picture.shape)
    np.testing.assert_array_equal(result[~hole], picture[~hole])
    assert (result[hole][..., : min(channels, 3)] > 0).all()
    if channels == 4:
        np.testing.assert_array_equal(result[..., 3], picture[..., 3])


def test_without_a_mask_the_transparent_part_is_filled_and_made_opaque() -> None:
    picture = np.full((30, 40, 4), 200, np.uint8)
    picture[10:14, 10:14] = (0, 0, 0, 0)
    result = painter()(picture)
    np.testing.assert_array_equal(result[10:14, 10:14, :3], 200)
    np.testing.assert_array_equal(result[10:14, 10:14, 3], 255)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "I;16"])
def test_a_pillow_image_comes_back_in_its_mode(mode: str) -> None:
    image = Image.new("RGB", (40, 30), (200, 180, 190)).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.full((30, 40), 40_000, np.uint16))
    hole = dotted((30, 40), (10, 12))
    mask = Image.fromarray(hole.astype(np.uint8) * 255)
    result = painter()(image, mask)
    assert (result.mode, result.size) == (mode, image.size)
    np.testing.assert_array_equal(np.asarray(result)[~hole], np.asarray(image)[~hole])


def test_a_pillow_image_without_a_mask_is_filled_where_it_is_transparent() -> None:
    picture = np.full((30, 40, 4), 200, np.uint8)
    picture[10, 12] = 0
    assert painter()(Image.fromarray(picture)).getpixel((12, 10)) == (200, 200, 200, 255)


def test_a_path_comes_back_as_a_pillow_image(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (200, 180, 190)).save(tmp_path / "photo.png")
    Image.new("L", (40, 30), 0).save(tmp_path / "mask.png")
    result = painter()(tmp_path / "photo.png", str(tmp_path / "mask.png"))
    assert result.size == (40, 30)
    assert result.getpixel((3, 3)) == (200, 180, 190)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_a_batch_of_tensors_is_filled_as_one_by_one(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    pictures = torch.from_numpy(rng.uniform(0.5, 1, (2, 3, 30, 40))).to(dtype)
    holes = torch.from_numpy(np.stack([mixed_hole(rng, (30, 40)) for _ in range(2)]))[:, None]
    inpainter = painter(feather=2)
    both = inpainter(pictures, holes)
    each = [inpainter(picture, hole) for picture, hole in zip(pictures, holes, strict=True)]
    assert both.dtype == dtype
    assert torch.equal(both, torch.stack(each))
    for picture, hole, result in zip(pictures, holes, both, strict=True):
        known = torch.from_numpy(~inpainter.changed(hole[0].numpy()))
        assert torch.equal(result[:, known], picture[:, known])
        assert not torch.equal(result, picture)


def test_other_kinds_of_pictures_are_refused_in_one_line() -> None:
    with pytest.raises(ImageError, match=r"torch.uint8 \(3, 9, 9\), want floating point"):
        painter()(torch.zeros(3, 9, 9, dtype=torch.uint8), dotted((9, 9), (1, 1)))
    with pytest.raises(ImageError, match="is a list, want a path"):
        painter()(cast("Pixels", [1, 2]), dotted((9, 9), (1, 1)))
    with pytest.raises(MaskError, match="no alpha channel"):
        painter()(torch.zeros(3, 9, 9))


def test_a_file_is_filled_into_another_of_its_format(tmp_path: Path) -> None:
    photo, mask, output = (tmp_path / name for name in ("photo.png", "mask.png", "out.png"))
    picture = bright(np.random.default_rng(0), (30, 40), "uint8")
    hole = dotted((30, 40), (10, 12), (11, 12))
    Image.fromarray(picture).save(photo)
    Image.fromarray(hole.astype(np.uint8) * 255).save(mask)
    painter().inpaint_file(photo, mask, output)
    result = np.asarray(Image.open(output))
    np.testing.assert_array_equal(result, painter().fill(picture, hole))


def test_alpha_stays_as_it_is_where_a_mask_says_what_to_fill(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 30), (200, 180, 190, 100)).save(tmp_path / "photo.png")
    Image.new("L", (40, 30)).save(tmp_path / "mask.png")
    mask = Image.new("L", (40, 30))
    mask.putpixel((12, 10), 255)
    mask.save(tmp_path / "mask.png")
    painter().inpaint_file(tmp_path / "photo.png", tmp_path / "mask.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as result:
        assert result.getpixel((12, 10)) == (200, 180, 190, 100)


def test_a_mask_of_another_size_is_refused_unless_it_is_to_fit(tmp_path: Path) -> None:
    photo, mask, output = (tmp_path / name for name in ("photo.png", "mask.png", "out.png"))
    picture = np.full((30, 40, 3), 200, np.uint8)
    picture[:15] = 0
    Image.fromarray(picture).save(photo)
    Image.fromarray(np.repeat(np.array([[255], [0]], np.uint8), 2, axis=1)).save(mask)
    with pytest.raises(MaskError, match="is 2 x 2 pixels"):
        painter().inpaint_file(photo, mask, output)
    assert not output.exists()
    painter().inpaint_file(photo, mask, output, fit_mask=True)
    with Image.open(output) as result:
        assert result.getpixel((3, 3)) == (200, 200, 200)


def test_a_file_without_a_mask_is_filled_where_it_is_transparent(tmp_path: Path) -> None:
    picture = np.full((30, 40, 4), 200, np.uint8)
    picture[10:14, 10:14] = 0
    Image.fromarray(picture).save(tmp_path / "photo.png")
    painter().inpaint_file(tmp_path / "photo.png", None, tmp_path / "out.png")
    result = np.asarray(Image.open(tmp_path / "out.png"))
    assert result[12, 12].tolist() == [200, 200, 200, 255]


@pytest.mark.parametrize("size", [(16, 20), (150, 300)])
def test_a_loaded_bundle_fills_what_is_missing_and_nothing_else(
    tiny_bundle: Path, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    picture, hole = bright(rng, size, "uint8"), hole_of_kind("several", rng, size)
    hole[-1] = True
    picture[hole] = 0
    result = Inpainter.load(tiny_bundle, device="cpu", feather=2).fill(picture, hole)
    changed = painter(feather=2).changed(hole)
    np.testing.assert_array_equal(result[~changed], picture[~changed])
    assert (result[hole] > 0).any(axis=-1).mean() > 0.9


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pictures_of_many_threads_are_filled_bit_for_bit_as_one_by_one(
    tiny_bundle: Path, precision: str
) -> None:
    rng = np.random.default_rng(0)
    pictures = [bright(rng, (90, 100 + 70 * i), "uint16") for i in range(3)]
    holes = [hole_of_kind("several", rng, picture.shape[:2]) for picture in pictures]
    inpainter = Inpainter.load(tiny_bundle, device="cpu", precision=precision)
    alone = [inpainter.fill(*both) for both in zip(pictures, holes, strict=True)]
    with inpainter.shared() as together, ThreadPoolExecutor(3) as threads:
        found = list(threads.map(together.fill, pictures, holes))
    for one, other in zip(alone, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_settings_of_the_caller_override_those_of_the_bundle(own_bundle: Path) -> None:
    config = json.loads((own_bundle / "config.json").read_text())
    config["fill"] |= {"grow": 2, "feather": 3}
    (own_bundle / "config.json").write_text(json.dumps(config))
    write_sums(own_bundle)
    asked = Inpainter.load(own_bundle, device="cpu", grow=7).settings
    assert (asked.grow, asked.feather) == (7, 3)
    with pytest.raises(ConfigError, match="settings: grown is not a setting"):
        Inpainter.load(own_bundle, grown=7)


def test_a_tiny_picture_is_filled_from_its_own_patches(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Mirrored up to a window it would hold no whole known patch, and be filled smoothly."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 14, 3), dtype=np.uint8)
    hole = np.zeros((16, 14), np.bool_)
    hole[5:10, 4:11] = True
    painter = Inpainter.load(tiny_bundle, device="cpu", precision="fp32", feather=1)
    result = painter.fill(pixels, hole)
    assert not caplog.records
    changed = painter.changed(hole)
    np.testing.assert_array_equal(result[~changed], pixels[~changed])
    assert (result[hole] != pixels[hole]).any(axis=-1).mean() > 0.9


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_a_deep_picture_file_keeps_its_depth_inside_the_hole_too(
    tiny_bundle: Path, tmp_path: Path, dtype: str
) -> None:
    picture, hole = bright(np.random.default_rng(3), (60, 70), dtype), np.zeros((60, 70), np.bool_)
    hole[20:36, 30:50] = True
    tifffile.imwrite(tmp_path / "deep.tif", picture, photometric="rgb")
    Image.fromarray(hole.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    painter = Inpainter.load(tiny_bundle, device="cpu", precision="fp32")
    painter.inpaint_file(tmp_path / "deep.tif", tmp_path / "mask.png", tmp_path / "out.tif")
    result = tifffile.imread(tmp_path / "out.tif")
    assert result.dtype == picture.dtype
    np.testing.assert_array_equal(result[~hole], picture[~hole])
    white = np.iinfo(dtype).max if dtype == "uint16" else 1
    levels = result[hole] / white * 255
    assert (np.abs(levels - np.rint(levels)) > 0.01).mean() > 0.9  # not those of 8 bits
