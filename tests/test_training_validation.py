import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from swapfill.errors import OutputError
from swapfill.training.data import Batch
from swapfill.training.loop import Stage
from swapfill.training.progress import Progress
from swapfill.training.samples import sheet_of, write_sheet
from swapfill.training.settings import OptimSettings, ValidationSettings
from swapfill.training.validation import Samples, Validation, all_of, measure


class ToyStage(Stage):
    """Paints one grey, which tests set; its distance to black is its loss."""

    name = "toy"

    def __init__(self, steps: int = 100) -> None:
        super().__init__(nn.BatchNorm2d(3), OptimSettings(steps=steps))
        self.grey, self.seen_training = 0.5, list[bool]()

    def fill(self, batch: Batch) -> Tensor:
        self.seen_training.append(self.result.training)
        return torch.full_like(batch.truth, self.grey)


def batch(size: int = 2) -> Batch:
    truth = torch.zeros(size, 3, 16, 16)
    hole = torch.zeros(size, 1, 16, 16, dtype=torch.bool)
    hole[:, :, 4:8, 4:12] = True
    return Batch(truth, hole)


@pytest.fixture(autouse=True)
def _no_disk_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def looked(stage: ToyStage, validation: Validation, greys: dict[int, float]) -> dict[int, bool]:
    """Tell of steps at which the stage has these greys; give the answers."""
    answers = {}
    for step, grey in greys.items():
        stage.step, stage.grey = step, grey
        with torch.no_grad():
            stage.network.weight.fill_(grey)  # type: ignore[operator]
        answers[step] = validation(Progress(step, {}, 0.1))
    return answers


def validating(stage: Stage, folder: Path, **settings: Any) -> Validation:
    validation = Validation(stage, [batch(), batch()], folder, ValidationSettings(**settings))
    validation.start()
    return validation


def kept(folder: Path) -> float:
    from safetensors.torch import load_file

    return float(load_file(folder / "best.safetensors")["weight"][0])


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "validation.jsonl").read_text().splitlines()]


def test_it_looks_every_so_many_steps_and_at_the_last(tmp_path: Path) -> None:
    stage = ToyStage(steps=7)
    validation = validating(stage, tmp_path, every=3)
    looked(stage, validation, dict.fromkeys(range(1, 8), 0.25))
    found = lines(tmp_path)
    assert [line["step"] for line in found] == [3, 6, 7]
    assert found[0].keys() == {"step", "hole_l1", "psnr", "ssim", "sharpness"}
    assert found[0]["hole_l1"] == pytest.approx(0.25)


def test_the_best_weights_are_kept_and_the_first_of_equals(tmp_path: Path) -> None:
    stage = ToyStage()
    validation = validating(stage, tmp_path, every=1)
    looked(stage, validation, {1: 0.4, 2: 0.2, 3: 0.3})
    assert kept(tmp_path) == pytest.approx(0.2)
    looked(stage, validation, {4: 0.1})
    assert kept(tmp_path) == pytest.approx(0.1)


def test_patience_ends_the_run_after_so_many_looks_without_a_better_one(tmp_path: Path) -> None:
    stage = ToyStage()
    validation = validating(stage, tmp_path, every=1, patience=2)
    greys = {1: 0.4, 2: 0.5, 3: 0.3, 4: 0.3, 5: 0.6}
    answers = looked(stage, validation, greys)
    assert answers == {1: False, 2: False, 3: False, 4: False, 5: True}
    endless = validating(stage, tmp_path / "", every=1)
    assert not any(looked(stage, endless, {6: 0.7, 7: 0.7, 8: 0.7}).values())


def test_a_resumed_run_decides_as_an_unbroken_one(tmp_path: Path) -> None:
    stage = ToyStage()
    looked(stage, validating(stage, tmp_path, every=1, patience=2), {1: 0.2, 2: 0.3, 3: 0.1})
    stage.step = 2  # it was killed before it saved step 3
    again = validating(stage, tmp_path, every=1, patience=2)
    assert [line["step"] for line in lines(tmp_path)] == [1, 2]
    assert looked(stage, again, {3: 0.25}) == {3: True}


def test_the_network_is_looked_at_in_eval_mode_and_left_as_it_was(tmp_path: Path) -> None:
    stage = ToyStage()
    before = {name: t.clone() for name, t in stage.network.state_dict().items()}
    measure(stage, [batch()])
    Samples(stage, batch(), tmp_path, every=1)(Progress(1, {}, 0.1))
    assert stage.seen_training == [False, False]
    assert stage.network.training
    assert all(torch.equal(t, before[name]) for name, t in stage.network.state_dict().items())


def test_samples_are_painted_every_so_many_steps(tmp_path: Path) -> None:
    stage = ToyStage(steps=5)
    samples = Samples(stage, batch(), tmp_path, every=2)
    for step in range(1, 6):
        samples(Progress(step, {}, 0.1))
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["000002.png", "000004.png", "000005.png"]


def test_a_sheet_is_truth_incomplete_filled_and_result_a_row_a_picture(tmp_path: Path) -> None:
    given = batch()
    given.truth[1] = 1.0
    filled = torch.full_like(given.truth, 0.2)
    write_sheet(tmp_path / "deep" / "sheet.png", sheet_of(given, filled))
    with Image.open(tmp_path / "deep" / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape == (32, 64, 3)
    inside, outside = pixels[5::16, 5::16, 0], pixels[1::16, 1::16, 0]
    assert inside.tolist() == [[0, 128, 51, 51], [255, 128, 51, 51]]
    assert outside.tolist() == [[0, 0, 51, 0], [255, 255, 51, 255]]
    write_sheet(tmp_path / "two.png", sheet_of(given))
    with Image.open(tmp_path / "two.png") as sheet:
        assert sheet.size == (32, 32)


def test_a_sheet_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"file: cannot be made"):
        write_sheet(tmp_path / "file" / "x.png", sheet_of(batch()))


def test_every_listener_is_told_and_one_that_has_enough_is_enough() -> None:
    told: list[str] = []

    def listener(name: str, answer: object) -> object:
        told.append(name)
        return answer

    progress = Progress(1, {}, 0.1)
    assert all_of([lambda _: listener("a", True), lambda _: listener("b", None)])(progress)
    assert told == ["a", "b"]
    assert not all_of([lambda _: None, lambda _: 3])(progress)
