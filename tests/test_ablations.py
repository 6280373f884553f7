"""The paper's ablations as benchmarks/ablations.py trains them: one budget, nothing twice."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from swapfill.encoder import VGG19
from swapfill.errors import BundleError
from swapfill.evaluation.methods import METHODS
from swapfill.networks import initialise
from swapfill.training.settings import TrainSettings
from swapfill.weights import read_tensors, save_from

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ablations", ROOT / "benchmarks" / "ablations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ablations"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runs(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is trained for all rows: name and settings of each run, without the training."""
    found: list[tuple[str, TrainSettings]] = []

    def train(settings: TrainSettings, folder: Path, *_: object) -> None:
        found.append((folder.name, settings))
        folder.mkdir(parents=True)
        (folder / "finished.json").write_text('{"early": false, "step": 11}')

    monkeypatch.setattr(script, "train", train)
    asked = ["photos", "--sources", "a.tar", "--vgg", "x", "-o", str(tmp_path), "--steps", "11"]
    given = script._parser().parse_args(asked)
    trained = script.Trained(tmp_path)
    for row in script.ROWS:
        script._trained(row, script._overrides(row, given, Path(row.layer)), trained)
    return found


def test_every_ablation_is_a_row(script: ModuleType) -> None:
    files = {path.stem.removeprefix("ablation-") for path in ROOT.glob("configs/ablation-*.toml")}
    assert files == {row.config for row in script.ROWS}
    assert not {row.name for row in script.ROWS} & set(METHODS)  # a row's folder is a bundle


def test_all_rows_have_one_budget_and_one_rate(runs: list[Any]) -> None:
    steps = {name: one.optim.steps for name, one in runs if not name.startswith("mixture")}
    assert set(steps.values()) == {11}
    assert sum(one.optim.steps for name, one in runs if name.startswith("mixture")) == 11
    alike = {
        (s.data.side, s.optim.batch_size, s.optim.learning_rate, s.data.sources) for _, s in runs
    }
    assert alike == {(64, 8, 1e-3, ("a.tar",))}


def test_what_rows_share_is_trained_once(runs: list[Any]) -> None:
    assert [name for name, _ in runs] == [
        "baseline-1-image2feature",
        "baseline-2-feature2image",
        "deconvolution-2-feature2image",
        "no-adversarial-1-image2feature",
        "no-adversarial-2-feature2image",
        "relu2-1-1-image2feature",
        "relu2-1-2-feature2image",
        "relu4-1-1-image2feature",
        "relu4-1-2-feature2image",
        "resnet-2-feature2image",
        "initialiser-1-image2feature",
        "predictions-2-feature2image",
        "mixture-2-feature2image",
        "mixture-3-feature2image",
    ]


def test_predictions_are_of_the_shared_guess_and_a_second_phase_goes_on(
    runs: list[Any], tmp_path: Path
) -> None:
    by_name = dict(runs)
    guess = tmp_path / "baseline-1-image2feature" / "network.safetensors"
    assert by_name["predictions-2-feature2image"].image2feature_weights == guess
    first = tmp_path / "mixture-2-feature2image" / "network.safetensors"
    assert by_name["mixture-3-feature2image"].initial_weights == first


def test_weights_end_with_the_layer(script: ModuleType, tmp_path: Path) -> None:
    network = VGG19("relu3_1")
    initialise(network, torch.Generator().manual_seed(0))
    save_from(network, tmp_path / "vgg")
    cut = read_tensors(script._encoder(tmp_path / "vgg", "relu2_1", tmp_path / "out"))
    assert set(cut) == set(VGG19("relu2_1").state_dict())
    with pytest.raises(BundleError, match=r"features\.12\.weight is missing, .* relu4_1"):
        script._encoder(tmp_path / "vgg", "relu4_1", tmp_path / "out")
