from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from swapfill.bundle import Bundle
from swapfill.encoder import VGG19, CompactEncoder
from swapfill.engines import ENGINES, chosen_engine, load_engine, torch_can
from swapfill.engines.torch_engine import TorchEngine, choose_precision
from swapfill.errors import BundleError, DeviceError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> TorchEngine:
    engine = load_engine("torch", Bundle.open(tiny_bundle), device="cpu", precision="fp32")
    assert isinstance(engine, TorchEngine)
    return engine


def test_an_unknown_engine_is_refused_with_the_choices(tiny_bundle: Path) -> None:
    with pytest.raises(
        DeviceError, match="engine 'jax' is not there, want one of auto, torch, onnx"
    ):
        load_engine("jax", Bundle.open(tiny_bundle))


@pytest.mark.parametrize(
    ("device", "precision", "torch", "engine"),
    [
        ("auto", "auto", "accelerates", "torch"),
        ("auto", "auto", "on the CPU", "onnx"),
        ("auto", "fp32", "on the CPU", "onnx"),
        ("auto", "auto", "absent", "onnx"),
        ("cpu", "auto", "accelerates", "onnx"),
        ("cpu", "bf16", "on the CPU", "torch"),
        ("cpu", "bf16", "absent", "torch"),  # to be told what to install
        ("cpu", "int8", "accelerates", "onnx"),
        ("mps", "auto", "absent", "torch"),
        ("cuda:1", "fp32", "on the CPU", "torch"),  # to be told that it is not here
        ("cuda", "auto", "absent", "onnx"),
        ("tpu", "auto", "on the CPU", "torch"),
        ("openvino", "auto", "accelerates", "onnx"),
        ("directml:1", "auto", "accelerates", "onnx"),
        ("coreml", "auto", "accelerates", "onnx"),
    ],
)
def test_auto_is_what_the_device_asks_for_or_what_is_fast_here(
    device: str, precision: str, torch: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = None if torch == "absent" else "torch"
    monkeypatch.setattr("swapfill.engines.find_spec", lambda name: found)
    monkeypatch.setattr("swapfill.engines.torch_accelerates", lambda: torch == "accelerates")
    assert chosen_engine(device, precision) == engine


@pytest.mark.parametrize(
    ("device", "precision", "there", "can"),
    [
        ("auto", "auto", True, True),
        ("auto", "auto", False, False),
        ("cpu", "bf16", True, True),
        ("cpu", "int8", True, False),
        ("openvino", "auto", True, False),
    ],
)
def test_torch_can_what_it_has(
    device: str, precision: str, there: bool, can: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swapfill.engines.find_spec", lambda name: name if there else None)
    assert torch_can(device, precision) == can


def test_both_engines_have_the_names_they_are_asked_by(tiny_bundle: Path) -> None:
    for name in ENGINES:
        assert load_engine(name, Bundle.open(tiny_bundle), device="cpu").name == name


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(DeviceError, match="precision 'int3' is unknown, want auto, fp32, bf16"):
        choose_precision("int3", torch.device("cpu"))


def test_windows_come_back_from_the_device_as_they_went(engine: TorchEngine) -> None:
    pictures = np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32)
    holes = np.zeros((2, 8, 8), bool)
    holes[1, 2:4, 5:] = True
    image, hole = engine.put(pictures, holes)
    assert image.shape == (2, 3, 8, 8)
    assert hole.shape == (2, 1, 8, 8)
    np.testing.assert_array_equal(engine.get(image), pictures)
    np.testing.assert_array_equal(hole[:, 0].numpy(), holes)


def test_a_cell_is_missing_if_any_pixel_of_it_is(engine: TorchEngine) -> None:
    hole = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    hole[0, 0, 3, 4] = True
    assert engine.shrink(hole, 2)[0, 0].tolist() == [[False, True], [False, False]]


def test_the_guess_keeps_known_pixels_bit_for_bit(engine: TorchEngine) -> None:
    image = torch.rand(1, 3, 128, 128)
    hole = torch.zeros(1, 1, 128, 128, dtype=torch.bool)
    hole[:, :, 40:80, 30:90] = True
    guess, expected = engine.infer(image, hole)
    known = ~hole.expand_as(image)
    assert torch.equal(guess[known], image[known])
    assert expected is not None
    assert expected.shape == (1, 256, 32, 32)


def test_half_precision_stays_near_full(tiny_bundle: Path, engine: TorchEngine) -> None:
    half = load_engine("torch", Bundle.open(tiny_bundle), device="cpu", precision="bf16")
    image = torch.rand(1, 3, 128, 128)
    full = engine.encode(image)
    assert float((half.encode(image) - full).abs().mean() / full.abs().mean()) < 0.02


def test_weights_of_another_architecture_name_the_first_tensor(own_bundle: Path) -> None:
    from swapfill.bundle import write_sums

    config = own_bundle / "config.json"
    text = config.read_text().replace('"width": 4', '"width": 8')
    config.write_text(text)
    write_sums(own_bundle)
    with pytest.raises(BundleError, match=r"encoder\.safetensors: tensor layers\.0\.weight is"):
        load_engine("torch", Bundle.open(own_bundle))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's compiler meets its own
def test_a_compiled_network_gives_what_it_gave(tiny_bundle: Path, engine: TorchEngine) -> None:
    compiled = TorchEngine.open(Bundle.open(tiny_bundle), "cpu", "fp32", compiled=True)
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(compiled.encode(picture), engine.encode(picture))


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        ("vendor_id : AuthenticAMD\nflags : avx512f avx512_bf16", torch.bfloat16),
        ("vendor_id : GenuineIntel\nflags : avx512f avx512_bf16", torch.float32),
        ("vendor_id : GenuineIntel\nflags : avx512_bf16 amx_bf16 amx_tile", torch.bfloat16),
        ("vendor_id : AuthenticAMD\nflags : avx2", torch.float32),
    ],
)
def test_bf16_is_chosen_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, about: str, wanted: torch.dtype
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(Path, "read_text", lambda path: about)
    assert choose_precision("auto", torch.device("cpu")) is wanted
    assert choose_precision("fp32", torch.device("cpu")) is torch.float32


@pytest.mark.parametrize("layer", ["relu2_1", "relu3_1", "relu4_1", None])
def test_a_high_picture_is_encoded_in_strips_to_the_same_features(
    monkeypatch: pytest.MonkeyPatch, layer: str | None
) -> None:
    network = CompactEncoder(4) if layer is None else VGG19(layer)
    for number, part in enumerate(network.requires_grad_(False).parameters()):
        part.copy_(0.1 * torch.randn(part.shape, generator=torch.Generator().manual_seed(number)))
    engine = TorchEngine(network, cast(Any, SimpleNamespace(config=None)), {}, CPU, torch.float32)
    image = torch.rand(1, 3, 320, 64, generator=torch.Generator().manual_seed(1))
    whole = engine.encode(image)
    monkeypatch.setattr("swapfill.engines.torch_engine._ROWS", 64)
    strips = engine.encode(image)
    assert strips.shape == whole.shape
    torch.testing.assert_close(strips, whole, rtol=1e-5, atol=1e-5 * float(whole.max()))
    network.reach = 0  # too little: the strips' own borders would be seen
    assert float((engine.encode(image) - whole).abs().max()) > 1e-3 * float(whole.max())
