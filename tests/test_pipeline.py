from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from swapfill.bundle import Bundle
from swapfill.config import FillSettings
from swapfill.engines import load_engine
from swapfill.engines.torch_engine import TorchEngine
from swapfill.errors import NoKnownPatchError
from swapfill.masks import Box
from swapfill.pipeline import (
    Begun,
    Start,
    boxes_around,
    carry_pieces,
    fill_windows,
    is_thin,
    ladder,
    translate_pieces,
)
from swapfill.registration import moved_pieces, registered
from swapfill.variance import preserved

MATCHINGS = ("literal", "blurred", "coherent")


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> TorchEngine:
    engine = load_engine("torch", Bundle.open(tiny_bundle), device="cpu", precision="fp32")
    assert isinstance(engine, TorchEngine)
    return engine


def window(side: int = 128, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    picture = rng.random((side, side, 3), dtype=np.float32)
    hole = np.zeros((side, side), bool)
    quarter = side // 4
    hole[quarter : 2 * quarter, quarter + seed : 3 * quarter] = True
    return picture, hole


def test_the_papers_ladder_doubles_up_to_the_window() -> None:
    literal = FillSettings(matching="literal")
    assert ladder(512, literal) == (128, 256, 512)
    assert ladder(128, literal) == (128,)
    assert ladder(2048, literal) == (128, 256, 512, 1024, 2048)


def test_coherent_matching_needs_the_scale_it_asks_at_and_the_last_alone() -> None:
    assert ladder(1024, FillSettings()) == (256, 1024)
    assert ladder(512, FillSettings()) == (256, 512)
    assert ladder(256, FillSettings()) == (256,)
    assert ladder(128, FillSettings()) == (128,)
    assert ladder(512, FillSettings(scales=(128, 512))) == (128, 512)


def test_a_thin_hole_is_matched_at_512() -> None:
    assert ladder(2048, FillSettings(), thin=True) == (512, 2048)
    assert ladder(512, FillSettings(), thin=True) == (512,)
    assert ladder(256, FillSettings(), thin=True) == (256,)
    assert ladder(512, FillSettings(scales=(128, 512)), thin=True) == (128, 512)
    assert ladder(512, FillSettings(matching="literal"), thin=True) == (128, 256, 512)
    hole = np.zeros((512, 512), bool)
    hole[100:227, 50:400] = True
    assert is_thin(hole)
    hole[227] = True
    assert not is_thin(hole)


def test_each_window_of_a_batch_climbs_its_own_scales(engine: TorchEngine) -> None:
    pictures = np.random.default_rng(3).random((3, 512, 512, 3), dtype=np.float32)
    holes = np.zeros((3, 512, 512), bool)
    holes[0, 200:230, 100:400] = holes[1, 100:300, 100:300] = holes[2, 200:230, 100:400] = True
    together = fill_windows(engine, pictures, holes, FillSettings())
    for picture, hole, filled in zip(pictures, holes, together, strict=True):
        alone = fill_windows(engine, picture[None], hole[None], FillSettings())[0]
        np.testing.assert_allclose(filled, alone, atol=2e-3)


def test_the_translated_part_is_around_the_hole_a_margin_away() -> None:
    holes = np.zeros((4, 512, 512), bool)
    holes[0, 144:368, 144:368] = True  # the paper's: 224 and twice 16 are 256
    holes[1, 0:10, 500:512] = True  # a corner
    holes[2, 100:214, 3:509] = True  # wide: all columns
    boxes = boxes_around(holes, 128)
    assert boxes[0] == (128, 128, 384, 384)
    assert boxes[1] == (0, 384, 128, 512)
    assert boxes[2].left == 0
    assert boxes[2].right == 512
    assert boxes[2].height == 256
    assert (boxes[3].height, boxes[3].width) == (128, 128)  # no hole: the least there is
    for hole, box in zip(holes, boxes, strict=True):
        assert all(number % 4 == 0 for number in box)
        around = hole.copy()
        around[box.slices] = False
        assert not around.any()
    assert boxes_around(holes, 512) == [(0, 0, 512, 512)] * 4  # an engine that wants all


@pytest.mark.parametrize("first", range(0, 300, 7))
@pytest.mark.parametrize("length", [1, 90, 97, 200])
def test_a_translated_part_has_its_margin_wherever_the_hole_lies(first: int, length: int) -> None:
    hole = np.zeros((1, 512, 512), bool)
    hole[0, first : first + length, first : first + length] = True
    (box,) = boxes_around(hole, 128)
    assert 0 <= box.top <= max(first - 16, 0)
    assert 512 >= box.bottom >= min(first + length + 16, 512)
    assert box.height % 128 == 0
    assert (box.left, box.right) == (box.top, box.bottom)


@pytest.mark.parametrize("matching", MATCHINGS)
def test_what_lies_in_the_hole_does_not_matter(engine: TorchEngine, matching: str) -> None:
    picture, hole = window()
    other = np.where(hole[..., None], np.float32(0.7), picture)
    settings = FillSettings.read({"matching": matching}, "test")
    one = fill_windows(engine, picture[None], hole[None], settings)
    two = fill_windows(engine, other[None], hole[None], settings)
    np.testing.assert_array_equal(one, two)
    assert one.shape == (1, 128, 128, 3)
    assert one.min() >= 0
    assert one.max() <= 1


@pytest.mark.parametrize("matching", MATCHINGS)
def test_a_batch_equals_one_by_one(engine: TorchEngine, matching: str) -> None:
    pictures, holes = (np.stack(part) for part in zip(window(), window(seed=1), strict=True))
    settings = FillSettings.read({"matching": matching}, "test")
    batch = fill_windows(engine, pictures, holes, settings)
    for i in range(2):
        alone = fill_windows(engine, pictures[i : i + 1], holes[i : i + 1], settings)
        np.testing.assert_allclose(batch[i], alone[0], atol=1e-5)


def test_maps_that_are_swapped_at_once_are_as_one_by_one(
    engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = [window(256, seed) for seed in (0, 20)]
    pictures, holes = np.stack([one for one, _ in windows]), np.stack([one for _, one in windows])
    settings = FillSettings(refine=1, scales=(128, 256))
    alone = fill_windows(engine, pictures, holes, settings)
    monkeypatch.setattr("swapfill.engines.torch_engine.at_once", lambda device: True)
    together = fill_windows(engine, pictures, holes, settings)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_twice_the_same_is_the_same_bits(engine: TorchEngine) -> None:
    picture, hole = window()
    one = fill_windows(engine, picture[None], hole[None], FillSettings())
    np.testing.assert_array_equal(
        one, fill_windows(engine, picture[None], hole[None], FillSettings())
    )


def test_another_seed_is_another_fill_and_the_same_again(engine: TorchEngine) -> None:
    picture, hole = window(256)
    fills = [
        fill_windows(engine, picture[None], hole[None], FillSettings(seed=seed, bonus=0.02))
        for seed in (0, 1, 1)
    ]
    assert np.abs(fills[0] - fills[1])[0, hole].max() > 1e-3
    np.testing.assert_array_equal(fills[1], fills[2])


@pytest.mark.parametrize("matching", MATCHINGS)
def test_every_scale_is_visited_and_the_window_keeps_its_size(
    engine: TorchEngine, matching: str
) -> None:
    picture, hole = window(256)
    settings = FillSettings.read({"matching": matching}, "test")
    assert fill_windows(engine, picture[None], hole[None], settings).shape == (1, 256, 256, 3)


def test_refining_translates_again(engine: TorchEngine) -> None:
    picture, hole = window()
    once = fill_windows(engine, picture[None], hole[None], FillSettings(matching="literal"))
    twice = fill_windows(
        engine, picture[None], hole[None], FillSettings(matching="literal", refine=1)
    )
    assert np.abs(once - twice)[:, hole].max() > 1e-4


def test_tone_alignment_gives_the_fill_the_guesss_coarse_colour(engine: TorchEngine) -> None:
    import torch

    rng = torch.Generator().manual_seed(0)
    texture = torch.rand(1, 3, 256, 256, generator=rng) * 0.2
    reference = torch.full((1, 3, 256, 256), 0.6)
    aligned = engine.align_tone(texture, reference, 2.0)
    assert abs(float(aligned.mean()) - 0.6) < 0.01
    # what is finer stays
    fine, before = aligned - aligned.mean(), texture - texture.mean()
    assert float((fine - before).abs().mean()) < 0.02


def guided_engine() -> TorchEngine:
    """Random networks; Feature2Image gives back the pieces' pixels as they are."""
    import torch

    from swapfill.config import Feature2ImageConfig, Image2FeatureConfig
    from swapfill.encoder import CompactEncoder
    from swapfill.feature2image import Feature2Image
    from swapfill.networks import Image2Feature, initialise

    guesser = Image2FeatureConfig(width=8, max_width=16, norm="group", feature_head=True)
    translator = Feature2ImageConfig(side=128, width=8, max_width=16, norm="none", guided=True)
    parts = CompactEncoder(4), Image2Feature(guesser), Feature2Image(translator)
    for part in parts:
        initialise(part, torch.Generator().manual_seed(0))
        part.eval().requires_grad_(False)
    parts[2].tail.to_full.weight.zero_()
    return TorchEngine(parts[0], parts[1], {"all": parts[2]}, torch.device("cpu"), torch.float32)


def test_a_guided_fill_is_made_of_the_pictures_own_pixels() -> None:
    """Each pixel of the hole is a mean of known ones, with half as much detail again at most."""
    picture, hole = window(256)
    picture[:] = np.where(picture[..., :1] > 0.5, 0.3, 0.4)
    filled = fill_windows(guided_engine(), picture[None], hole[None], FillSettings(tone=0))[0]
    assert filled[hole].min() > 0.299 - 0.05  # in a picture of two greys
    assert filled[hole].max() < 0.401 + 0.05
    assert filled[hole].std() > 0.001
    np.testing.assert_allclose(filled[~hole], picture[~hole], atol=1e-5)


def test_guided_the_tone_is_the_guesss_before_the_translation_and_after() -> None:
    engine = guided_engine()
    picture, hole = window(256)
    known = np.where(hole[..., None], 0, picture)[None]
    image, missing = engine.put(known, hole[None])
    settings = FillSettings(tone=3.0)
    scales = ladder(256, settings)
    plain = carry_pieces(engine, image, missing, scales, FillSettings())
    toned = carry_pieces(engine, image, missing, scales, settings)
    wanted = engine.align_tone(plain.swapped.pixels, plain.guess, 3.0)
    wanted = engine.composite(missing, wanted, plain.swapped.pixels)
    np.testing.assert_array_equal(toned.swapped.pixels.numpy(), wanted.numpy())
    filled = fill_windows(engine, known, hole[None], settings)  # and what was made of them, again
    (box,) = boxes_around(hole[None], engine.span(256))
    translated = plain.guess.clone()
    translated[:, :, *box.slices] = wanted[:, :, *box.slices].clamp(0.0025, 0.9975)
    again = engine.align_tone(translated, plain.guess, 3.0)
    np.testing.assert_allclose(filled, engine.get(again), atol=1e-5)


def slats(side: int, period: int) -> np.ndarray:
    angle = 2 * np.pi * (np.arange(side)[:, None] + np.array([0, 2, 5])) / period
    shades = 0.5 + 0.2 * np.sin(angle) + 0.2 * np.cos(2 * angle + 1)
    return np.tile(shades.astype(np.float32), (side, 1, 1))


def test_carried_pieces_are_put_in_step_by_the_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the last scale, each map by its own moves, and again when they are refined."""
    engine, side = guided_engine(), 256
    pictures = np.stack([slats(side, 37), slats(side, 29)])
    holes = np.zeros((2, side, side), bool)
    holes[0, :, 100:160] = holes[1, 60:, 90:150] = True
    image, missing = engine.put(np.where(holes[..., None], 0, pictures), holes)
    settings = FillSettings(bonus=1.0, tone=0)
    carried = carry_pieces(engine, image, missing, (128, side), settings)
    assert carried.moves is not None
    shown: list[np.ndarray] = []
    translate = engine.translate

    def spy(swapped: Any, *guide: Any) -> Any:
        shown.append(engine.get(swapped.pixels))
        return translate(swapped, *guide)

    monkeypatch.setattr(engine, "translate", spy)
    translate_pieces(engine, carried, settings.model_copy(update={"refine": 1}))
    monkeypatch.setattr("swapfill.pipeline._blended", lambda engine, swapped, *_: swapped)
    plain = carry_pieces(engine, image, missing, (128, side), settings)
    pasted, guesses = engine.get(plain.swapped.pixels), engine.get(plain.guess)
    for i, its in enumerate(engine.matches(plain.swapped)):
        assert its is not None
        moves = registered(guesses[i], holes[i], its)
        assert moves.any()
        np.testing.assert_array_equal(carried.moves[i], moves)
        moved = moved_pieces(pasted[i], guesses[i], holes[i], its, moves)
        expected = preserved(moved, guesses[i], holes[i], its)
        first, *refined = (engine.get(carried.swapped.pixels), *shown)
        np.testing.assert_allclose(first[i], expected, atol=1e-6)
        for pixels in refined:  # detail beside a hole is told from what is in it, too
            np.testing.assert_allclose(pixels[i], expected, atol=5e-4)


def test_pieces_that_are_not_carried_stay_where_they_were_matched() -> None:
    engine = guided_engine()
    picture, hole = window(256)
    image, missing = engine.put(np.where(hole[..., None], 0, picture)[None], hole[None])
    assert carry_pieces(engine, image, missing, (256,), FillSettings()).moves is None
    carried = carry_pieces(engine, image, missing, (128, 256), FillSettings())
    (found,) = engine.matches(carried.swapped)
    assert found is not None
    assert carried.moves is not None
    assert carried.moves[0].shape == (len(found), 2)


@pytest.mark.parametrize("scales", [(256,), (128, 256)])
def test_the_mean_of_copies_keeps_their_detail(
    scales: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of thin holes' pieces, which are not carried, as of wide ones'."""
    engine = guided_engine()
    picture, hole = window(256)
    image, missing = engine.put(np.where(hole[..., None], 0, picture)[None], hole[None])
    settings = FillSettings(tone=0)
    kept = engine.get(carry_pieces(engine, image, missing, scales, settings).swapped.pixels)[0]
    monkeypatch.setattr("swapfill.pipeline.preserved", lambda pasted, *_: pasted)
    lost = engine.get(carry_pieces(engine, image, missing, scales, settings).swapped.pixels)[0]
    assert detail(kept, hole) > 1.1 * detail(lost, hole)
    np.testing.assert_array_equal(kept[~hole], lost[~hole])


def detail(picture: np.ndarray, hole: np.ndarray) -> float:
    gap = np.square(np.diff(picture.astype(np.float64), axis=1)).sum(axis=2)
    return float(gap[hole[:, 1:] & hole[:, :-1]].mean())


def test_tone_is_aligned_in_full_precision_under_autocast(engine: TorchEngine) -> None:
    """As training calls it; and a wide blur in bf16 and channels_last takes minutes."""
    texture, reference = torch.rand(2, 1, 3, 128, 128).unbind()
    wanted = engine.align_tone(texture, reference, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = engine.align_tone(texture, reference, 1.0)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def test_a_hole_without_known_patches_is_named(engine: TorchEngine) -> None:
    picture, _ = window()
    hole = np.ones((128, 128), bool)
    hole[0, 0] = False
    with pytest.raises(NoKnownPatchError, match="no known 3x3 patch in 32x32"):
        fill_windows(engine, picture[None], hole[None], FillSettings())


def test_a_start_is_the_guess_where_it_is_sure_and_asks_for_pieces(engine: TorchEngine) -> None:
    picture, hole = window(256)
    start = np.full_like(picture, 0.25)
    sure = hole.copy()
    sure[:, 128:] = False
    left = hole & ~sure
    seen = np.where(hole[..., None], start, picture)
    put, missing = engine.put(picture[None], hole[None])
    begun = Begun(
        *engine.put(np.where(left[..., None], 0, seen)[None].astype(np.float32), left[None])
    )
    pieces = carry_pieces(engine, put, missing, (128, 256), FillSettings(), begun)
    guess = engine.get(pieces.guess)[0]
    np.testing.assert_array_equal(guess[sure], start[sure])
    np.testing.assert_array_equal(guess[~hole], picture[~hole])
    assert not np.allclose(guess[left], start[left])
    alone = fill_windows(engine, picture[None], hole[None], FillSettings())
    begins = Start(start[None], sure[None])
    started = fill_windows(engine, picture[None], hole[None], FillSettings(), start=begins)
    assert started.shape == alone.shape
    assert not np.array_equal(started, alone)


def test_what_a_start_holds_where_it_is_not_sure_does_not_matter(engine: TorchEngine) -> None:
    picture, hole = window()
    sure = hole.copy()
    sure[:, 60:] = False
    one, two = np.zeros_like(picture), np.ones_like(picture)
    one[sure] = two[sure] = 0.4
    filled = [
        fill_windows(
            engine, picture[None], hole[None], FillSettings(), start=Start(begun[None], sure[None])
        )
        for begun in (one, two)
    ]
    np.testing.assert_array_equal(filled[0], filled[1])


@pytest.mark.parametrize("name", ["torch", "onnx"])
def test_parts_are_translated_as_a_window_of_their_size_is(name: str) -> None:
    engine: Any = load_engine(name, Bundle.open("default"), device="cpu", precision="fp32")
    assert engine.span(512) == 128
    picture, hole = window(256)
    put, missing = engine.put(picture[None], hole[None])
    pieces = carry_pieces(engine, put, missing, (128, 256), FillSettings())
    box = Box(64, 64, 192, 192)
    filled = engine.get(translate_pieces(engine, pieces, FillSettings(), [box]))[0]
    guess = engine.get(pieces.guess)[0]
    outside = np.ones((256, 256), bool)
    outside[box.slices] = False
    np.testing.assert_array_equal(filled[outside], guess[outside])
    part, cells = slice(64, 192), slice(16, 48)
    swapped = replace(
        pieces.swapped,
        features=pieces.swapped.features[:, :, cells, cells],
        pixels=pieces.swapped.pixels[:, :, part, part],
    )
    alone = engine.translate(swapped, pieces.guess[:, :, part, part], pieces.hole[:, :, part, part])
    np.testing.assert_allclose(filled[box.slices], engine.get(alone)[0], atol=1e-6)
