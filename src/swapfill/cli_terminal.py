"""What a person at the terminal sees besides results: notices, errors and bars, all on stderr."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

OnProgress = Callable[[int, int], None]


def say(message: str) -> None:
    """Write one line to stderr, under the program's name."""
    typer.echo(f"swapfill: {message}", err=True)


class _Notices(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


@contextmanager
def notices(*, quiet: bool = False) -> Iterator[None]:
    """Show the library's warnings, one line each, unless `quiet`."""
    handler = _Notices(logging.CRITICAL if quiet else logging.WARNING)
    log = logging.getLogger("swapfill")
    log.addHandler(handler)
    before, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = before


@contextmanager
def bar(description: str, *, quiet: bool = False) -> Iterator[OnProgress]:
    """Show a bar while the block runs; gives what is to be told (done, of all).

    Nothing is shown when `quiet`, or when stderr is no terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, of_all: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, of_all: progress.update(task, completed=done, total=of_all)


@contextmanager
def picture_bar(
    description: str, *, quiet: bool = False
) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar with pictures a second and the time left; of all may be None: not yet counted.

    Nothing is shown when `quiet`, or when stderr is no terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, of_all: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.2f} pictures/s")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, of_all: progress.update(task, completed=done, total=of_all)
