import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from swapfill.errors import ConfigError, OutputError
from swapfill.training import run_folder
from swapfill.training.settings import TrainSettings


def config(**parts: Any) -> TrainSettings:
    base = {"stage": "encoder", "vgg": "vgg", "data": {"sources": ["photos"]}, **parts}
    return TrainSettings.read(base, "test")


def test_two_runs_in_one_folder_are_refused_and_the_first_is_named(tmp_path: Path) -> None:
    with run_folder.locked(tmp_path / "run"):
        with (
            pytest.raises(
                OutputError, match=r"run: another run is in it \(process \d+ on"
            ) as found,
            run_folder.locked(tmp_path / "run"),
        ):
            pass
        assert "\n" not in str(found.value)
    with run_folder.locked(tmp_path / "run"):
        pass


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from swapfill.training.run_folder import locked\n"
        "with locked(Path(sys.argv[1])):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "run")], check=False)
    assert done.returncode == -9
    assert (tmp_path / "run" / "run.lock").read_text()
    with run_folder.locked(tmp_path / "run"):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(OutputError, match="file/run: cannot be made: Not a directory"),
        run_folder.locked(tmp_path / "file" / "run"),
    ):
        pass


def test_a_run_that_is_there_goes_on_with_the_same_settings_or_more_steps(tmp_path: Path) -> None:
    run_folder.write_settings(tmp_path, config())
    (tmp_path / "state.pt").write_bytes(b"")
    run_folder.write_settings(tmp_path, config(optim={"steps": 5, "save_every": 1}))
    looser = config(validation={"every": 7}, optim={"steps": 5})
    run_folder.write_settings(tmp_path, looser)
    assert TrainSettings.read(json.loads((tmp_path / "settings.json").read_text()), "") == looser


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"encoder": {"width": 8}}, r"encoder\.width is 32 in the run that is there and 8 now"),
        ({"optim": {"seed": 3}}, r"optim\.seed is 0 in the run that is there and 3 now"),
        ({"data": {"sources": ["other"]}}, r"data\.sources is \['photos'\].* \['other'\] now"),
    ],
)
def test_another_config_is_refused_by_the_first_setting_that_differs(
    parts: dict[str, Any], words: str, tmp_path: Path
) -> None:
    run_folder.write_settings(tmp_path, config())
    before = (tmp_path / "settings.json").read_text()
    (tmp_path / "state.pt").write_bytes(b"")
    with pytest.raises(ConfigError, match=words) as found:
        run_folder.write_settings(tmp_path, config(**parts))
    assert "\n" not in str(found.value)
    assert (tmp_path / "settings.json").read_text() == before
    (tmp_path / "state.pt").unlink()  # nothing has been trained yet
    run_folder.write_settings(tmp_path, config(**parts))


def test_settings_of_a_run_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"")
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(ConfigError, match=r"settings\.json: cannot be read"):
        run_folder.write_settings(tmp_path, config())


def test_each_start_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["swapfill", "train", "my run.toml"])
    for step in (0, 40):
        run_folder.write_environment(tmp_path, torch.device("cpu"), step)
    starts = json.loads((tmp_path / "environment.json").read_text())
    assert [start["from_step"] for start in starts] == [0, 40]
    assert starts[0]["command"] == "swapfill train 'my run.toml'"
    assert starts[0]["versions"]["torch"] == torch.__version__
    assert starts[0]["device"] == "cpu"
    assert starts[0]["threads"] == torch.get_num_threads()
    assert {"started", "git", "python", "system"} < starts[0].keys()


def test_without_git_a_run_is_described_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    run_folder.write_environment(tmp_path, torch.device("cpu"), 0)
    assert json.loads((tmp_path / "environment.json").read_text())[0]["git"] is None


@pytest.mark.parametrize(
    ("step", "early", "steps", "done"),
    [(5, False, 5, True), (5, False, 6, False), (5, True, 6, True)],
)
def test_a_run_is_finished_at_its_last_step_or_when_it_had_enough(
    step: int, early: bool, steps: int, done: bool, tmp_path: Path
) -> None:
    settings = config(optim={"steps": 9, "until": steps})
    assert not run_folder.finished(tmp_path, settings)
    run_folder.write_finished(tmp_path, step, early=early)
    assert run_folder.finished(tmp_path, settings) is done
    (tmp_path / "finished.json").write_text("half")
    assert not run_folder.finished(tmp_path, settings)
