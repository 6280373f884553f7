"""Let every candidate fill every picture, and measure; what was done before is not done again."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swapfill.evaluation.candidates import Candidate
from swapfill.evaluation.cases import Case
from swapfill.evaluation.meter import Meter
from swapfill.evaluation.methods.interface import Pixels
from swapfill.evaluation.pictures import make_folder, read_png, write_png
from swapfill.evaluation.worker import Filled, FillError
from swapfill.files import write_bytes_atomically

_MEGABYTE = 1_000_000
_UNREADABLE = (OSError, SyntaxError, ValueError)  # what Pillow raises

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Row:
    """The figures of one candidate: by picture, and the pictures that failed, each with why."""

    candidate: Candidate
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def judge(
    candidates: Sequence[Candidate],
    cases: Sequence[Case],
    meter: Meter,
    folder: Path,
    *,
    on_failure: Callable[[str], None],
    on_progress: OnProgress,
) -> list[Row]:
    """Fill and measure.

    Each picture is kept as soon as it is done, in `folder`/results/CANDIDATE, with a record of its
    figures and of what they depend on: a run that was killed goes on where it was.

    Args:
        candidates: the rows.
        cases: the pictures and their holes.
        meter: what measures.
        folder: the report's.
        on_failure: is told a line that names the candidate and the picture.
        on_progress: is told how many are done, and of how many.

    Raises:
        OutputError: the folder cannot be written to.
    """
    rows = [Row(candidate) for candidate in candidates]
    of_all = len(rows) * len(cases)
    for i, row in enumerate(rows):
        store = Store(folder, row.candidate)
        try:
            for j, case in enumerate(cases):
                on_progress(i * len(cases) + j, of_all)
                try:
                    row.figures[case.name] = store.figures(case, meter)
                except FillError as error:
                    row.failures[case.name] = str(error)
                    on_failure(f"{row.candidate.name}: {case.name}: {error}")
        finally:
            row.candidate.close()
    on_progress(of_all, of_all)
    return rows


class Store:
    """What is kept of one candidate: filled pictures, and a record beside each."""

    def __init__(self, folder: Path, candidate: Candidate) -> None:
        """Take the report's folder."""
        self._folder = folder / "results" / candidate.name
        self._candidate = candidate

    def figures(self, case: Case, meter: Meter) -> dict[str, float]:
        """Give the figures of a picture; fill and measure it only where that was not done.

        Raises:
            FillError: it could not be filled.
            OutputError: the folder cannot be written to.
        """
        record, key = self._record(case), self._candidate.key(case)
        if record.get("key") != key or not self._is_kept(case):
            record = {}
        if record.get("meter") == meter.key:
            return {**record["figures"], **record["took"]}
        filled, took = self._filled(case, record)
        truth, hole = case.read()
        figures = meter.measure(truth, filled, hole)
        new = {"key": key, "meter": meter.key, "figures": figures, "took": took}
        path = self._folder / f"{case.name}.json"
        make_folder(path.parent)
        write_bytes_atomically(path, json.dumps(new).encode())
        return {**figures, **took}

    def picture(self, case: Case) -> Pixels:
        """Give the filled picture, [H, W, 3], of which there are figures."""
        if self._candidate.keeps:
            return read_png(self._path(case))
        return self._candidate.fill(case).pixels

    def _filled(self, case: Case, record: dict[str, Any]) -> tuple[Pixels, dict[str, float]]:
        """Give the picture and what it took: as kept and recorded, or anew."""
        if record and self._candidate.keeps:
            try:
                return self.picture(case), record["took"]
            except _UNREADABLE:
                pass  # damaged: it is filled again
        filled = self._candidate.fill(case)
        if self._candidate.keeps:
            write_png(self._path(case), filled.pixels)
        return filled.pixels, _took(filled)

    def _record(self, case: Case) -> dict[str, Any]:
        """Read what is known of a picture; nothing where that is not whole."""
        try:
            found = json.loads((self._folder / f"{case.name}.json").read_bytes())
        except (OSError, ValueError):
            return {}
        is_whole = isinstance(found, dict) and {"figures", "took"} <= found.keys()
        return found if is_whole else {}

    def _is_kept(self, case: Case) -> bool:
        return not self._candidate.keeps or self._path(case).is_file()

    def _path(self, case: Case) -> Path:
        return self._folder / f"{case.name}.png"


def _took(filled: Filled) -> dict[str, float]:
    """Give time and memory, those that are known, in the units of `figures.FIGURES`."""
    took = {
        "seconds": filled.seconds,
        "memory": filled.memory and filled.memory / _MEGABYTE,
        "gpu_memory": filled.gpu_memory and filled.gpu_memory / _MEGABYTE,
    }
    return {name: value for name, value in took.items() if value is not None}
