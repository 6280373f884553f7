"""`swapfill train`: one stage of training, resumable."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapfill.cli_terminal import bar, say
from swapfill.errors import OutputError

if TYPE_CHECKING:
    from swapfill.training.loop import Progress, Stage
    from swapfill.training.settings import TrainSettings

_SECONDS_BETWEEN_LINES = 30.0  # of a run whose stderr is no terminal
_SMOOTHING = 0.05  # weight of the newest step in the losses and times that are shown
_INTERRUPTED = 130  # the exit code of a process that SIGINT ended


def train(
    config: Annotated[Path, typer.Argument(help="The run's settings, a TOML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings in place of the file's: optim.steps=100.")
    ] = None,
    *,
    run: Annotated[
        Path | None, typer.Option(help="The run's folder; a run that is there goes on.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the settings and parameter counts; do nothing.")
    ] = False,
) -> None:
    """Train one stage: the encoder, Image2Feature or Feature2Image."""
    if run is None and not dry_run:
        raise typer.BadParameter("want the run's folder", param_hint="--run")
    with bar("importing torch"):
        from swapfill.training.build import build_stage
        from swapfill.training.settings import load_settings

    settings = load_settings(config, overrides or [])
    stage = build_stage(settings)
    if run is None or dry_run:
        typer.echo(json.dumps(_described(settings, stage), indent=2))
        return
    _train(settings, stage, run)
    typer.echo(f"{run}: step {stage.step}, network.safetensors is written")


def _described(settings: "TrainSettings", stage: "Stage") -> dict[str, Any]:
    from swapfill.weights import parameter_count

    networks = {"network": stage.network, "judge": stage.judge}
    counts = {name: parameter_count(part) for name, part in networks.items() if part is not None}
    return {"settings": settings.model_dump(mode="json"), "parameters": counts}


def _train(settings: "TrainSettings", stage: "Stage", folder: Path) -> None:
    from swapfill.files import write_bytes_atomically
    from swapfill.training.build import batch_source
    from swapfill.training.loop import Interrupted
    from swapfill.training.loop import run as run_stage

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}, want a folder") from None
    write_bytes_atomically(folder / "settings.json", settings.model_dump_json(indent=2).encode())
    try:
        with _shown(settings.optim.steps, settings.optim.batch_size) as on_step:
            run_stage(stage, batch_source(settings, say), folder, on_step)
    except Interrupted as stopped:
        say(str(stopped))
        raise typer.Exit(_INTERRUPTED) from None


class Pace:
    """What a step's reader shows: smoothed losses, images a second, time to go."""

    def __init__(self, steps: int, batch_size: int) -> None:
        self.steps, self.batch_size = steps, batch_size
        self._losses: dict[str, float] = {}
        self._seconds = 0.0
        self._last: float | None = None

    def line(self, progress: "Progress", now: float) -> str:
        """Take in a step that ended at `now`, in seconds; give what to show of the run so far."""
        # From step to step, not the step alone: waiting for pictures is part of the pace.
        seconds = progress.seconds if self._last is None else now - self._last
        share = 1.0 if self._last is None else _SMOOTHING
        self._last = now
        self._seconds += share * (seconds - self._seconds)
        for name, value in progress.losses.items():
            before = self._losses.get(name, value)
            self._losses[name] = before + _SMOOTHING * (value - before)
        left = timedelta(seconds=round((self.steps - progress.step) * self._seconds))
        losses = "  ".join(f"{name} {value:.4g}" for name, value in self._losses.items())
        return f"{self.batch_size / max(self._seconds, 1e-9):.1f} images/s  {left} to go  {losses}"


@contextmanager
def _shown(steps: int, batch_size: int) -> Iterator[Callable[["Progress"], None]]:
    """Show a bar on a terminal, and elsewhere a line now and then, for a log to keep."""
    pace = Pace(steps, batch_size)
    if not sys.stderr.isatty():
        yield _lines(pace)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("starting", total=steps)

        def show(progress: "Progress") -> None:
            line = pace.line(progress, time.perf_counter())
            bars.update(task, completed=progress.step, description=line)

        yield show


def _lines(pace: Pace) -> Callable[["Progress"], None]:
    said = float("-inf")

    def show(progress: "Progress") -> None:
        nonlocal said
        now = time.perf_counter()
        line = pace.line(progress, now)
        if now - said >= _SECONDS_BETWEEN_LINES or progress.step == pace.steps:
            said = now
            say(f"step {progress.step} of {pace.steps}  {line}")

    return show
