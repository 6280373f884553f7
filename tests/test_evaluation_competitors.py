"""The paper's competitors as methods: their weights are those of a run that the user trained."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evaluation_files import boxed, drawn
from swapfill import bundle, encoder
from swapfill.bundle import sha256
from swapfill.context_encoder import ContextEncoder
from swapfill.encoder import VGG19
from swapfill.errors import BundleError, ConfigError
from swapfill.evaluation.guessing import enlarged
from swapfill.evaluation.methods import METHODS, find
from swapfill.evaluation.methods.interface import Wanted
from swapfill.glcic import CompletionNetwork
from swapfill.networks import initialise
from swapfill.training.settings import TrainSettings
from swapfill.weights import save_from

CONFIGS = Path(__file__).parents[1] / "configs"
RUNS = {"context-encoder": "image2feature", "glcic": "glcic"}


def write_run(folder: Path, stage: str, **more: Any) -> Path:
    """The folder of a run that has trained a toy network for three steps."""
    values: dict[str, Any] = {
        "stage": stage,
        "data": {"sources": ["x"], "side": 128 if stage == "image2feature" else 32},
        "optim": {"batch_size": 4},
        "image2feature": {
            "kind": "context_encoder",
            "mask_aware": False,
            "width": 2,
            "max_width": 4,
            "bottleneck": 8,
        },
        "glcic": {"width": 2},
    }
    settings = TrainSettings.read(values | more, "test")
    network: nn.Module = (
        ContextEncoder(settings.image2feature)
        if settings.image2feature.kind == "context_encoder" and stage == "image2feature"
        else CompletionNetwork(settings.glcic)
    )
    initialise(network, torch.Generator().manual_seed(0))
    folder.mkdir()
    save_from(network, folder / "network.safetensors")
    (folder / "settings.json").write_text(settings.model_dump_json())
    (folder / "metrics.jsonl").write_text("".join(f'{{"step": {i}}}\n' for i in (1, 2, 3)))
    return folder


@pytest.fixture
def vgg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = [
        (e[0], e[1] // 16 or 3, e[2] // 16) if isinstance(e, tuple) else e for e in encoder._VGG19
    ]
    monkeypatch.setattr(encoder, "_VGG19", table)
    network = VGG19("relu3_1")
    initialise(network, torch.Generator().manual_seed(0))
    save_from(network, tmp_path / "vgg.safetensors")
    return tmp_path / "vgg.safetensors"


@pytest.mark.parametrize("name", RUNS)
def test_a_run_fills_the_hole_and_nothing_else(name: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", RUNS[name])
    [(method, wanted)] = find([f"{name}={run}"], Wanted("", device="cpu"))
    truth, hole = drawn(height=140, width=150), boxed(140, 150)
    given = np.where(hole[..., None], np.uint8(0), truth)
    fill = method.load(wanted)
    filled = fill(given, hole)
    np.testing.assert_array_equal(filled[~hole], truth[~hole])
    assert filled[hole].std() > 0
    np.testing.assert_array_equal(fill(given, hole), filled)


def test_the_context_encoder_is_run_at_128_and_enlarged_bilinearly(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", "image2feature")
    [(method, wanted)] = find([f"context-encoder={run}"], Wanted("", device="cpu"))
    truth, hole = drawn(height=256, width=256), np.zeros((256, 256), np.bool_)
    hole[72:184, 72:184] = True  # the paper's
    filled = method.load(wanted)(np.where(hole[..., None], np.uint8(0), truth), hole)

    network = ContextEncoder(
        TrainSettings.read(json.loads((run / "settings.json").read_text()), "x").image2feature
    )
    initialise(network, torch.Generator().manual_seed(0))
    known = np.where(hole[..., None], np.float32(0), truth.astype(np.float32) / np.float32(255))
    small = torch.from_numpy(known).permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(small, size=(128, 128), mode="area")
    here = torch.from_numpy(hole[::2, ::2].copy())[None, None]
    with torch.no_grad():
        guess = network.eval()(small, here).image
    wanted_pixels = enlarged(torch.where(here, guess, small), known[None], hole[None])[0]
    np.testing.assert_allclose(filled, wanted_pixels * 255, atol=0.51)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_says_what_it_has_seen_and_its_weights_are_known(name: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", RUNS[name])
    wanted = Wanted(name, str(run))
    found = METHODS[name].describe(wanted)
    assert (found["steps"], found["pictures seen"]) == (3, 12)
    assert found["sha256"] == sha256(run / "network.safetensors")
    assert found["width"] == 2
    json.dumps(found)
    (run / "network.safetensors").unlink()
    with pytest.raises(BundleError, match=r"network\.safetensors: no such weights file"):
        METHODS[name].describe(wanted)


@pytest.mark.parametrize("name", RUNS)
def test_without_a_run_it_is_said_how_to_train_one(name: str) -> None:
    [(method, wanted)] = find([name], Wanted("", "a/bundle"))
    with pytest.raises(ConfigError) as caught:
        method.describe(wanted)
    line = str(caught.value)
    assert f"swapfill train configs/{name}.toml --run FOLDER" in line
    assert f"--methods {name}=FOLDER" in line
    assert (CONFIGS / f"{name}.toml").is_file()


def test_a_run_of_another_network_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", "glcic")
    with pytest.raises(ConfigError, match=r"settings\.json: stage is glcic, want image2feature"):
        METHODS["context-encoder"].describe(Wanted("x", str(run)))
    own = write_run(tmp_path / "own", "image2feature", image2feature={"width": 2})
    with pytest.raises(ConfigError, match="kind is 'unet', want that of a context_encoder"):
        METHODS["context-encoder"].describe(Wanted("x", str(own)))
    with pytest.raises(ConfigError, match=r"nowhere/settings\.json: cannot be read"):
        METHODS["glcic"].describe(Wanted("x", str(tmp_path / "nowhere")))


def test_neural_patch_starts_from_the_guess_that_it_names(
    tmp_path: Path, tiny_bundle: Path, vgg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swapfill.bundle import Bundle

    opened = Bundle.open
    monkeypatch.setattr(Bundle, "open", lambda model: opened(tiny_bundle))
    run = write_run(tmp_path / "run", "image2feature")
    given = Wanted("", device="cpu", vgg=str(vgg), options={"neural-patch.iterations": 1})
    truth, hole = drawn(height=140, width=150), boxed(140, 150)
    pictures = []
    for typed, told in (
        ("neural-patch", "the packaged Image2Feature"),
        (f"neural-patch={run}", "a Context Encoder"),
    ):
        [(method, wanted)] = find([typed], given)
        described = method.describe(wanted)
        assert described["guess of"] == told
        assert described["vgg"]["layer"] == "relu3_1"
        assert described["iterations"] == 1
        json.dumps(described)
        pictures.append(method.load(wanted)(np.where(hole[..., None], np.uint8(0), truth), hole))
        np.testing.assert_array_equal(pictures[-1][~hole], truth[~hole])
    assert not np.array_equal(pictures[0], pictures[1])


def test_neural_patch_depends_on_nothing_of_a_bundle_but_its_image2feature(
    own_bundle: Path, vgg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "find", lambda model: own_bundle)
    wanted = Wanted("neural-patch", vgg=str(vgg))
    before = METHODS["neural-patch"].describe(wanted)
    for part, is_same in (("feature2image", True), ("image2feature", False)):
        weights = own_bundle / f"{part}.safetensors"
        weights.write_bytes(weights.read_bytes() + b" ")
        bundle.write_sums(own_bundle)
        assert (METHODS["neural-patch"].describe(wanted) == before) is is_same


def test_neural_patch_without_vgg_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BundleError, match="is not there, want --vgg FILE"):
        METHODS["neural-patch"].describe(Wanted("neural-patch"))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"telea.radius": 3}, "--set telea.radius: no such method is asked for"),
        ({"mean.colour": 3}, "--set mean.colour: method mean has no settings"),
        ({"neural-patch.steps": 3}, "--set neural-patch: steps is not a setting, want one of cont"),
        ({"neural-patch.iterations": -1}, "--set neural-patch: iterations is -1: input should be"),
    ],
)
def test_a_setting_that_is_none_is_refused(options: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        find(["mean", "neural-patch"], Wanted("", options=options))


def test_a_setting_goes_to_its_own_row() -> None:
    options = {"neural-patch.iterations": 7}
    rows = find(["mean", "neural-patch"], Wanted("", vgg="v", options=options))
    assert [(wanted.options, wanted.vgg) for _, wanted in rows] == [
        ({}, "v"),
        ({"iterations": 7}, "v"),
    ]
