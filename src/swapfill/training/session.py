"""One stage trained in its folder, from settings to weights: what `swapfill train` does."""

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from swapfill.devices import choose_device
from swapfill.errors import OutputError
from swapfill.training import loop, run_folder
from swapfill.training.build import Load, build_stage, fixed_batches, open_photos, source_of
from swapfill.training.data import Batch
from swapfill.training.events import open_events
from swapfill.training.memory import estimate
from swapfill.training.samples import sheet_of, write_sheet
from swapfill.training.settings import TrainSettings
from swapfill.training.team import Team, gather
from swapfill.training.validation import Listener, Samples, Validation, all_of, is_due
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
    team = gather(settings.optim.device)
    stage = build_stage(settings, device=str(team.device))
    with ExitStack() as held:
        team.led(partial(_begin, held, folder, settings))
        loop.resume(stage, folder)
        start = (folder, team.device, stage.step, team.size)
        team.led(partial(run_folder.write_environment, *start))
        stage.join(team)
        with team.one_first():
            photos = open_photos(settings, say)
        listeners = [on_step]
        team.led(lambda: listeners.extend(_looks(held, settings, stage, team, folder, say)))
        batches = source_of(settings, photos, rank=team.rank, ranks=team.size, prepare=team.prepare)
        with _one_line(folder):
            due = partial(is_due, every=settings.validation.every, last=settings.optim.last_step)
            loop.run(stage, batches, folder, all_of(listeners), team=team, due=due)
        early = stage.step < settings.optim.last_step
        team.led(partial(run_folder.write_finished, folder, stage.step, early=early))
    return stage.step


def _begin(held: ExitStack, folder: Path, settings: TrainSettings) -> None:
    held.enter_context(run_folder.locked(folder))
    run_folder.write_settings(folder, settings)


def _looks(
    held: ExitStack, settings: TrainSettings, stage: loop.Stage, team: Team, folder: Path, say: Say
) -> list[Listener]:
    """Build what looks at the network: on pictures held back if there are any."""
    looking, optim, found = settings.validation, settings.optim, list[Listener]()
    images = optim.batch_size * team.size
    events = open_events(folder, stage.step, images, optim.last_step, looking.tensorboard)
    if events is not None:
        held.callback(events.close)
        found.append(events)
    if looking.samples:
        (batch,) = fixed_batches(settings, looking.samples, looking.samples, say)
        sheet = None if events is None else events.sheet
        found.append(Samples(stage, team.take(batch), folder, looking.every, sheet))
    if settings.data.validation:
        batches = [team.take(b) for b in fixed_batches(settings, looking.pictures, 8, say)]
        figures = None if events is None else events.figures
        validation = Validation(stage, batches, folder, looking, figures)
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
    device = choose_device(settings.optim.device)
    stage = build_stage(settings, load, str(device))
    networks = {"network": stage.network, "judge": stage.judge}
    counts = {name: parameter_count(part) for name, part in networks.items() if part is not None}
    batch = next(source_of(settings, open_photos(settings, say))(0))
    write_sheet(picture, sheet_of(Batch(batch.truth[:8], batch.hole[:8])))
    few = Team(device).take(Batch(batch.truth[:2], batch.hole[:2]))
    memory = estimate(stage, few, settings.optim.batch_size)
    return {
        "settings": settings.model_dump(mode="json"),
        "parameters": counts,
        "memory_mb": {name: round(size / 1e6) for name, size in memory.items()},
        "picture": str(picture),
    }
