import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from swapfill.cli import main


def _style(tmp_path: Path, side: int = 24) -> str:
    path = tmp_path / "style.png"
    pixels = np.random.default_rng(1).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


def test_a_picture_is_written_and_told_as_json(
    photo: Path, mask: Path, tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, style = tmp_path / "out.png", _style(tmp_path)
    asked = ["style", str(photo), style, style, "--weight", "1", "--weight", "3"]
    asked += ["--mask", str(mask), "-o", str(output), "--model", str(tiny_bundle), "--json"]
    assert main(asked) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["output"] == str(output)
    assert report["engine"] == "torch"
    before, after = (np.asarray(Image.open(path)) for path in (photo, output))
    where = np.asarray(Image.open(mask)) > 127
    assert np.array_equal(before[~where], after[~where])
    assert not np.array_equal(before[where], after[where])


def test_a_folder_with_a_failure_ends_with_1_and_a_count(
    photo: Path, tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents, output = tmp_path / "contents", tmp_path / "out"
    contents.mkdir()
    photo.rename(contents / "photo.png")
    (contents / "bad.jpg").write_bytes(b"")
    asked = ["style", str(contents), _style(tmp_path), "-o", str(output)]
    asked += ["--model", str(tiny_bundle)]
    assert main([*asked, "--json"]) == 1
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (told["done"], told["skipped"], told["failed"]) == (1, 0, 1)
    assert told["engine"] == "torch"
    assert said.err.splitlines()[-1] == f"swapfill: 1 failed; {output / 'report.json'} names them"
    assert (output / "photo.png").is_file()
    (contents / "bad.jpg").unlink()
    assert main(asked) == 0
    assert capsys.readouterr().out == f"0 done, 1 done before: {output}\n"
    assert main([*asked, "--force", "--weight", "1"]) == 0
    assert capsys.readouterr().out == f"1 done, 0 done before: {output}\n"


def test_a_folder_takes_its_masks_from_a_folder(
    photo: Path, mask: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    for name, path in (("contents", photo), ("masks", mask)):
        (tmp_path / name).mkdir()
        path.rename(tmp_path / name / "photo.png")
    output = tmp_path / "out"
    asked = ["style", str(tmp_path / "contents"), _style(tmp_path), "-o", str(output)]
    asked += ["--mask", str(tmp_path / "masks"), "--model", str(tiny_bundle)]
    assert main(asked) == 0
    before, after, white = (
        np.asarray(Image.open(tmp_path / name / "photo.png"))
        for name in ("contents", "out", "masks")
    )
    assert np.array_equal(before[white < 128], after[white < 128])
    assert not np.array_equal(before[white > 127], after[white > 127])


@pytest.mark.parametrize("jobs", [1, 3])
def test_jobs_are_so_many_processes(
    photo: Path, tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    asked: list[int] = []

    def by_processes(count: int, *job: Any) -> Any:
        asked.append(count)
        return iter(())

    monkeypatch.setattr("swapfill.crews.by_processes", by_processes)
    (tmp_path / "contents").mkdir()
    photo.rename(tmp_path / "contents" / "photo.png")
    command = ["style", str(tmp_path / "contents"), _style(tmp_path), "-o", str(tmp_path / "out")]
    assert main([*command, "--jobs", str(jobs), "--model", str(tiny_bundle)]) == 0
    assert asked == [jobs] * (jobs > 1)
    assert (tmp_path / "out" / "photo.png").exists() == (jobs == 1)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["-o", "out.xyz"], "out.xyz"),
        (["-o", "nowhere/out.png"], "there is no folder nowhere"),
        (["-o", "out.png", "--strength", "2"], "strength is 2"),
        (["-o", "photo.png"], "is the input"),
        (["-o", "out.png", "--jobs", "0"], "--jobs"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    options: list[str],
    line: str,
    photo: Path,
    tmp_path: Path,
    tiny_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = photo.read_bytes()
    assert (
        main(["style", "photo.png", _style(tmp_path), *options, "--model", str(tiny_bundle)]) == 2
    )
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert line in said[0]
    assert photo.read_bytes() == before
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("folder", [False, True])
def test_a_style_smaller_than_a_patch_is_one_line_and_leaves_nothing(
    photo: Path,
    tmp_path: Path,
    tiny_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    folder: bool,
) -> None:
    contents, output = tmp_path / "contents", tmp_path / "out.png"
    contents.mkdir()
    content = photo.rename(contents / "photo.png")
    asked = ["style", str(contents if folder else content), _style(tmp_path, 11)]
    assert main([*asked, "-o", str(output), "--model", str(tiny_bundle)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "style.png: is 11 x 11 pixels, want a style of at least 12 x 12" in line
    assert not output.exists()
