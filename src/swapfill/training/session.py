"""One stage trained in its folder, from settings to weights: what `swapfill train` does."""

from collections.abc import Callable
from pathlib import Path

from swapfill.training import loop, run_folder
from swapfill.training.build import build_stage, fixed_batches, open_photos, source_of
from swapfill.training.settings import TrainSettings
from swapfill.training.validation import Listener, Samples, Validation, all_of

Say = Callable[[str], None]


def train(settings: TrainSettings, folder: Path, on_step: Listener, say: Say) -> int:
    """Train a stage in `folder`, going on if it has begun there.

    Args:
        settings: of the run.
        folder: of the run; see `run_folder`.
        on_step: told of every step.
        say: told of pictures that are skipped.

    Returns:
        The step it ended at.

    Raises:
        Interrupted: a signal came; the state is saved.
        SwapfillError: of any kind; what was saved before is untouched.
    """
    stage = build_stage(settings)
    with run_folder.locked(folder):
        run_folder.write_settings(folder, settings)
        loop.resume(stage, folder)
        device = next(stage.network.parameters()).device
        run_folder.write_environment(folder, device, stage.step)
        photos = open_photos(settings, say)
        listeners = [on_step, *_looks(settings, stage, folder, say)]
        loop.run(stage, source_of(settings, photos), folder, all_of(listeners))
        early = stage.step < settings.optim.last_step
        run_folder.write_finished(folder, stage.step, early=early)
    return stage.step


def _looks(settings: TrainSettings, stage: loop.Stage, folder: Path, say: Say) -> list[Listener]:
    """Build what looks at the network: on pictures held back if there are any."""
    looking, found = settings.validation, list[Listener]()
    if looking.samples:
        (batch,) = fixed_batches(settings, looking.samples, looking.samples, say)
        found.append(Samples(stage, batch, folder, looking.every))
    if settings.data.validation:
        validation = Validation(
            stage, fixed_batches(settings, looking.pictures, 8, say), folder, looking
        )
        validation.start()
        found.append(validation)
    return found
