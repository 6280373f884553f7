from pathlib import Path

import numpy as np
import pytest

from swapfill.bundle import Bundle
from swapfill.config import FillSettings
from swapfill.engines import load_engine
from swapfill.engines.torch_engine import TorchEngine
from swapfill.errors import NoKnownPatchError
from swapfill.pipeline import fill_windows, ladder

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


def test_coherent_matching_needs_the_first_and_the_last_scale_alone() -> None:
    assert ladder(512, FillSettings()) == (128, 512)
    assert ladder(128, FillSettings()) == (128,)
    assert ladder(512, FillSettings(scales=(256, 512))) == (256, 512)


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


def test_twice_the_same_is_the_same_bits(engine: TorchEngine) -> None:
    picture, hole = window()
    one = fill_windows(engine, picture[None], hole[None], FillSettings())
    np.testing.assert_array_equal(
        one, fill_windows(engine, picture[None], hole[None], FillSettings())
    )


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


def test_a_hole_without_known_patches_is_named(engine: TorchEngine) -> None:
    picture, _ = window()
    hole = np.ones((128, 128), bool)
    hole[0, 0] = False
    with pytest.raises(NoKnownPatchError, match="no known 3x3 patch in 32x32"):
        fill_windows(engine, picture[None], hole[None], FillSettings())
