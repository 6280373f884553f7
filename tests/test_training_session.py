import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from swapfill.encoder import VGG19, CompactEncoder
from swapfill.errors import BundleError, DataError, OutputError
from swapfill.feature2image import Feature2Image
from swapfill.networks import Image2Feature, initialise
from swapfill.training import loop, session
from swapfill.training.build import build_stage, fixed_batches, hole_source
from swapfill.training.data import Batch
from swapfill.training.loop import Interrupted
from swapfill.training.memory import estimate
from swapfill.training.progress import Progress
from swapfill.training.settings import OptimSettings, TrainSettings
from swapfill.weights import load_into, save_from

SIDE = 64


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders of made-up pictures, and frozen networks with random weights."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    rng = np.random.default_rng(0)
    for folder, count in (("photos", 3), ("held", 3)):
        (tmp_path / folder).mkdir()
        for i in range(count):
            pixels = rng.integers(0, 256, (72, 80, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{i}.png")
    for name, network in (("vgg", VGG19()), ("encoder", CompactEncoder(2))):
        initialise(network, torch.Generator().manual_seed(0))
        save_from(network, tmp_path / name)
    return tmp_path


def config(made: Path, stage: str = "feature2image", **parts: dict[str, Any]) -> TrainSettings:
    base: dict[str, Any] = {
        "stage": stage,
        "vgg": str(made / "vgg"),
        "encoder_weights": str(made / "encoder"),
        "data": {
            "sources": [str(made / "photos")],
            "validation": [str(made / "held")],
            "cache": str(made / "cache"),
            "side": SIDE,
        },
        "optim": {"steps": 4, "batch_size": 2, "learning_rate": 1e-3, "save_every": 3},
        "validation": {"every": 2, "pictures": 3, "samples": 2},
        "encoder": {"width": 2},
        "image2feature": {"side": SIDE, "width": 4, "max_width": 8},
        "feature2image": {"side": SIDE, "width": 4, "max_width": 8},
        "discriminator": {"width": 4},
    }
    for name, values in parts.items():
        base[name] = {**base[name], **values}
    return TrainSettings.read(base, "test")


def train(settings: TrainSettings, folder: Path) -> list[int]:
    steps: list[int] = []
    session.train(settings, folder, lambda progress: steps.append(progress.step), print)
    return steps


@pytest.mark.parametrize(
    ("stage", "figure"),
    [("encoder", "distillation"), ("image2feature", "hole_l1"), ("feature2image", "hole_l1")],
)
def test_a_stage_fills_its_folder(stage: str, figure: str, made: Path) -> None:
    run = made / "run"
    assert train(config(made, stage), run) == [1, 2, 3, 4]
    wanted = {"settings.json", "environment.json", "metrics.jsonl", "validation.jsonl", "state.pt"}
    wanted |= {"network.safetensors", "best.safetensors", "finished.json"}
    assert wanted <= {path.name for path in run.iterdir()}
    looks = [json.loads(line) for line in (run / "validation.jsonl").read_text().splitlines()]
    assert [look["step"] for look in looks] == [2, 4]
    assert list(looks[0])[1] == figure
    assert (run / "samples").exists() == (stage != "encoder")
    events = EventAccumulator(str(run))
    events.Reload()
    assert [point.step for point in events.Scalars(f"validation/{figure}")] == [2, 4]
    assert len(events.Tags()["images"]) == (stage != "encoder")
    assert json.loads((run / "finished.json").read_text()) == {"step": 4, "early": False}


def test_a_run_with_looks_goes_on_where_it_was_broken_bit_for_bit(made: Path) -> None:
    settings = config(made, "image2feature", optim={"ema": 0.9})
    train(settings, made / "unbroken")

    def stop(progress: Progress) -> None:
        if progress.step == 2:
            os.kill(os.getpid(), 15)

    with pytest.raises(Interrupted):
        session.train(settings, made / "broken", stop, print)
    assert not (made / "broken" / "finished.json").exists()
    assert train(settings, made / "broken") == [3, 4]
    for name in ("network.safetensors", "best.safetensors", "validation.jsonl"):
        whole, again = ((made / run / name).read_bytes() for run in ("unbroken", "broken"))
        assert whole == again, name
    starts = json.loads((made / "broken" / "environment.json").read_text())
    assert [start["from_step"] for start in starts] == [0, 2]
    assert [start["processes"] for start in starts] == [1, 1]


def test_a_run_that_ends_early_is_finished(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([1.0, 2.0, 3.0])

    def worse(*_: object) -> dict[str, float]:
        return {"hole_l1": next(values)}

    monkeypatch.setattr("swapfill.training.validation.measure", worse)
    settings = config(made, validation={"every": 1, "patience": 1})
    assert train(settings, made / "run") == [1, 2]
    assert json.loads((made / "run" / "finished.json").read_text()) == {"step": 2, "early": True}
    assert torch.load(made / "run" / "state.pt")["step"] == 2


def test_a_run_ends_before_the_end_of_its_schedule_if_it_is_told_to(made: Path) -> None:
    settings = config(made, optim={"until": 2, "cosine": True})
    assert train(settings, made / "run") == [1, 2]
    found = torch.load(made / "run" / "state.pt")["optimizer"]["param_groups"][0]["lr"]
    assert found == pytest.approx(1e-3 * 0.5 * (1 + np.cos(np.pi / 4)))


def test_pictures_held_back_are_always_the_same_ones_and_not_those_learned_from(made: Path) -> None:
    settings = config(made)
    first, again = (fixed_batches(settings, 3, 2, print) for _ in range(2))
    assert [len(batch.truth) for batch in first] == [2]
    assert torch.equal(first[0].truth, again[0].truth)
    learned = fixed_batches(config(made, data={"validation": []}), 3, 3, print)
    assert not any(torch.equal(a, b) for a in first[0].truth for b in learned[0].truth)


@pytest.mark.parametrize(
    ("errno_", "raised"), [(errno.ENOSPC, OutputError), (errno.EBADF, OSError)]
)
def test_a_full_disk_is_one_line_and_other_faults_keep_their_traceback(
    errno_: int, raised: type[Exception], made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno_, "No space left on device")

    monkeypatch.setattr(loop, "run", full)
    with pytest.raises(raised, match="No space left on device") as caught:
        train(config(made), made / "run")
    assert ("state.pt holds the last step" in str(caught.value)) == (raised is OutputError)


@pytest.mark.parametrize(
    ("side", "whole", "words"),
    [(80, 0.5, "short side is 72 pixels, want data.side, 80"), (80, 1.0, None), (72, 0.5, None)],
)
def test_pictures_smaller_than_the_crop_are_refused_unless_they_are_resized(
    side: int, whole: float, words: str | None, made: Path
) -> None:
    from swapfill.training.build import open_photos

    settings = config(made, data={"side": side, "whole": whole})
    if words is None:
        assert len(open_photos(settings, print)) == 3
        return
    with pytest.raises(DataError, match=words):
        open_photos(settings, print)


def test_one_picture_alone_is_refused(made: Path) -> None:
    for name in ("1.png", "2.png"):
        (made / "photos" / name).unlink()
    with pytest.raises(DataError, match="photos: holds one picture, want at least two"):
        train(config(made), made / "run")


def test_ones_own_masks_are_the_holes(made: Path) -> None:
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[3, :] = 255
    (made / "masks").mkdir()
    Image.fromarray(pixels).save(made / "masks" / "m.png")
    draw = hole_source(config(made, data={"holes": "masks", "masks": str(made / "masks")}).data)
    for seed in range(5):
        np.testing.assert_array_equal(draw(np.random.default_rng(seed), SIDE), pixels > 0)


def test_a_dry_run_tells_all_and_shows_a_batch(made: Path) -> None:
    found = session.describe(config(made), made / "batch.png", load_into, print)
    network = Feature2Image(config(made).feature2image)
    assert found["parameters"]["network"] == sum(p.numel() for p in network.parameters())
    assert found["parameters"]["judge"] > 0
    assert found["settings"]["stage"] == "feature2image"
    assert found["memory_mb"].keys() == {"weights", "activations", "process", "total"}
    with Image.open(made / "batch.png") as sheet:
        assert sheet.size == (2 * SIDE, 2 * SIDE)


def test_a_dry_run_may_do_without_weights_that_are_still_to_come(made: Path) -> None:
    (made / "encoder").unlink()
    settings = config(made)
    with pytest.raises(BundleError, match="no such weights file"):
        session.describe(settings, made / "batch.png", load_into, print)
    session.describe(settings, made / "batch.png", lambda *_: None, print)


def test_memory_counts_weights_with_optimisers_and_activations_by_the_batch(made: Path) -> None:
    settings = config(made, "image2feature", optim={"ema": 0.9})
    (batch,) = fixed_batches(settings, 2, 2, print)
    stage = build_stage(settings)
    found = estimate(stage, batch, 2)
    four, six = (estimate(build_stage(settings), batch, size) for size in (4, 6))
    network = Image2Feature(settings.image2feature)
    own = sum(t.nbytes for t in network.state_dict().values())
    assert stage.judge is not None
    judge = sum(t.nbytes for t in stage.judge.state_dict().values())
    encoder = sum(t.nbytes for t in CompactEncoder(2).state_dict().values())
    assert found["weights"] == 5 * own + 4 * judge + encoder
    a_picture = (six["activations"] - four["activations"]) / 2
    assert a_picture == pytest.approx((four["activations"] - found["activations"]) / 2, rel=0.01)
    assert a_picture > 10 * batch.truth[0].nbytes
    assert found["total"] == sum(found[part] for part in ("weights", "activations", "process"))


def test_memory_is_the_most_that_lives_at_a_time() -> None:
    """A step that makes a large tensor, drops it, and keeps a small one for the step back."""

    class Wasteful(loop.Stage):
        def learn(self, batch: Batch) -> dict[str, torch.Tensor]:
            large = batch.truth.repeat(1, 100, 1, 1)
            small = large[:, :3].contiguous()
            del large
            return {"x": small.repeat(1, 10, 1, 1).sum()}

    truth = torch.rand(2, 3, 16, 16)
    stage = Wasteful(torch.nn.Linear(1, 1), OptimSettings())
    found = estimate(stage, Batch(truth, truth[:, :1] > 0.5), 8)
    assert found["activations"] == 101 * 4 * truth.nbytes


@pytest.mark.parametrize("stage", ["image2feature", "feature2image"])
@pytest.mark.parametrize(
    ("layer", "channels", "stride"), [("relu2_1", 128, 2), ("relu4_1", 512, 8)]
)
def test_features_of_other_layers_can_be_trained_with(
    layer: str, channels: int, stride: int, stage: str, made: Path
) -> None:
    """The ablations of section 4.3."""
    teacher = VGG19(layer)
    initialise(teacher, torch.Generator().manual_seed(0))
    save_from(teacher, made / "encoder")
    parts: dict[str, dict[str, Any]] = {
        "encoder": {"kind": "vgg19", "layer": layer},
        "feature2image": {"in_channels": channels, "stride": stride},
        "data": {"side": 128, "whole": 1.0},
    }
    settings = config(made, stage, **parts)
    trained = build_stage(settings)
    (batch,) = fixed_batches(settings, 2, 2, print)
    assert all(bool(term.isfinite()) for term in trained.learn(batch).values())
    assert trained.fill(batch).shape == batch.truth.shape


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    import signal

    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
