import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import tifffile
from PIL import Image

from drawn_pictures import tree_of
from swapfill import bundle
from swapfill.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Give the README's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def beside_a_photo(
    tmp_path: Path, photo: Path, mask: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A working folder with photo.jpg and mask.png, where the tiny bundle is the default one."""
    with Image.open(photo) as picture:
        picture.save(tmp_path / "photo.jpg")
    bundles = tmp_path / "bundles"
    shutil.copytree(tiny_bundle, bundles / "default")
    monkeypatch.setattr(bundle, "packaged", lambda: bundles)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_two_commands_do_all_set_up() -> None:
    first, second = blocks("sh")[:2]
    for command in (first, second):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert command.count("\n") == 1
    assert first.rstrip().endswith("&& .venv/bin/swapfill demo")
    assert second.rstrip().endswith("&& .venv/bin/python -m pytest")


def test_ci_finds_the_readmes_commands() -> None:
    pattern = re.search(r"grep '(.*)' README\.md", (ROOT / ".ci" / "run").read_text())
    assert pattern is not None
    found = [line for line in README.splitlines() if re.search(pattern[1], line)]
    assert found == [command.rstrip() for command in blocks("sh")[:2]]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_command_for_ones_own_picture_works(beside_a_photo: Path) -> None:
    program, *arguments = shlex.split(blocks("sh")[2])
    assert program == ".venv/bin/swapfill"
    assert main(arguments) == 0
    with Image.open(beside_a_photo / "filled.png") as filled:
        assert filled.size == (96, 80)


def test_the_python_lines_work(beside_a_photo: Path) -> None:
    names: dict[str, object] = {}
    exec(blocks("python")[0], names)
    result = names["result"]
    assert isinstance(result, Image.Image)
    with Image.open("photo.jpg") as photo, Image.open("mask.png") as mask:
        known = np.asarray(mask) == 0
        np.testing.assert_array_equal(np.asarray(result)[known], np.asarray(photo)[known])


def test_the_options_in_the_table_are_there() -> None:
    helped = ""
    for command in ("inpaint", "style"):
        asked = [sys.executable, "-m", "swapfill", command, "--help"]
        helped += subprocess.run(asked, capture_output=True, text=True).stdout
    options = set(re.findall(r"`(--[a-z-]+)", README))
    known = {name for name in options if re.search(rf"{name}\b", helped)}
    assert options == known != set()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text())
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README says that the commands may be given, the scan small."""
    folder = tmp_path_factory.mktemp("inputs")
    draw = [sys.executable, str(ROOT / "benchmarks" / "inputs.py"), str(folder), "--scan", "300"]
    subprocess.run(draw, check=True)
    return folder


@pytest.fixture
def beside_inputs(drawn: Path, beside_a_photo: Path) -> Path:
    """A working folder with these, where the tiny bundle is the default one."""
    shutil.copytree(drawn, beside_a_photo, dirs_exist_ok=True)
    return beside_a_photo


def run(ending: str, extras: str = "") -> None:
    """Run the one command of the README that ends so, but for the installation before it."""
    (block,) = (block for block in blocks("sh") if block.endswith(f"{ending}\n"))
    install, _, command = block.rpartition(" && ")
    assert install == (f".venv/bin/pip install '.[{extras}]'" if extras else "")
    program, *arguments = shlex.split(command)
    assert program == ".venv/bin/swapfill"
    assert main(arguments) == 0


def known_pixels_are_equal(before: Path, after: Path, mask: Path) -> None:
    known = np.asarray(Image.open(mask)) < 128
    old, new = (tifffile.imread(p) if p.suffix == ".tif" else read(p) for p in (before, after))
    assert (old.shape, old.dtype) == (new.shape, new.dtype)
    np.testing.assert_array_equal(old[known], new[known])
    assert not np.array_equal(old[~known], new[~known])


def read(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_command_for_many_pictures_works(beside_inputs: Path) -> None:
    run("masks -o filled")
    assert tree_of(Path("filled")) == tree_of(Path("photos"))
    assert Path("filled/report.json").exists()
    for name in ("model", "flag"):
        photo, result = (Path(part) / f"shuttle/{name}.png" for part in ("photos", "filled"))
        known_pixels_are_equal(photo, result, Path(f"masks/shuttle/{name}.png"))


def test_the_command_for_large_pictures_works(beside_inputs: Path) -> None:
    run("scan.tif dust.png -o restored.tif")
    assert tifffile.imread("restored.tif").dtype == np.uint16
    known_pixels_are_equal(Path("scan.tif"), Path("restored.tif"), Path("dust.png"))


def test_the_command_for_style_works(beside_inputs: Path) -> None:
    Image.open("photo.jpg").resize((90, 80)).save("photo.jpg")
    run("painting.jpg -o painted.jpg", "torch")
    assert read(Path("painted.jpg")).shape == (80, 90, 3)


def test_the_command_for_video_works(beside_inputs: Path) -> None:
    run("clip.mp4 clip-masks -o filled.mp4", "torch,video")
    with av.open("filled.mp4") as after, av.open("clip.mp4") as before:
        assert after.streams.video[0].frames == before.streams.video[0].frames == 12


@pytest.mark.parametrize("section", ["Many pictures", "Large pictures", "Style", "Video"])
def test_every_verb_has_a_picture_that_it_made_of_less_than_200_kb(section: str) -> None:
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    (picture,) = re.findall(r"!\[[^]]+\]\((docs/images/[a-z]+\.jpg)\)", text)
    assert (ROOT / picture).stat().st_size < 200_000
    made = (ROOT / "benchmarks" / "pictures.py").read_text()
    assert f'"{Path(picture).name}"' in made
