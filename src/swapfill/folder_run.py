"""Do a folder of pictures: what is done is skipped, what fails is collected.

Each picture's outcome goes to the journal as it comes, so that a run that is killed goes on where
it was. At the end `report.json` in the output folder counts them, and names those that failed.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from swapfill.errors import OutputError
from swapfill.files import write_atomically
from swapfill.folders import STATE, Folders
from swapfill.journal import Journal, open_journal
from swapfill.picture_task import Outcome, Run, Task

REPORT = "report.json"

Crew = Callable[[Iterator[Task]], Iterator[Outcome]]
OnProgress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Summary:
    """How many pictures were done, were done before, and failed; and how long it took."""

    done: int
    skipped: int
    failed: int
    seconds: float


def fill_folder(
    folders: Folders, how: Run, crew: Crew, *, on_progress: OnProgress = lambda done, of_all: None
) -> Summary:
    """Fill every picture of a folder, or do whatever else the crew does to each.

    Args:
        folders: where pictures, masks and results are.
        how: what holds for all of them.
        crew: does tasks, and gives their outcomes as they are ready.
        on_progress: called with the number of pictures that are through, and of all, which is None
            until they have been counted.

    Raises:
        ImageError: there is no such folder, or no picture in it.
        MaskError: there are no such masks.
        OutputError: the results, the journal or the report cannot be written there.
    """
    folders.check()
    start, counts = time.perf_counter(), {"done": 0, "skipped": 0, "failed": 0}
    _make_output(folders.output)
    with open_journal(folders.output / STATE) as journal, _Count(folders) as of_all:

        def tell(name: str, error: OSError) -> None:
            journal.failed(name, f"{folders.photos / name}: cannot be read: {error.strerror}")
            counts["failed"] += 1

        tasks = (Task(name, journal.entry(name)) for name in folders.names(tell))
        for through, outcome in enumerate(crew(tasks), start=1):
            counts[outcome.status] += 1
            _write_down(journal, outcome)
            on_progress(through, of_all.total)
        summary = Summary(**counts, seconds=round(time.perf_counter() - start, 3))
        write_report(folders, how, summary, journal.failures())
    return summary


def _write_down(journal: Journal, outcome: Outcome) -> None:
    if outcome.status == "failed":
        journal.failed(outcome.name, outcome.error)
    elif outcome.status == "done" and outcome.entry is not None:
        journal.done(outcome.name, outcome.entry)


def _make_output(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from error


class _Count:
    """Counts the pictures of a folder in a thread of its own, beside the work."""

    def __init__(self, folders: Folders) -> None:
        self.total: int | None = None
        self._folders, self._ends = folders, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "_Count":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        count = 0
        for _ in self._folders.names(lambda name, error: None):
            if self._ends.is_set():
                return
            count += 1
        self.total = count


def write_report(
    folders: Folders, how: Run, summary: Summary, failures: Iterator[tuple[str, str]]
) -> None:
    """Write `report.json` into the output folder; failures go there one by one, however many.

    Raises:
        OutputError: it cannot be written.
    """
    head: dict[str, Any] = {
        "photos": str(folders.photos),
        "masks": None if folders.masks is None else str(folders.masks),
        "output": str(folders.output),
        **how.told(),
        **asdict(summary),
    }

    def write(file: BinaryIO) -> None:
        file.write(json.dumps(head, indent=2)[:-2].encode() + b',\n  "failures": [')
        comma = b""
        for name, error in failures:
            one = json.dumps({"photo": name, "error": error})
            file.write(comma + b"\n    " + one.encode())
            comma = b","
        file.write(b"\n  ]\n}\n" if comma else b"]\n}\n")

    write_atomically(folders.output / REPORT, write)
