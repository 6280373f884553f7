"""What works without PyTorch, and what is said where it is needed."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
# Everything that the extras bring: as if it had never been installed.
BLOCKED = ("torch", "cv2", "scipy", "skimage", "sklearn", "onnx", "matplotlib", "torchmetrics")
PROGRAM = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in {BLOCKED} else found(name, *rest)
sys.meta_path.insert(0, Absent())
"""


def light(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run Python where the blocked packages are not there."""
    command = [sys.executable, "-c", PROGRAM + code, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def swapfill(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return light("from swapfill.cli import main; sys.exit(main(sys.argv[1:]))", *arguments)


def test_a_picture_is_filled(photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    done = swapfill("inpaint", photo, mask, "-o", output, "--model", tiny_bundle, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["engine"], told["device"], told["precision"]) == ("onnx", "cpu", "fp32")
    before, after, hole = (np.asarray(Image.open(path)) for path in (photo, output, mask))
    np.testing.assert_array_equal(after[hole == 0], before[hole == 0])
    assert (after[hole > 0] != before[hole > 0]).any(axis=-1).mean() > 0.5


def test_models_are_listed_shown_verified_and_exported(tiny_bundle: Path, tmp_path: Path) -> None:
    for command in (
        ("list",),
        ("show", "paper"),
        ("verify", tiny_bundle),
        ("export", tiny_bundle, "-o", tmp_path / "new"),
    ):
        done = swapfill("models", *command)
        assert (done.returncode, done.stderr) == (0, ""), command
    assert (tmp_path / "new" / "encoder.onnx").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--engine", "torch"), "the engine torch needs PyTorch"),
        (("--precision", "bf16"), "the engine torch needs PyTorch"),
        (("--device", "mps"), "the engine torch needs PyTorch"),
    ],
)
def test_what_needs_torch_says_so_in_one_line(
    photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path, arguments: tuple[str], words: str
) -> None:
    output = tmp_path / "out.png"
    done = swapfill("inpaint", photo, mask, "-o", output, "--model", tiny_bundle, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"swapfill: {words}")
    assert done.stderr.endswith("want: pip install 'swapfill[torch]'\n")
    assert done.stderr.count("\n") == 1
    assert not output.exists()


def test_training_says_what_to_install(tmp_path: Path) -> None:
    done = swapfill("train", ROOT / "configs" / "tiny.toml", "--run", tmp_path / "run")
    assert done.returncode == 2
    line = "swapfill: the package torch is missing, want: pip install 'swapfill[torch]'\n"
    assert done.stderr == line


def test_the_extras_alone_bring_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {line.partition(">")[0].partition("<")[0] for line in project["dependencies"]}
    assert names.isdisjoint(BLOCKED)
    assert "onnxruntime" in names
    for extra in ("eval", "train", "dev"):
        own = [name for name in project["optional-dependencies"][extra] if "swapfill[" in name]
        assert any("torch" in name for name in own)


def test_a_folder_is_filled_by_two_processes(
    photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """Each of them without PyTorch, too: what is not there is said where any Python starts."""
    (tmp_path / "sitecustomize.py").write_text(PROGRAM)
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name in ("a.png", "b.png"):
        (photos / name).write_bytes(photo.read_bytes())
    command = [sys.executable, "-m", "swapfill", "inpaint", photos, mask, "-o", out, "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*map(str, command), "--model", str(tiny_bundle), "-q"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    alone = tmp_path / "alone.png"
    assert swapfill("inpaint", photo, mask, "-o", alone, "--model", tiny_bundle).returncode == 0
    for name in ("a.png", "b.png"):
        assert (out / name).read_bytes() == alone.read_bytes()
