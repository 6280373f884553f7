"""An evaluation from pictures to report."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swapfill.errors import BundleError, DataError
from swapfill.evaluation.candidates import candidates_of
from swapfill.evaluation.cases import Case, prepare
from swapfill.evaluation.figures import SET_FIGURES
from swapfill.evaluation.judge import OnProgress, Row, Store, judge
from swapfill.evaluation.meter import Meter
from swapfill.evaluation.methods.interface import Wanted
from swapfill.evaluation.outcome import Told, outcome_of
from swapfill.evaluation.page import Show, html_of
from swapfill.evaluation.pictures import make_folder
from swapfill.evaluation.settings import EvaluateSettings
from swapfill.evaluation.tables import csv_of
from swapfill.files import write_bytes_atomically

Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What `swapfill evaluate` was asked.

    Attributes:
        data: a folder, a list or a tar file of pictures.
        folder: the report's.
        methods: as `--methods` has them.
        results: `NAME=FOLDER` each.
        masks: a folder of masks, for the protocol of that name.
        vgg: weights of VGG-19, safetensors.
        also: figures that need further weights: lpips, fid, kid, p-ids, u-ids.
        settings: the protocol's.
        given: model, engine, device and precision of the methods.
        command: the command line, for the report.
    """

    data: str
    folder: Path
    methods: Sequence[str]
    results: Sequence[str]
    masks: Path | None
    vgg: Path | None
    also: Sequence[str]
    settings: EvaluateSettings
    given: Wanted
    command: str


def evaluate(job: Job, *, on_progress: OnProgress, say: Say) -> dict[str, Any]:
    """Fill, measure, and write `report.html`, `report.json` and `pictures.csv`.

    Args:
        job: what is asked.
        on_progress: is told how many fillings are done, and of how many.
        say: is told of failures and of figures that are left out, a line each.

    Returns:
        The content of `report.json`; see `outcome.outcome_of`.

    Raises:
        SwapfillError: a method is unknown or cannot work, the data cannot be read, the report not
            written, or nothing can be judged.
    """
    candidates = candidates_of(job.methods, job.results, job.given)
    make_folder(job.folder)
    notes = _Notes(say)
    meter = _meter(job, notes)
    cases = prepare(
        job.data, job.settings, job.folder, masks=job.masks, on_failure=notes.fail, say=say
    )
    if not cases:
        raise _nothing(job, notes.failures)
    rows = judge(candidates, cases, meter, job.folder, on_failure=say, on_progress=on_progress)
    if not any(row.figures for row in rows):
        raise _nothing(job, rows[0].failures)
    shows = {row.candidate.name: Store(job.folder, row.candidate).picture for row in rows}
    sets = _sets(job, rows, cases, shows, on_progress, notes)
    told = Told(job.data, job.command, meter.settings, notes.failures, notes.left_out, sets)
    outcome = outcome_of(rows, cases, job.settings, told)
    _write(job.folder, "report.html", html_of(outcome, cases, shows))
    _write(job.folder, "report.json", json.dumps(outcome, indent=1, allow_nan=False))
    _write(job.folder, "pictures.csv", csv_of(outcome))
    return outcome


def failed(outcome: dict[str, Any]) -> int:
    """Count what failed: pictures that were not judged at all, and fillings."""
    return len(outcome["failures"]) + sum(len(m["failures"]) for m in outcome["methods"])


class _Notes:
    """What is said at once, and kept for the report."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.left_out: list[str] = []
        self.failures: dict[str, str] = {}

    def leave_out(self, line: str) -> None:
        self.left_out.append(line)
        self._say(line)

    def fail(self, name: str, why: str) -> None:
        self.failures[name] = why.removeprefix(f"{name}: ")
        self._say(f"{name}: not judged: {self.failures[name]}")


def _nothing(job: Job, failures: dict[str, str]) -> DataError:
    name, why = next(iter(failures.items()))
    count = f"all {len(failures)} pictures failed"
    return DataError(f"{job.data}: nothing can be judged, {count}; {name}: {why}")


def _meter(job: Job, notes: _Notes) -> Meter:
    """Make the meter; a distance whose weights cannot be had is left out, with a note."""
    from swapfill.devices import choose_device
    from swapfill.evaluation.perception import Lpips, VggDistance

    device = choose_device(job.given.device)
    vgg = lpips = None
    try:
        vgg = VggDistance.load(job.vgg, device)
    except BundleError as error:
        if job.vgg:
            raise
        notes.leave_out(f"the VGG distance is left out: {error}")
    if "lpips" in job.also:
        try:
            lpips = Lpips.load().to(device)
        except BundleError as error:
            notes.leave_out(f"LPIPS is left out: {error}")
    return Meter(vgg, lpips)


def _sets(
    job: Job,
    rows: Sequence[Row],
    cases: Sequence[Case],
    shows: Mapping[str, Show],
    on_progress: OnProgress,
    notes: _Notes,
) -> dict[str, dict[str, float]]:
    """Compare whole sets of pictures, if that is asked and Inception's weights can be had."""
    wanted = [name for name in job.also if name in SET_FIGURES]
    if not wanted:
        return {}
    from swapfill.devices import choose_device
    from swapfill.evaluation.sets import compare_all, inception_features

    names = ", ".join(name.upper() for name in wanted)
    try:
        features = inception_features(choose_device(job.given.device))
    except BundleError as error:
        notes.leave_out(f"{names}: left out: {error}")
        return {}
    return compare_all(features, rows, cases, shows, wanted, job.settings.seed, on_progress)


def _write(folder: Path, name: str, text: str) -> None:
    write_bytes_atomically(folder / name, text.encode())
