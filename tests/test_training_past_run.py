from pathlib import Path

import pytest

from swapfill.errors import ConfigError
from swapfill.training.past_run import last_step, run_settings
from swapfill.training.settings import TrainSettings


def test_a_runs_settings_are_read_back(tmp_path: Path) -> None:
    settings = TrainSettings.read({"stage": "glcic", "data": {"sources": ["x"]}}, "test")
    (tmp_path / "settings.json").write_text(settings.model_dump_json())
    assert run_settings(tmp_path, "glcic") == settings
    with pytest.raises(ConfigError, match="stage is glcic, want encoder"):
        run_settings(tmp_path, "encoder")
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(ConfigError, match=r"settings\.json: cannot be read: .*want a run's sett"):
        run_settings(tmp_path, "glcic")


def test_the_last_step_is_that_of_the_log(tmp_path: Path) -> None:
    assert last_step(tmp_path) == 0
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n')
    assert last_step(tmp_path) == 2
