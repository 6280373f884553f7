import json
from pathlib import Path

import av
import numpy as np
import pytest
from rich.console import Console

from swapfill.cli import main
from video_files import pattern, sing, square_hole, write_clip, write_mask, write_picture


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
    assert (report["frames"], report["lost"], report["engine"]) == (3, 1, "onnx")
    assert "frame 1 at 0.040 s cannot be decoded" in said.err
    assert said.err.splitlines()[-1].endswith("1 of 3 frames could not be decoded")


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with clips, frames and masks, good ones and bad ones."""
    monkeypatch.chdir(tmp_path)
    frames, hole = pattern(2), square_hole()
    write_clip(Path("in.mkv"), frames)
    write_clip(Path("short.mkv"), frames[:1], form="gray")
    write_clip(Path("broken.mov"), frames[:1], codec="png", form="rgb24", damaged=0)
    with av.open("sound.mkv", "w") as container:
        sing(container, container.add_stream("pcm_s16le", rate=8000), 0.2)
    Path("text.mp4").write_text("no clip at all")
    for i, pixels in enumerate(frames):
        write_picture(Path("frames") / f"{i}.png", pixels)
    Path("damaged").mkdir()
    Path("damaged/0.png").write_text("no picture")
    Path("empty").mkdir()
    write_mask(Path("m.png"), hole)
    write_mask(Path("full.png"), np.ones_like(hole))
    write_mask(Path("small.png"), square_hole(32, 32))
    write_mask(Path("few") / "0.png", hole)
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("in.mkv m.png -o out.xyz", "names no clip"),
        ("in.mkv m.png -o out.mkv --option preset", "want name=value"),
        ("in.mkv m.png -o out.mkv --codec h266", "codec 'h266' is not there"),
        ("in.mkv m.png -o out.webm --codec libx264", "webm"),
        ("in.mkv m.png -o no/out.mkv", "there is no folder no"),
        ("in.mkv m.png -o in.mkv", "is the input in.mkv itself"),
        ("in.mkv few -o out.mkv", "few: holds 1 masks, want one for each frame"),
        ("in.mkv short.mkv -o out.mkv", "short.mkv: has 1 frames, want one for each"),
        ("in.mkv sound.mkv -o out.mkv", "sound.mkv: has no video stream"),
        ("in.mkv empty -o out.mkv", "empty: holds no picture"),
        ("in.mkv small.png -o out.mkv", "small.png: is 32 x 32"),
        ("in.mkv full.png -o out.mkv", "covers all 64 x 64"),
        ("in.mkv none.png -o out.mkv", "none.png: there is no such file"),
        ("sound.mkv m.png -o out.mkv", "sound.mkv: has no video stream, want a clip"),
        ("text.mp4 m.png -o out.mp4", "text.mp4: is not a clip"),
        ("broken.mov m.png -o out.mov", "broken.mov: has no frame that can be decoded"),
        ("none.mp4 m.png -o out.mp4", "none.mp4: there is no such file"),
        ("frames few -o out", "few: holds 1 masks, want one for each of 2 frames"),
        ("frames small.png -o out", "small.png: is 32 x 32"),
        ("frames m.png -o frames", "is the input frames itself"),
        ("frames m.png -o no/out", "no/out: cannot be made"),
        ("damaged m.png -o out", "damaged: has no picture that can be decoded"),
        ("empty m.png -o out", "empty: holds no picture, want the frames of a clip"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    inputs: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str], asked: str, line: str
) -> None:
    before = {path: path.is_file() and path.read_bytes() for path in inputs.rglob("*")}
    assert main(["video", *asked.split(), "-q", "--model", str(tiny_bundle)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert line in said.err
    assert {path: path.is_file() and path.read_bytes() for path in inputs.rglob("*")} == before


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
