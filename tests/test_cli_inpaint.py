"""`swapfill inpaint` with folders; with one picture it is tested in `test_cli`."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from folder_files import draw_folders, draw_mask
from swapfill.cli import main
from swapfill.cli_terminal import picture_bar


@pytest.fixture
def inpaint(capsys: pytest.CaptureFixture[str], tiny_bundle: Path) -> Any:
    """Run `swapfill inpaint` in this process, with a tiny model unless another is given."""

    def run(*arguments: object) -> SimpleNamespace:
        model = () if "--model" in arguments else ("--model", tiny_bundle)
        code = main(["inpaint", *(str(argument) for argument in (*arguments, *model))])
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    return run


def test_a_folder_is_filled_as_its_pictures_one_by_one(inpaint: Any, tmp_path: Path) -> None:
    photos, masks, out = draw_folders(tmp_path, count=4)
    done = inpaint(photos, masks, "-o", out, "--grow", "1")
    assert (done.code, done.out, done.err) == (0, f"4 done, 0 done before: {out}\n", "")
    for photo in photos.rglob("*.*"):
        name = photo.relative_to(photos)
        alone = tmp_path / f"alone{photo.suffix}"
        mask = (masks / name).with_suffix(".png")
        assert inpaint(photo, mask, "-o", alone, "--grow", "1").code == 0
        assert (out / name).read_bytes() == alone.read_bytes()
    again = inpaint(photos, masks, "-o", out, "--grow", "1", "--json")
    assert json.loads(again.out).items() >= {"done": 0, "skipped": 4, "failed": 0}.items()
    assert inpaint(photos, masks, "-o", out, "--grow", "1", "--force", "-q").out == ""
    assert json.loads((out / "report.json").read_text())["done"] == 4


def test_the_exit_code_is_1_if_some_failed_and_says_how_many(inpaint: Any, tmp_path: Path) -> None:
    photos, masks, out = draw_folders(tmp_path, count=4)
    (photos / "a/0.jpg").write_text("no picture")
    (masks / "b/1.png").unlink()
    done = inpaint(photos, masks, "-o", out)
    assert done.code == 1
    assert done.out == f"2 done, 0 done before: {out}\n"
    assert done.err == f"swapfill: 2 failed; {out / 'report.json'} names them\n"


def test_one_mask_serves_a_whole_folder(inpaint: Any, tmp_path: Path) -> None:
    photos, _, out = draw_folders(tmp_path, count=2)
    assert inpaint(photos, draw_mask(tmp_path / "mask.png"), "-o", out).code == 0
    assert (out / "a/0.jpg").exists()


def test_jobs_are_so_many_processes(
    inpaint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def by_processes(count: int, *job: Any) -> Any:
        asked.append(count)
        return iter(())

    monkeypatch.setattr("swapfill.crews.by_processes", by_processes)
    photos, masks, out = draw_folders(tmp_path, count=1)
    inpaint(photos, masks, "-o", out, "--jobs", "3")
    assert asked == [3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["photos", "none", "-o", "out"], ["none", "there is no such file or folder"]),
        (["photos", "masks", "-o", "photos"], ["photos", "is the input itself"]),
        (["photos", "masks", "-o", "photos/a/0.jpg"], ["0.jpg", "is a file, want a folder"]),
        (["photos/a/0.jpg", "masks", "-o", "x.jpg"], ["masks", "is a folder, want a file"]),
        (["empty", "-o", "out"], ["empty", "holds no picture"]),
        (["photos", "masks", "-o", "out", "--model", "none"], ["'none' is not there"]),
        (["photos", "masks", "-o", "out", "--jobs", "0"], ["--jobs"]),
    ],
)
def test_what_does_not_fit_is_refused_with_one_line(
    inpaint: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: list[str],
) -> None:
    draw_folders(tmp_path, count=1)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    run = inpaint(*arguments)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("swapfill: ")
    assert run.err.count("\n") == 1
    for word in words:
        assert word in run.err
    assert not (tmp_path / "out").exists()


def test_the_bar_shows_pictures_a_second_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = Console(force_terminal=True, width=120, record=True, stderr=True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("rich.console.Console", lambda **_: shown)
    with picture_bar("filling photos") as on_progress:
        on_progress(1, None)
        for done in range(2, 9):
            on_progress(done, 40)
    text = shown.export_text()
    assert "filling photos" in text
    assert "8/40" in text
    assert "pictures/s" in text
    assert re.search(r"\d:\d\d:\d\d", text)
