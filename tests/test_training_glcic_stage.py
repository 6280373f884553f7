"""GLCIC's three phases, and the presets that train the paper's competitors."""

import itertools
import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from swapfill.cli import main
from swapfill.errors import ConfigError
from swapfill.glcic import local_squares
from swapfill.training.build import build_stage
from swapfill.training.data import Batch
from swapfill.training.glcic_stage import GlcicStage
from swapfill.training.loop import Interrupted, run
from swapfill.training.memory import estimate
from swapfill.training.past_run import run_settings
from swapfill.training.settings import PhaseSettings, TrainSettings

CONFIGS = Path(__file__).parents[1] / "configs"
SIDE = 32


def settings(**parts: dict[str, Any]) -> TrainSettings:
    base: dict[str, Any] = {
        "stage": "glcic",
        "data": {"sources": ["nowhere"], "side": SIDE},
        "optim": {"steps": 10, "batch_size": 2, "learning_rate": 1e-3},
        "loss": {"image": 1.0, "adversarial": 0.1, "distance": "l2"},
        "glcic": {"width": 2},
        "discriminator": {"width": 2},
        "phases": {"completion": 0.3, "judge": 0.2},
    }
    for name, values in parts.items():
        base[name] = {**base[name], **values}
    return TrainSettings.read(base, "test")


def stage(**parts: dict[str, Any]) -> GlcicStage:
    built = build_stage(settings(**parts))
    assert isinstance(built, GlcicStage)
    return built


def batch(step: int = 0) -> Batch:
    truth = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(step))
    hole = torch.zeros(2, 1, SIDE, SIDE, dtype=torch.bool)
    hole[0, :, 4:12, 4:12] = True
    hole[1, :, 20:28, 16:24] = True
    return Batch(truth, hole)


def batches(step: int) -> Generator[Batch, None, None]:
    yield from map(batch, itertools.count(step))


def learns(network: nn.Module, step: Callable[[], object]) -> bool:
    before = [p.detach().clone() for p in network.parameters()]
    step()
    pairs = zip(before, network.parameters(), strict=True)
    return not all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("step", "completes", "judges", "terms"),
    [
        (0, True, False, {"image"}),
        (2, True, False, {"image"}),
        (3, False, True, {"discriminator"}),
        (4, False, True, {"discriminator"}),
        (5, True, True, {"discriminator", "image", "adversarial"}),
    ],
)
def test_the_completion_learns_then_its_judge_then_both(
    step: int, completes: bool, judges: bool, terms: set[str]
) -> None:
    built, found = stage(), dict[str, Tensor]()
    built.step = step
    assert built.judge is not None
    of_judge = learns(built.judge, lambda: found.update(built.learn(batch())))
    assert of_judge == judges
    assert learns(built.network, lambda: built.learn(batch())) == completes
    assert set(found) == terms
    assert not any(term.requires_grad for term in found.values())


def test_the_image_term_is_the_squared_error_in_the_hole() -> None:
    built, given = stage(), batch()
    with torch.no_grad():
        painted = built.network(torch.where(given.hole, 0.0, given.truth), given.hole)
    gap = (painted - given.truth).square()[given.hole.expand_as(given.truth)]
    torch.testing.assert_close(built.learn(given)["image"], gap.mean())


def test_a_judge_is_fooled_in_the_last_phase_alone() -> None:
    def gradient(weight: float, step: int) -> Tensor:
        built = stage(loss={"adversarial": weight})
        built.step = step
        built.learn(batch())
        return torch.cat(
            [p.grad.flatten() for p in built.network.parameters() if p.grad is not None]
        )

    assert torch.equal(gradient(0.1, 0), gradient(0.0, 0))
    assert not torch.equal(gradient(0.1, 5), gradient(0.0, 5))


def test_the_judge_sees_composites_and_real_squares_of_other_places() -> None:
    built, given = stage(), batch()
    built.step = 3
    assert built.judge is not None
    shown = list[tuple[Tensor, Tensor]]()
    built.judge.register_forward_pre_hook(lambda _, pair: shown.append(pair))
    built.learn(given)
    (real, elsewhere), (fake, around) = shown
    assert torch.equal(real, given.truth)
    assert not torch.equal(local_squares(real, elsewhere), local_squares(real, given.hole))
    assert torch.equal(around, given.hole)
    known = ~given.hole.expand_as(fake)
    assert torch.equal(fake[known], given.truth[known])
    assert not torch.equal(fake, given.truth)


def test_a_resumed_run_ends_where_an_unbroken_one_does_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    unbroken = stage(optim={"ema": 0.9})
    run(unbroken, batches, tmp_path / "unbroken", lambda _: None)

    def stop(progress: Any) -> None:
        if progress.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        run(stage(optim={"ema": 0.9}), batches, tmp_path / "broken", stop)
    resumed = stage(optim={"ema": 0.9})
    run(resumed, batches, tmp_path / "broken", lambda _: None)
    for part in ("network", "judge", "average"):
        wanted = getattr(unbroken, part).state_dict()
        for name, tensor in getattr(resumed, part).state_dict().items():
            assert torch.equal(tensor, wanted[name]), name


def test_fill_gives_the_networks_answer() -> None:
    built, given = stage(), batch()
    built.network.eval()
    with torch.no_grad():
        wanted = built.network(torch.where(given.hole, 0.0, given.truth), given.hole)
    assert torch.equal(built.fill(given), wanted)


def test_memory_is_that_of_the_last_phase() -> None:
    small = estimate(stage(phases={"completion": 1.0, "judge": 0.0}), batch(), 2)
    assert estimate(stage(), batch(), 2)["activations"] > small["activations"]


def test_the_phases_are_shares_of_the_steps() -> None:
    assert PhaseSettings().starts(500_000) == (90_000, 100_000)
    with pytest.raises(ConfigError, match=r"phases: completion and judge are 1\.1, want 1"):
        settings(phases={"completion": 0.9, "judge": 0.2})


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ({"data": {"side": 48}}, "data.side is 48, want a power of two, 16 or more, for glcic"),
        ({"optim": {"batch_size": 1}}, "batch_size is 1, want 2 or more to normalise glcic's"),
    ],
)
def test_what_cannot_be_trained_is_refused(parts: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        settings(**parts)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of two noisy pictures; what a run does with signals is undone."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 36, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{seed}.png")
    yield tmp_path / "photos"
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("preset", "trained"), [("context-encoder", "image2feature"), ("glcic", "glcic")]
)
def test_a_competitor_trains_alone_from_its_preset(preset: str, trained: str, photos: Path) -> None:
    run_folder = photos.parent / "run"
    small = ["data.side=16", "image2feature.side=16", "optim.steps=4", "optim.batch_size=2"]
    small += ["glcic.width=2", "discriminator.width=2", "image2feature.width=2"]
    small += ["image2feature.bottleneck=4", "phases.completion=0.5", "phases.judge=0.25"]
    small += ["validation.every=4", "validation.pictures=2", "validation.samples=2"]
    given = [f'data.sources=["{photos}"]', f'data.validation=["{photos}"]']
    given += [f"data.cache={photos.parent / 'cache'}"]
    command = ["train", str(CONFIGS / f"{preset}.toml"), *given, *small, "--run", str(run_folder)]
    assert main(command) == 0
    found = run_settings(run_folder, trained)
    assert found.stage == trained
    assert (run_folder / found.weights_file).is_file()
    assert len((run_folder / "metrics.jsonl").read_text().splitlines()) == 4
    assert [path.name for path in (run_folder / "samples").iterdir()] == ["000004.png"]
