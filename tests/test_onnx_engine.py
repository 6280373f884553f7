from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnx_models import write_bundle
from swapfill.bundle import SHARED, Bundle, BundleConfig, write_sums
from swapfill.config import (
    EncoderConfig,
    Feature2ImageConfig,
    FillSettings,
    Image2FeatureConfig,
)
from swapfill.engines import load_engine
from swapfill.engines.interface import Swapped
from swapfill.engines.onnx_runtime import Provider
from swapfill.errors import BundleError, DeviceError, NoKnownPatchError
from swapfill.inpainter import Inpainter
from swapfill.pipeline import fill_windows

SMALL: dict[str, Any] = {"width": 8, "max_width": 16}
TRANSLATOR = Feature2ImageConfig(side=128, norm="none", **SMALL)
GUIDED = BundleConfig(
    name="guided",
    encoder=EncoderConfig(width=4),
    image2feature=Image2FeatureConfig(norm="group", feature_head=True, membrane=True, **SMALL),
    feature2image={SHARED: TRANSLATOR.model_copy(update={"guided": True})},
    fill=FillSettings(tone=1.5),
)
LITERAL = BundleConfig(
    name="literal",
    encoder=EncoderConfig(width=4),
    image2feature=Image2FeatureConfig(side=64, mask_aware=False, **SMALL),
    feature2image={"128": Feature2ImageConfig(side=128, **SMALL)},
    fill=FillSettings(matching="literal", scales=(128,)),
)


@pytest.fixture(scope="module", params=[GUIDED, LITERAL], ids=lambda config: config.name)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_bundle(request.param, tmp_path_factory.mktemp("bundles") / request.param.name)


@pytest.fixture(scope="module")
def engines(bundle: Bundle) -> tuple[Any, Any]:
    torch = load_engine("torch", bundle, "cpu", "fp32")
    return torch, load_engine("onnx", bundle, "cpu", "fp32")


