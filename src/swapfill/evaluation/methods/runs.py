"""What the methods share whose weights are a training run's."""

from pathlib import Path
from typing import Any

from swapfill.bundle import sha256
from swapfill.errors import BundleError, ConfigError
from swapfill.evaluation.methods.interface import Wanted
from swapfill.training.past_run import last_step, run_settings
from swapfill.training.settings import TrainSettings


def settings_of(wanted: Wanted, stage: str, config: str) -> TrainSettings:
    """Read the settings of the run that a method is given.

    Args:
        wanted: of the method; its `model` is the run's folder.
        stage: what it must have trained.
        config: the file of `configs/` that trains it.

    Raises:
        ConfigError: no folder is given, or it is not that of such a run.
    """
    if wanted.model is None:
        raise ConfigError(
            f"method {wanted.name}: no weights of it are packaged; train them (swapfill train "
            f"configs/{config} --run FOLDER), then give --methods {wanted.name}=FOLDER"
        )
    return run_settings(Path(wanted.model), stage)


def weights_of(run: Path, settings: TrainSettings) -> Path:
    """Give the weights file of a run.

    Raises:
        BundleError: it is not there.
    """
    path = run / settings.weights_file
    if not path.is_file():
        raise BundleError(f"{path}: no such weights file, want that of a run that has saved")
    return path


def about(run: Path, settings: TrainSettings) -> dict[str, Any]:
    """Say what a run has learnt from, and which weights came of it."""
    steps = last_step(run)
    return {
        "sha256": sha256(weights_of(run, settings)),
        "steps": steps,
        "pictures seen": steps * settings.optim.batch_size,
        "side": settings.data.side,
        "seed": settings.optim.seed,
    }
