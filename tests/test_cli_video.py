import json
from pathlib import Path

import pytest
from rich.console import Console

from swapfill.cli import main
from video_files import pattern, square_hole, write_clip, write_mask, write_picture


def test_a_clip_is_filled_and_told_as_json(
    tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "in.mov", pattern(3), codec="png", form="rgb24", damaged=1)
    mask = write_mask(tmp_path / "m.png", square_hole())
    asked = ["video", str(clip), str(mask), "-o", str(tmp_path / "out.mkv"), "--json"]
    asked += ["--codec", "libx264", "--quality", "30", "--option", "preset=ultrafast"]
    asked += ["--steadiness", "0.5", "--batch", "2", "--grow", "1", "--model", str(tiny_bundle)]
    assert main(asked) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["frames"], report["lost"], report["engine"]) == (3, 1, "torch")
    assert "frame 1 at 0.040 s cannot be decoded" in said.err
    assert said.err.splitlines()[-1].endswith("1 of 3 frames could not be decoded")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["-o", "out.xyz"], "names no clip"),
        (["-o", "out.mkv", "--option", "preset"], "want name=value"),
        (["-o", "out.mkv", "--codec", "h266"], "codec 'h266' is not there"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    options: list[str],
    line: str,
    tmp_path: Path,
    tiny_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(Path("in.mkv"), pattern(2))
    write_mask(Path("m.png"), square_hole())
    assert main(["video", "in.mkv", "m.png", *options, "--model", str(tiny_bundle)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert line in said[0]
    assert {path.name for path in tmp_path.iterdir()} == {"in.mkv", "m.png"}


def test_the_bar_shows_pictures_a_second_and_the_time_left(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Console(force_terminal=True, width=120, record=True, stderr=True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("rich.console.Console", lambda **_: shown)
    for i, pixels in enumerate(pattern(4)):
        write_picture(tmp_path / "frames" / f"{i}.png", pixels)
    mask = write_mask(tmp_path / "m.png", square_hole())
    asked = ["video", str(tmp_path / "frames"), str(mask), "-o", str(tmp_path / "out")]
    assert main([*asked, "--batch", "1", "--model", str(tiny_bundle)]) == 0
    text = shown.export_text()
    assert "filling frames" in text
    assert "4/4" in text
    assert "pictures/s" in text
    assert "0:00:00" in text
