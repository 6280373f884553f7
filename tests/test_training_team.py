"""One process alone, and two that torchrun starts: together they are one of twice the batch."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from swapfill.cli import main
from swapfill.encoder import VGG19, CompactEncoder
from swapfill.errors import DeviceError
from swapfill.networks import initialise
from swapfill.training.data import Batch
from swapfill.training.team import Team, gather
from swapfill.weights import read_tensors, save_from
from test_training_loop import assert_same_state

# Centre holes and no norm over the batch: then the mean of two means is the mean of all.
CONFIG = """
name = "two"
vgg = "vgg"
encoder_weights = "encoder"
data = { sources = ["photos"], validation = ["photos"], cache = "cache", side = 64 }
encoder.width = 2
image2feature = { side = 64, width = 16, max_width = 16, norm = "group", feature_head = true }
feature2image = { side = 64, width = 8, max_width = 16, norm = "none" }
discriminator = { width = 4, norm = "spectral" }
optim = { steps = 4, batch_size = 2, learning_rate = 1e-3, ema = 0.9, save_every = 3 }
loss.image = 10.0
loss.gradient_penalty = 1.0
loss.penalty_every = 2
loss.ratio = { adversarial = 0.5, steps = 2 }
validation = { every = 2, pictures = 2, samples = 2, tensorboard = false }
[[stages]]
stage = "image2feature"
loss = { head = 1.0, gradient_penalty = 1.0, penalty_every = 2 }
[[stages]]
stage = "feature2image"
[[stages]] # with a head that nothing trains
stage = "image2feature"
optim.steps = 1
"""
STAGES = ("1-image2feature", "2-feature2image", "3-image2feature")


@dataclass(frozen=True)
class Trained:
    """The folder, what the processes said, and what each of them found."""

    folder: Path
    said: str
    found: list[dict[str, Any]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One process with batches of 4, and two with batches of 2."""
    folder = tmp_path_factory.mktemp("team")
    (folder / "photos").mkdir()
    for seed in range(8):
        pixels = np.random.default_rng(seed).integers(0, 256, (70, 80, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{seed}.png")
    for name, network in (("vgg", VGG19()), ("encoder", CompactEncoder(2))):
        initialise(network, torch.Generator().manual_seed(0))
        save_from(network, folder / name)
    (folder / "two.toml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        command = ["train", "two.toml", "optim.batch_size=4", "--run", "alone"]
        assert main(command) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = Path(__file__).with_name("trained_together.py")
    said = subprocess.run(
        [*torchrun, str(script), str(folder)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert said.returncode == 0, said.stderr
    found = [torch.load(folder / f"rank{rank}.pt") for rank in (0, 1)]
    return Trained(folder, said.stdout + said.stderr, found)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", ["network", "best"])
def test_two_processes_of_a_batch_are_one_of_twice_the_batch(
    stage: str, name: str, trained: Trained
) -> None:
    """In spite of a stop between; 1e-6: sums are added up in another order."""
    alone, together = (
        read_tensors(trained.folder / run / stage / f"{name}.safetensors")
        for run in ("alone", "together")
    )
    assert alone.keys() == together.keys()
    for tensor, value in alone.items():
        torch.testing.assert_close(together[tensor], value, rtol=1e-4, atol=2e-6, msg=tensor)


@pytest.mark.slow
def test_a_judges_gradients_are_averaged_too(trained: Trained) -> None:
    for stage in STAGES:
        alone, together = (
            torch.load(trained.folder / run / stage / "state.pt")["judge"]
            for run in ("alone", "together")
        )
        for name, value in alone.items():
            torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.slow
def test_all_stop_when_one_is_asked_to_and_go_on_together(trained: Trained) -> None:
    assert [one["codes"] for one in trained.found] == [(130, 0), (130, 0)]
    # The second process was asked to, before its third step.
    starts = json.loads((trained.folder / "together" / STAGES[0] / "environment.json").read_text())
    assert [start["from_step"] for start in starts] == [0, 3]
    assert [start["processes"] for start in starts] == [2, 2]


@pytest.mark.slow
def test_all_leave_the_group_before_the_interpreter_goes(trained: Trained) -> None:
    """Else gloo's threads end the process by SIGABRT, now and then."""
    assert [(trained.folder / f"left{rank}").read_text() for rank in (0, 1)] == ["False", "False"]


@pytest.mark.slow
def test_one_process_alone_writes_and_speaks(trained: Trained) -> None:
    for stage in STAGES:
        lines = (trained.folder / "together" / stage / "metrics.jsonl").read_text().splitlines()
        steps = [1, 2, 3, 4] if stage != STAGES[2] else [1]
        assert [json.loads(line)["step"] for line in lines] == steps
    assert trained.said.count("stopped at step 3, saved") == 1
    assert trained.said.count("2-feature2image: step 4 of 4") == 1
    assert trained.said.count("the bundle is written") == 1
    assert "Initializing distributed" not in trained.said


@pytest.mark.slow
def test_losses_in_the_log_are_means_over_the_processes(trained: Trained) -> None:
    for stage in STAGES:
        alone, together = (
            json.loads((trained.folder / run / stage / "metrics.jsonl").read_text().splitlines()[0])
            for run in ("alone", "together")
        )
        assert together["losses"] == pytest.approx(alone["losses"], rel=1e-4)


@pytest.mark.slow
def test_each_process_ends_with_the_same_networks_averages_and_statistics(trained: Trained) -> None:
    first, second = (one["state"] for one in trained.found)
    assert_same_state(first, second)
    assert first.keys() == {"step", "network", "average", "optimizer", "judge", "judge_optimizer"}
    assert not any("module" in name for name in first["network"])  # DDP's prefix


@pytest.mark.slow
def test_a_fault_in_one_process_ends_all_and_the_leader_says_it(trained: Trained) -> None:
    leader, follower = (one["faults"] for one in trained.found)
    assert leader == {"leader": "DataError", "nan": "DataError"}
    assert follower == {"leader": "LeaderFailed", "nan": "LeaderFailed"}
    assert not (trained.folder / "nan" / "state.pt").exists()


@pytest.mark.slow
def test_processes_agree_on_means_and_claims(trained: Trained) -> None:
    for one in trained.found:
        assert one["means"] == [1.5, 5.0]
        assert one["claims"] == [True, False]


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process sees that torchrun started with one other."""
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")


@pytest.mark.usefixtures("torchrun")
def test_without_lightning_fabric_several_processes_are_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(DeviceError, match=r"2 processes: want .* pip install 'swapfill\[train\]'"):
        gather("cpu")


@pytest.mark.usefixtures("torchrun")
@pytest.mark.parametrize(
    ("device", "cards", "words"),
    [
        ("cuda:0", 2, "device 'cuda:0' is for one process, want auto, cpu or cuda for 2"),
        ("cuda", 1, "2 processes on this machine have 1 CUDA devices, want one for each"),
    ],
)
def test_processes_that_would_share_a_card_are_refused(
    device: str, cards: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    with pytest.raises(DeviceError, match=words):
        gather(device)


def test_without_torchrun_a_process_is_alone_and_agrees_with_itself() -> None:
    team = gather("cpu")
    assert (team.rank, team.size, team.leads) == (0, 1, True)
    network = torch.nn.Linear(1, 1)
    assert team.join(network) is network
    assert team.mean(torch.tensor([3.0])).tolist() == [3.0]
    assert team.any(True, False) == [True, False]
    assert team.led(lambda: True)
    assert not team.led(lambda: None)


def test_a_process_whose_launcher_is_not_torchrun_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")  # some set it for programs of their own
    assert gather("cpu").size == 1


def test_a_batch_is_taken_onto_the_device_with_its_layout() -> None:
    truth = torch.zeros(2, 3, 8, 8).to(memory_format=torch.channels_last)
    batch = Batch(truth, torch.zeros(2, 1, 8, 8, dtype=torch.bool))
    cpu, far = Team(torch.device("cpu")), Team(torch.device("meta"))
    assert cpu.take(cpu.prepare(batch)) is batch
    found = far.take(far.prepare(batch))
    assert (found.truth.device.type, found.hole.device.type) == ("meta", "meta")
    assert found.truth.is_contiguous(memory_format=torch.channels_last)
