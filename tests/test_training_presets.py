"""Every preset runs from `swapfill train`: described, and trained for two steps at toy size."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from swapfill.architectures import build_feature2image, build_image2feature
from swapfill.bundle import Bundle
from swapfill.cli import main
from swapfill.encoder import CHANNELS, VGG19
from swapfill.networks import initialise
from swapfill.training.chain import load_chain
from swapfill.training.settings import TrainSettings
from swapfill.weights import load_into, read_tensors, save_from

CONFIGS = Path(__file__).parents[1] / "configs"
OWN = ("tiny", "default")
PAPERS = ("paper-imagenet", "paper-coco", "paper-paris", "paper-small")
ABLATIONS = (
    *("deconvolution", "no-adversarial", "relu2-1", "relu4-1", "resnet", "context-encoder"),
    *("predictions", "truth", "mixture"),
)
PRESETS = (*OWN, *PAPERS, *(f"ablation-{name}" for name in ABLATIONS))
THIN = 16  # of VGG-19's channels one is left, where nothing else depends on their number


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two noisy pictures."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        pixels = np.random.default_rng(seed).integers(0, 256, (136, 130, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{seed}.png")
    return tmp_path


def thin_vgg19(monkeypatch: pytest.MonkeyPatch) -> None:
    from swapfill import encoder

    table = [
        (e[0], e[1] // THIN or 3, e[2] // THIN) if isinstance(e, tuple) else e
        for e in encoder._VGG19
    ]
    monkeypatch.setattr(encoder, "_VGG19", table)


def save_vgg19(layer: str, path: Path) -> Path:
    network = VGG19(layer)
    initialise(network, torch.Generator().manual_seed(0))
    save_from(network, path)
    return path


def small(number: int, stage: TrainSettings) -> Iterator[str]:
    """What makes one stage of a chain small: sides in proportion, but what patch-swap needs."""
    own = stage.encoder.kind == "compact"
    side = stage.data.side // 2 if own else 128 if stage.encoder.layer == "relu4_1" else 64
    if stage.stage == "image2feature":
        side = 64
    yield f"stages.{number}.data.side={side}"
    if stage.stage == "feature2image":
        top = stage.feature2image.side // (2 if own else 512 // side)
        yield f"stages.{number}.feature2image.side={top}"
        if stage.query.tile:
            yield f"stages.{number}.query.tile={top}"
    if stage.optim.until is not None:
        yield f"stages.{number}.optim.until=1"


def command(preset: str, made: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line of a preset at toy size on the two pictures."""
    config = CONFIGS / f"{preset}.toml"
    stages = [link.settings for link in load_chain(config, [], made).links]
    kind, layer = stages[-1].encoder.kind, stages[-1].encoder.layer
    photos = f'["{made}/photos"]'
    given = [f"data.sources={photos}", f"data.validation={photos}", f"data.cache={made}/cache"]
    if kind == "vgg19":
        thin_vgg19(monkeypatch)
        given.append(f"feature2image.in_channels={CHANNELS[layer] // THIN}")
    vgg = save_vgg19(layer, made / "vgg")
    given += [f"vgg={vgg}"] + ([f"encoder_weights={vgg}"] if kind == "vgg19" else [])
    widths = ("image2feature", "feature2image")
    given += [f"{name}.{w}" for name in widths for w in ("width=2", "max_width=4")]
    given += ["encoder.width=2", "discriminator.width=2", "image2feature.bottleneck=4"]
    given += ["optim.steps=2", "optim.batch_size=2", "image2feature.side=64"]
    given += ["validation.every=2", "validation.pictures=2", "validation.samples=0"]
    for number, stage in enumerate(stages, 1):
        given += small(number, stage)
    return ["train", str(config), *given, "--run", str(made / "run")]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_described_and_trains_to_a_bundle(
    preset: str, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(preset, made, monkeypatch)
    assert main([*words, "--dry-run"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert all(one["parameters"]["network"] > 0 for one in described)
    assert not (made / "run").exists()

    assert main(words) == 0
    folders = [path for path in (made / "run").iterdir() if path.name != "bundle"]
    assert len(folders) == len(described)
    for folder in folders:
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        assert json.loads(lines[-1])["step"] in (1, 2)
    bundle = Bundle.open(made / "run" / "bundle")
    bundle.verify()
    assert bundle.config.name == preset
    load_into(build_image2feature(bundle.config.image2feature), bundle.weights("image2feature"))
    for side, about in bundle.config.feature2image.items():
        part = "feature2image" if side == "all" else f"feature2image-{side}"
        load_into(build_feature2image(about), bundle.weights(part))


def settings(preset: str) -> list[TrainSettings]:
    links = load_chain(CONFIGS / f"{preset}.toml", [], Path("run")).links
    return [link.settings for link in links]


def changed(preset: str, number: int) -> dict[str, tuple[object, object]]:
    """What a stage of an ablation has other than that of the paper."""
    one, other = (settings(name)[number].model_dump() for name in ("paper-imagenet", preset))
    flat = [(f"{t}.{k}", v) for t in one if isinstance(one[t], dict) for k, v in one[t].items()]
    return {
        name: (value, other[name.split(".")[0]][name.split(".")[1]])
        for name, value in flat
        if other[name.split(".")[0]][name.split(".")[1]] != value
    }


@pytest.mark.parametrize(
    ("preset", "number", "wanted"),
    [
        ("deconvolution", 2, {"feature2image.upsampling": ("resize", "deconvolution")}),
        ("deconvolution", 0, {"feature2image.upsampling": ("resize", "deconvolution")}),
        ("no-adversarial", 0, {"loss.adversarial": (1.0, 0.0)}),
        ("resnet", 3, {"feature2image.kind": ("unet", "resnet")}),
        (
            "relu4-1",
            1,
            {
                "encoder.layer": ("relu3_1", "relu4_1"),
                "feature2image.in_channels": (256, 512),
                "feature2image.stride": (4, 8),
            },
        ),
        ("context-encoder", 3, {"image2feature.kind": ("unet", "context_encoder")}),
        (
            "context-encoder",
            0,
            {
                "image2feature.kind": ("unet", "context_encoder"),
                "discriminator.kind": ("patch", "centre"),
                "optim.batch_size": (16, 64),
                "loss.distance": ("l1", "l2"),
                "loss.image": (1000.0, 12.42),
                "loss.feature": (0.001, 0.0),
                "loss.adversarial": (1.0, 0.001),
            },
        ),
    ],
)
def test_an_ablation_changes_one_thing(
    preset: str, number: int, wanted: dict[str, tuple[object, object]]
) -> None:
    assert changed(f"ablation-{preset}", number) == wanted


def test_there_is_a_test_for_every_ablation() -> None:
    assert {path.stem for path in CONFIGS.glob("ablation-*.toml")} <= set(PRESETS)


def test_weights_that_end_below_the_layer_are_refused_in_one_line(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command("ablation-relu4-1", made, monkeypatch)
    short = save_vgg19("relu3_1", made / "vgg19_relu3_1.safetensors")
    assert "features.12.weight" not in read_tensors(short)
    assert main([*words, f"vgg={short}", f"encoder_weights={short}"]) == 2
    said = capsys.readouterr().err
    assert "vgg19_relu3_1.safetensors: tensor features.12.weight is missing" in said
    assert said.count("\n") == 1
