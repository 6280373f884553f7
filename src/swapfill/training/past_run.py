"""What a run's folder says of itself; imports no torch."""

import json
from pathlib import Path

from swapfill.errors import ConfigError
from swapfill.training.settings import TrainSettings


def run_settings(run: Path, stage: str) -> TrainSettings:
    """Read a run's resolved settings.

    Raises:
        ConfigError: they are missing, or of another stage.
    """
    path = run / "settings.json"
    try:
        settings = TrainSettings.read(json.loads(path.read_text()), str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}, want a run's settings") from None
    if settings.stage != stage:
        raise ConfigError(f"{path}: stage is {settings.stage}, want {stage}")
    return settings


def last_step(run: Path) -> int:
    """Read how far a run came from its log; 0 without one."""
    log = run / "metrics.jsonl"
    lines = log.read_text().splitlines() if log.is_file() else []
    return int(json.loads(lines[-1])["step"]) if lines else 0
