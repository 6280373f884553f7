import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


def test_the_command_for_many_pictures_works(beside_a_photo: Path) -> None:
    for folder, file in (("photos/a", "photo.jpg"), ("masks/a", "mask.png")):
        (beside_a_photo / folder).mkdir(parents=True)
        name = "b" + Path(file).suffix
        shutil.copy(beside_a_photo / file, beside_a_photo / folder / name)
    (command,) = (block for block in blocks("sh") if block.endswith("masks -o filled\n"))
    program, *arguments = shlex.split(command)
    assert program == ".venv/bin/swapfill"
    assert main(arguments) == 0
    with Image.open(beside_a_photo / "filled/a/b.jpg") as filled:
        assert filled.size == (96, 80)
    assert (beside_a_photo / "filled/report.json").exists()


def test_the_commands_for_style_and_video_work(beside_a_photo: Path) -> None:
    from video_files import pattern, write_clip

    shutil.copy("photo.jpg", "painting.jpg")
    (style,) = (block for block in blocks("sh") if "swapfill style" in block)
    install, command = style.split(" && ")
    assert install == ".venv/bin/pip install '.[torch]'"
    assert main(shlex.split(command)[1:]) == 0
    with Image.open("painted.jpg") as painted, Image.open("photo.jpg") as photo:
        assert painted.size == photo.size
    write_clip(Path("clip.mp4"), pattern(2, 80, 96), codec="libx264")
    (video,) = (block for block in blocks("sh") if "swapfill video" in block)
    install, command = video.split(" && ")
    assert install == ".venv/bin/pip install '.[torch,video]'"
    assert main(shlex.split(command)[1:]) == 0
    assert Path("filled.mp4").stat().st_size > 0
