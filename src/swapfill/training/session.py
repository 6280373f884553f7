"""One stage trained in its folder, from settings to weights: what `swapfill train` does."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swapfill.errors import OutputError
from swapfill.training import loop, run_folder
from swapfill.training.build import Load, build_stage, fixed_batches, open_photos, source_of
from swapfill.training.data import Batch
from swapfill.training.memory import estimate
from swapfill.training.samples import write_sheet
from swapfill.training.settings import TrainSettings
from swapfill.training.validation import Listener, Samples, Validation, all_of
from swapfill.weights import parameter_count

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
        with _one_line(folder):
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


@contextmanager
def _one_line(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses to the log, which no other part reports, into one line."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK:
            raise
        raise OutputError(
            f"{folder}: {error.strerror}; state.pt holds the last step that was saved"
        ) from None


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOENT)


def describe(settings: TrainSettings, picture: Path, load: Load, say: Say) -> dict[str, Any]:
    """Say what a run would be, and write a picture of its first batch: truth | incomplete.

    Args:
        settings: of the run.
        picture: the PNG to write; eight pictures at most.
        load: see `build_stage`.
        say: told of pictures that are skipped.

    Returns:
        Plain values: settings, parameter counts, memory in MB, the picture's path.
    """
    stage = build_stage(settings, load)
    networks = {"network": stage.network, "judge": stage.judge}
    counts = {name: parameter_count(part) for name, part in networks.items() if part is not None}
    batch = next(source_of(settings, open_photos(settings, say))(0))
    write_sheet(picture, Batch(batch.truth[:8], batch.hole[:8]))
    few = Batch(batch.truth[:2], batch.hole[:2])
    memory = estimate(stage, few, settings.optim.batch_size)
    return {
        "settings": settings.model_dump(mode="json"),
        "parameters": counts,
        "memory_mb": {name: round(size / 1e6) for name, size in memory.items()},
        "picture": str(picture),
    }