def windows(side: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth pictures with noise; each hole of another form, the last picture without one."""
    rng = np.random.default_rng(side)
    small = rng.random((batch, 8, 8, 3), dtype=np.float32)
    pictures = small.repeat(side // 8, axis=1).repeat(side // 8, axis=2)
    pictures = np.clip(pictures + rng.normal(0, 0.05, pictures.shape), 0, 1).astype(np.float32)
    y, x = np.mgrid[:side, :side] / side
    holes = np.zeros((batch, side, side), bool)
    for i in range(batch - 1):
        holes[i] = ((y - 0.5) ** 2 + (x - 0.3 - 0.2 * i) ** 2 < 0.04) & ((x + y) * 20 % 3 > i)
    return pictures, holes


def levels(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Give the difference in 8-bit levels, as a file would hold them."""
    return np.asarray(np.abs(np.rint(one * 255) - np.rint(two * 255)))


@pytest.mark.parametrize("matching", ["literal", "blurred", "coherent"])
def test_a_batch_of_windows_is_the_same_picture(
    engines: tuple[Any, Any], bundle: Bundle, matching: str
) -> None:
    carried = bundle.config.name == "guided" and matching == "coherent"
    pictures, holes = windows(256 if carried else 128, 3)
    settings = FillSettings.read({**bundle.config.fill.model_dump(), "matching": matching}, "test")
    one, two = (fill_windows(engine, pictures, holes, settings) for engine in engines)
    assert one[holes].std() > 0.03
    gap = levels(one, two)
    assert gap.max() <= 2
    assert gap.mean() <= 0.05


@pytest.mark.parametrize("bundle", [GUIDED], indirect=True, ids=["guided"])
@pytest.mark.parametrize("size", [(90, 131), (33, 257)])
def test_a_picture_of_any_size_is_the_same_through_either(
    engines: tuple[Any, Any], bundle: Bundle, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*size, 3), np.uint8)
    hole = np.zeros(size, bool)
    hole[size[0] // 3 : size[0] // 2, size[1] // 4 : size[1] // 2] = True
    hole[-9:, -5:] = True
    one, two = (Inpainter(e, bundle.config.fill).fill(pixels, hole) for e in engines)
    gap = np.abs(one.astype(int) - two)
    assert gap.max() <= 2
    assert gap.mean() <= 0.05
    np.testing.assert_array_equal(two[~hole], pixels[~hole])
    assert (two[hole] != pixels[hole]).mean() > 0.9


def test_refining_is_the_same(engines: tuple[Any, Any], bundle: Bundle) -> None:
    pictures, holes = windows(128, 2)
    fill = bundle.config.fill.model_copy(update={"refine": 1, "scales": (128,)})
    one, two = (fill_windows(engine, pictures, holes, fill) for engine in engines)
    assert levels(one, two).max() <= 2


@pytest.mark.slow
def test_the_packaged_model_gives_the_same_picture() -> None:
    from swapfill.demo import packaged

    photo, hole = packaged()
    one, two = (
        Inpainter.load(engine=name, device="cpu", precision="fp32").fill(photo, hole)
        for name in ("torch", "onnx")
    )
    gap = np.abs(one.astype(int) - two)[hole]
    assert gap.max() <= 2
    assert gap.mean() <= 0.05


def test_what_lies_in_the_hole_does_not_matter(engines: tuple[Any, Any], bundle: Bundle) -> None:
    pictures, holes = windows(128, 2)
    fill = bundle.config.fill.model_copy(update={"scales": (128,)})
    other = np.where(holes[..., None], np.float32(0.7), pictures)
    one, two = (fill_windows(engines[1], given, holes, fill) for given in (pictures, other))
    np.testing.assert_array_equal(one, two)


def test_windows_come_back_as_they_went(engines: tuple[Any, Any]) -> None:
    pictures, holes = windows(16, 2)
    image, hole = engines[1].put(pictures, holes)
    assert (image.shape, hole.shape) == ((2, 3, 16, 16), (2, 1, 16, 16))
    np.testing.assert_array_equal(engines[1].get(image), pictures)
    np.testing.assert_array_equal(hole[:, 0], holes)


def test_a_hole_that_leaves_nothing_is_refused(engines: tuple[Any, Any], bundle: Bundle) -> None:
    pictures, holes = windows(128, 2)
    holes[0] = True
    holes[0, 0, 0] = False
    with pytest.raises(NoKnownPatchError):
        fill_windows(engines[1], pictures, holes, bundle.config.fill)


@pytest.mark.parametrize("bundle", [LITERAL], indirect=True, ids=["literal"])
def test_a_side_without_a_translator_is_named(engines: tuple[Any, Any]) -> None:
    picture, features = np.zeros((1, 3, 256, 256)), np.zeros((1, 256, 64, 64))
    with pytest.raises(BundleError, match="no Feature2Image for 256 px, want 128"):
        engines[1].translate(Swapped(features, picture, None), picture, picture[:, :1] > 0)


def test_half_precision_is_refused(bundle: Bundle) -> None:
    with pytest.raises(DeviceError, match=r"precision 'bf16' is not .* onnx, want auto, fp32"):
        load_engine("onnx", bundle, precision="bf16")


def test_in_bytes_the_picture_is_nearly_the_same(bundle: Bundle, engines: tuple[Any, Any]) -> None:
    engine = load_engine("onnx", bundle, "cpu", "int8")
    assert (engine.precision, engines[1].precision) == ("int8", "fp32")
    image = engines[1].put(*windows(128, 2))[0]
    one, two = engines[1].encode(image), engine.encode(image)
    angle = (one * two).sum(axis=1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1))
    assert (one != two).any()
    assert angle.mean() > 0.99
    hole = image[:, :1] > 0.5
    swapped = Swapped(one, image, None)
    filled, again = (one.translate(swapped, image, hole) for one in (engines[1], engine))
    assert 0 < np.abs(filled - again).mean() < 0.01


def test_bytes_are_for_the_cpu_alone(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider("cuda:1", 1, sure=True)
    monkeypatch.setattr("swapfill.engines.onnx_engine.choose_provider", lambda device: provider)
    with pytest.raises(DeviceError, match="precision int8 is for the device cpu, found cuda:1"):
        load_engine("onnx", bundle, "cuda:1", "int8")


def test_weights_of_another_architecture_name_the_first_tensor(own_bundle: Path) -> None:
    config = own_bundle / "config.json"
    config.write_text(config.read_text().replace('"width": 4', '"width": 8'))
    write_sums(own_bundle)
    with pytest.raises(BundleError, match=r"encoder\.safetensors: tensor layers\.0\.weight is"):
        load_engine("onnx", Bundle.open(own_bundle))


def test_a_changed_byte_of_the_weights_is_found(own_bundle: Path) -> None:
    path = own_bundle / "image2feature.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(BundleError, match=r"image2feature\.safetensors: SHA-256"):
        load_engine("onnx", Bundle.open(own_bundle))
