import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation_files import drawn, photographs
from swapfill import cli_evaluate
from swapfill.cli import main
from swapfill.evaluation import perception


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return photographs(tmp_path / "data", 3)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """What another program made of the pictures."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(drawn(i + 1, 32, 32)).save(folder / f"p{i}.png")
    return folder


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights are in torch's cache, and none can be fetched."""

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(perception, "cached_file", lambda: tmp_path / "vgg19-dcbb9e9d.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)


def run(*arguments: object) -> int:
    return main(["evaluate", *map(str, arguments), "--size", "32"])


def test_one_command_makes_the_whole_report(
    data: Path, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"
    assert run(data, "--methods", "mean", "--results", f"theirs={theirs}", "-o", report) == 0
    out, err = capsys.readouterr()
    assert [line.split()[:3] for line in out.splitlines()[1:3]] == [
        ["mean", "3", "0"],
        ["theirs", "3", "0"],
    ]
    assert out.splitlines()[-1] == str(report / "report.html")
    [line] = err.splitlines()
    assert line.startswith("swapfill: the VGG distance is left out: ")
    assert "vgg19-dcbb9e9d.pth is not there, want --vgg FILE" in line
    found = json.loads((report / "report.json").read_text())
    assert [method["name"] for method in found["methods"]] == ["mean", "theirs"]
    assert found["settings"]["protocol"] == "paper"
    table = (report / "pictures.csv").read_text(encoding="utf-8")
    lines = list(csv.DictReader(io.StringIO(table)))
    assert len(lines) == 6
    assert float(lines[0]["seconds"]) > 0
    assert lines[3]["seconds"] == ""  # of another program's nothing is known
    assert (report / "report.html").read_text(encoding="utf-8").count("data:image/webp") == 3 * 4
    assert len(list((report / "truth").iterdir())) == 3
    assert len(list((report / "mask").iterdir())) == 3


def test_what_fails_is_named_counted_and_the_exit_code_1(
    data: Path, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "bad.jpg").write_bytes(b"no picture")
    (theirs / "p1.png").unlink()
    Image.fromarray(drawn(0, 20, 32)).save(theirs / "p2.png")
    assert run(data, "--results", f"theirs={theirs}", "-o", tmp_path / "report", "--json") == 1
    out, err = capsys.readouterr()
    assert "swapfill: bad: not judged: is not a picture" in err
    assert "swapfill: theirs: p1: there is no picture of its name" in err
    assert "swapfill: theirs: p2: " in err
    assert err.splitlines()[-1] == "swapfill: 3 failed; the report names them"
    found = json.loads(out)
    assert found["methods"][0]["count"] == 1
    assert found["failures"].keys() == {"bad"}
    assert "pictures" not in found


def test_where_nothing_can_be_judged_the_exit_code_is_2(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    report = tmp_path / "report"
    assert run(data, "--results", f"theirs={empty}", "-o", report) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"{data}: nothing can be judged, all 3 pictures failed; p0: there is no" in line
    assert run(empty, "--methods", "mean", "-o", report) == 2
    assert "holds no pictures" in capsys.readouterr().err
    shutil.rmtree(data)
    data.mkdir()
    (data / "a.png").write_bytes(b"")
    assert run(data, "--methods", "mean", "-o", report) == 2
    assert "all 1 pictures failed; a: " in capsys.readouterr().err
    assert not (report / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--methods", "lama"], "method 'lama' is unknown, want default, paper,"),
        (["--methods", "paper"], "want no"),
        (["--protocol", "masks"], "protocol masks: no masks are given, want --masks FOLDER"),
        (["--protocol", "boxes", "--masks", "m"], "protocol boxes makes its own holes"),
        (["--protocol", "lama"], "evaluate: protocol is 'lama'"),
        (["--shares", "some"], "--shares is 'some', want ranges such as 0.1-0.2,0.2-0.4"),
        (["--shares", "0.2"], "evaluate: shares"),
        (["--also", "lpips,beauty"], "--also names 'beauty', want some of lpips, fid"),
        (["--vgg", "nowhere.safetensors"], "nowhere.safetensors: no such weights file"),
        (["--device", "abacus"], "device 'abacus' is unknown"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str],
    line: str,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = "no weights of it are packaged" if line == "want no" else line
    if "--methods" not in arguments:
        arguments = ["--methods", "mean", *arguments]
    assert run(data, *arguments, "-o", tmp_path / "report") == 2
    [found] = capsys.readouterr().err.splitlines()
    assert line in found


def test_a_library_that_is_missing_is_asked_for_before_any_work(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli_evaluate, "find_spec", lambda name: None if name == "cv2" else name)
    assert run(data, "-o", tmp_path / "report") == 2
    assert "evaluate: cv2 not installed, want: pip install 'swapfill[eval]'" in (
        capsys.readouterr().err
    )


def test_figures_whose_weights_are_not_here_are_left_out_by_name(
    data: Path, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"
    asked = ["--results", f"theirs={theirs}", "--also", "lpips,fid,u-ids", "-o", report]
    assert run(data, *asked) == 0
    out, err = capsys.readouterr()
    assert "Downloading" not in out
    _, lpips, sets = (line for line in err.splitlines() if line.startswith("swapfill: "))
    assert "LPIPS is left out: " in lpips
    assert "alexnet-owt-7be5be79.pth: cannot be downloaded: no network; get https://" in lpips
    assert "FID, U-IDS: left out: " in sets
    assert "weights-inception-2015-12-05-6726825d.pth: cannot be downloaded" in sets
    assert len(json.loads((report / "report.json").read_text())["left_out"]) == 3


def test_masks_of_ones_own_are_for_pictures_as_they_are(
    data: Path, theirs: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    hole = np.zeros((32, 32), np.uint8)
    hole[3:20, 5:9] = 255
    for i in range(3):
        Image.fromarray(hole).save(masks / f"p{i}.png")
    report = tmp_path / "report"
    asked = ["--results", f"theirs={theirs}", "--masks", str(masks), "-o", str(report)]
    assert main(["evaluate", str(data), *asked]) == 0
    found = json.loads((report / "report.json").read_text())
    assert (found["settings"]["protocol"], found["settings"]["size"]) == ("masks", 0)
    assert found["pictures"][0]["share"] == pytest.approx(17 * 4 / 32**2)


def test_the_readmes_command_works(data: Path, tmp_path: Path) -> None:
    root = Path(__file__).parent.parent
    [line] = re.findall(r"^.*swapfill evaluate.*$", (root / "README.md").read_text(), re.MULTILINE)
    install, command = line.split(" && .venv/bin/swapfill ")
    assert install == ".venv/bin/pip install '.[eval]'"
    methods = "default,telea,mean"  # those that learn nothing are enough here
    words = shlex.split(command.replace("photos", str(data)).replace(methods, "telea,mean"))
    words[-1] = str(tmp_path / words[-1])
    assert main([*words, "--size", "32"]) == 0
    assert (tmp_path / "report" / "report.html").exists()
    assert methods in command


def test_quiet_prints_no_table(
    data: Path, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--results", f"theirs={theirs}", "-o", tmp_path / "report", "-q", "-n", "1"]
    assert run(data, *asked) == 0
    assert capsys.readouterr().out == ""


def test_help_does_not_import_what_evaluation_needs() -> None:
    program = (
        "import sys; from swapfill.cli import main; main(['evaluate', '--help']);"
        "print([m for m in ('torch', 'numpy', 'cv2', 'skimage', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--protocol" in done.stdout


def test_a_method_is_set_from_the_command_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"
    assert run(data, "--methods", "mean", "--set", "mean=3", "-o", report) == 2
    assert "--set is 'mean=3', want METHOD.SETTING=VALUE" in capsys.readouterr().err
    assert run(data, "--methods", "mean", "--set", "mean.x=3", "-o", report) == 2
    assert "--set mean.x: method mean has no settings" in capsys.readouterr().err
    wanted = cli_evaluate._options(["a.b=3", "a.c=[1, 2]", "a.d=word"])
    assert wanted == {"a.b": 3, "a.c": [1, 2], "a.d": "word"}
