"""`swapfill train`: one stage of training, or a chain of them; resumable."""

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
from swapfill.training.launch import is_leader, processes

if TYPE_CHECKING:
    from torch.nn import Module

    from swapfill.training.progress import Progress
    from swapfill.training.settings import TrainSettings

_SECONDS_BETWEEN_LINES = 30.0  # of a run whose stderr is no terminal
_SMOOTHING = 0.05  # weight of the newest step in the losses and times that are shown
_INTERRUPTED = 130  # the exit code of a process that SIGINT ended
_FAILED = 2


def train(
    config: Annotated[
        Path, typer.Argument(help="The settings, a TOML file: of one stage, or of a chain of them.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings in place of the file's: optim.steps=100.")
    ] = None,
    *,
    run: Annotated[
        Path | None,
        typer.Option(
            help="The run's folder; what is there goes on. Of a chain: runs/NAME if not given."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print settings, parameter counts and memory; write a picture of one batch.",
        ),
    ] = False,
) -> None:
    """Train one stage, or a chain of stages that ends with a bundle. Also under torchrun."""
    if dry_run and not is_leader():
        return
    folder = _folder(config, run, dry_run=dry_run)
    with bar("importing torch", quiet=not is_leader()):
        from swapfill.training.allocator import keep_memory
        from swapfill.training.chain import is_chain, load_chain
        from swapfill.training.settings import load_settings

    keep_memory()
    if is_chain(config):
        chain = load_chain(config, overrides or [], folder)
        if dry_run:
            links = [(link.settings, f"-{link.folder.name}") for link in chain.links]
            _tell(json.dumps([_described(s, folder, name) for s, name in links], indent=2))
            return
        bundle = chain.run(lambda link: _train(link.settings, link.folder), leads=is_leader())
        _tell(f"{bundle}: the bundle is written; use it by --model {bundle}")
        return
    settings = load_settings(config, overrides or [])
    if dry_run:
        _tell(json.dumps(_described(settings, folder), indent=2))
        return
    step = _train(settings, folder)
    _tell(f"{folder}: step {step}, {settings.weights_file} is written")


def _tell(line: str) -> None:
    """Print a line once, however many processes there are."""
    if is_leader():
        typer.echo(line)


def _warn(line: str) -> None:
    if is_leader():
        say(line)


def _folder(config: Path, run: Path | None, *, dry_run: bool) -> Path:
    """Give the run's folder; a chain has one of its own, a stage alone wants to be told."""
    if run is not None:
        return run
    with bar("importing torch"):
        from swapfill.training.chain import is_chain

    chained = config.exists() and is_chain(config)
    if not chained and not dry_run:
        raise typer.BadParameter("want the run's folder", param_hint="--run")
    return Path("runs") / config.stem if chained else Path(config.stem)


def _described(settings: "TrainSettings", folder: Path, name: str = "") -> dict[str, Any]:
    from swapfill.training.session import describe
    from swapfill.weights import load_into

    def load(network: "Module", path: Path) -> None:
        if path.exists() or not path.is_relative_to(folder):  # an earlier stage may be to come
            load_into(network, path)

    picture = folder.with_name(f"{folder.name}{name}-batch.png")
    return describe(settings, picture, load, say)


def _train(settings: "TrainSettings", folder: Path) -> int:
    from swapfill.training import session
    from swapfill.training.loop import Interrupted
    from swapfill.training.team import LeaderFailed

    images = settings.optim.batch_size * processes()
    try:
        with _shown(settings.optim.last_step, images, folder.name) as on_step:
            return session.train(settings, folder, on_step, _warn)
    except Interrupted as stopped:
        _warn(str(stopped))
        raise typer.Exit(_INTERRUPTED) from None
    except LeaderFailed:  # it says why
        raise typer.Exit(_FAILED) from None


class Pace:
    """What a step's reader shows: smoothed losses, images a second, time to go."""

    def __init__(self, steps: int, images: int) -> None:
        self.steps, self._images = steps, images  # a step
        self._smooth: dict[str, float] = {}
        self._first: tuple[int, float] | None = None  # step and time

    def line(self, progress: "Progress", now: float) -> str:
        """Take in a step that is told of at `now`, seconds; give what to show of the run so far."""
        for name, value in {**progress.losses, "": progress.seconds}.items():
            before = self._smooth.get(name, value)
            self._smooth[name] = before + _SMOOTHING * (value - before)
        # By the clock, not by the steps alone: looks and saves take their time too.
        first, since = self._first or (progress.step - 1, now - progress.seconds)
        self._first = first, since
        a_step = (now - since) / (progress.step - first)
        left = timedelta(seconds=round((self.steps - progress.step) * a_step))
        losses = "  ".join(f"{name} {self._smooth[name]:.4g}" for name in progress.losses)
        return f"{self._images / max(self._smooth[''], 1e-9):.1f} images/s  {left} to go  {losses}"


@contextmanager
def _shown(steps: int, images: int, name: str) -> Iterator[Callable[["Progress"], None]]:
    """Show a bar on a terminal, and elsewhere a line now and then, for a log to keep."""
    pace = Pace(steps, images)
    if not is_leader():
        yield lambda progress: None
        return
    if not sys.stderr.isatty():
        yield _lines(pace, name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(f"{name}: starting", total=steps)

        def show(progress: "Progress") -> None:
            line = pace.line(progress, time.perf_counter())
            bars.update(task, completed=progress.step, description=f"{name}  {line}")

        yield show


def _lines(pace: Pace, name: str) -> Callable[["Progress"], None]:
    said = float("-inf")

    def show(progress: "Progress") -> None:
        nonlocal said
        now = time.perf_counter()
        line = pace.line(progress, now)
        if now - said >= _SECONDS_BETWEEN_LINES or progress.step == pace.steps:
            said = now
            say(f"{name}: step {progress.step} of {pace.steps}  {line}")

    return show
