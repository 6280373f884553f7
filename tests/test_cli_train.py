"""The whole way: pictures that the test draws, `swapfill train`, a bundle, `swapfill inpaint`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from swapfill.cli import main
from swapfill.encoder import VGG19
from swapfill.errors import DataError
from swapfill.networks import initialise
from swapfill.weights import save_from

CONFIG = Path(__file__).parents[1] / "configs" / "tiny.toml"


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line of a tiny chain on four drawn pictures, without its options."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    teacher = VGG19()
    initialise(teacher, torch.Generator().manual_seed(0))
    save_from(teacher, tmp_path / "vgg.safetensors")
    (tmp_path / "photos").mkdir()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        ramp = np.linspace(40, 200, 140)[None, :, None] * np.ones((130, 1, 3))
        pixels = np.clip(ramp + rng.normal(0, 20, ramp.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{seed}.png")
    photos = f'["{tmp_path}/photos"]'
    return [
        "train",
        str(CONFIG),
        f"data.sources={photos}",
        f"data.validation={photos}",
        f"data.cache={tmp_path}/cache",
        f"vgg={tmp_path}/vgg.safetensors",
    ]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.slow
def test_the_tiny_chain_trains_a_bundle_that_fills_holes(
    given: list[str],
    tmp_path: Path,
    photo: Path,
    mask: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, output = tmp_path / "run", tmp_path / "filled.png"
    assert main([*given, "--run", str(run)]) == 0
    said = capsys.readouterr()
    assert str(run / "bundle") in said.out
    assert "4-feature2image: step 4 of 4" in said.err
    assert len(list((run / "4-feature2image" / "samples").glob("*.png"))) == 1

    assert main([*given, "--run", str(run)]) == 0  # all is done: nothing is trained again
    assert "step" not in capsys.readouterr().err

    command = ["inpaint", str(photo), str(mask), "-o", str(output), "--model", str(run / "bundle")]
    assert main(command) == 0
    with Image.open(photo) as before, Image.open(output) as after, Image.open(mask) as white:
        old, new, hole = np.asarray(before), np.asarray(after), np.asarray(white) > 0
    np.testing.assert_array_equal(new[~hole], old[~hole])
    assert (new[hole] != old[hole]).any()


# Kills the process in a stage when a step has been looked at and is in the log, but not saved.
KILLED = """
import os, signal, sys
from swapfill.cli import main
from swapfill.training import loop
write = loop.save
def save(stage, folder):
    if folder.name == sys.argv[1] and stage.step == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    write(stage, folder)
loop.save = save
main(sys.argv[3:])
"""


@pytest.mark.slow
def test_a_chain_that_is_killed_twice_ends_where_an_unbroken_one_does(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*given, "optim.save_every=1"]
    assert main([*command, "--run", str(tmp_path / "unbroken")]) == 0
    broken = ["--run", str(tmp_path / "broken")]
    for stage, step in (("2-image2feature", "4"), ("4-feature2image", "4")):
        script = [sys.executable, "-c", KILLED, stage, step, *command, *broken]
        assert subprocess.run(script, check=False).returncode == -signal.SIGKILL
    capsys.readouterr()
    assert main([*command, *broken]) == 0
    said = capsys.readouterr().err
    assert "4-feature2image: step 4 of 4" in said
    assert "step 1 of" not in said
    for stage in ("1-encoder", "2-image2feature", "3-feature2image", "4-feature2image"):
        for name in ("network.safetensors", "best.safetensors", "validation.jsonl"):
            whole, again = (tmp_path / run / stage / name for run in ("unbroken", "broken"))
            assert whole.read_bytes() == again.read_bytes(), f"{stage}/{name}"


@pytest.mark.slow
def test_a_dry_run_of_a_chain_describes_every_stage_and_trains_nothing(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*given, "--run", str(tmp_path / "run"), "--dry-run"]) == 0
    found = json.loads(capsys.readouterr().out)
    stages = ["encoder", "image2feature", "feature2image", "feature2image"]
    assert [one["settings"]["stage"] for one in found] == stages
    assert all(Path(one["picture"]).is_file() for one in found)
    assert all(one["memory_mb"]["total"] > 0 for one in found)
    assert not (tmp_path / "run").exists()


def test_a_chain_has_a_folder_of_its_own_name(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swapfill.training import session

    asked: list[Path] = []

    def train(_: object, folder: Path, *__: object) -> int:
        asked.append(folder)
        raise DataError("enough is known")

    monkeypatch.setattr(session, "train", train)
    monkeypatch.chdir(tmp_path)
    assert main(given) == 2
    assert asked == [Path("runs/tiny/1-encoder")]


def test_a_fault_in_a_chain_is_one_line_that_names_the_stage(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*given, "stages.2.optim.pace=3", "--run", str(tmp_path / "run")]) == 2
    said = capsys.readouterr()
    assert "stages.2: optim.pace is not a setting" in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "run").exists()
