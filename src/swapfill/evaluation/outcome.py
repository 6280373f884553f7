"""All that a report says, as JSON has it: the page and the tables are readers of this."""

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from swapfill.evaluation.cases import Case
from swapfill.evaluation.figures import FIGURES
from swapfill.evaluation.judge import Row
from swapfill.evaluation.settings import EvaluateSettings
from swapfill.evaluation.summary import best, by_share, summarise

_PACKAGES = (
    "swapfill",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "scikit-image",
    "scikit-learn",
    "torch",
    "torchmetrics",
)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")


@dataclass(frozen=True)
class Told:
    """What is said beside the figures.

    Attributes:
        data: the source, as it was typed.
        command: the command line.
        meter: what the figures depend on.
        failures: pictures that could not be judged at all, each with why.
        left_out: figures that are missing, one line each.
        sets: figures of whole sets, by candidate.
    """

    data: str
    command: str
    meter: dict[str, Any]
    failures: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    sets: dict[str, dict[str, float]] = field(default_factory=dict)


def outcome_of(
    rows: Sequence[Row], cases: Sequence[Case], settings: EvaluateSettings, told: Told
) -> dict[str, Any]:
    """Put the report together.

    Args:
        rows: what was judged.
        cases: the pictures.
        settings: the protocol's.
        told: what else is to be said.

    Returns:
        Plain values: settings, versions, the figures' meaning, for each method the estimates and
        failures, for each picture the figures.
    """
    groups = by_share({case.name: case.share for case in cases})
    methods = [_method(row, groups, settings, told) for row in rows]
    digest = hashlib.sha256("".join(case.digest for case in cases).encode()).hexdigest()
    present = {key for row in rows for figures in row.figures.values() for key in figures}
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": told.command,
        "data": {"source": told.data, "judged": len(cases), "sha256": digest},
        "settings": settings.model_dump(mode="json"),
        "measured": told.meter,
        "versions": versions(),
        "machine": machine(),
        "left_out": told.left_out,
        "failures": told.failures,
        "figures": [asdict(figure) for key, figure in FIGURES.items() if key in present],
        "methods": methods,
        "best": _best(methods),
        "pictures": [_picture(case, rows) for case in cases],
    }


def versions() -> dict[str, str]:
    """Give the versions of all that figures and methods rest on, and is installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Tell where times and memory were measured."""
    threads = {name: os.environ[name] for name in _THREADS if name in os.environ}
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        **threads,
    }


def _method(
    row: Row, groups: Mapping[str, Sequence[str]], settings: EvaluateSettings, told: Told
) -> dict[str, Any]:
    def estimated(names: Sequence[str]) -> dict[str, Any]:
        of_names = {name: row.figures[name] for name in names if name in row.figures}
        found = summarise(of_names, settings.seed, settings.resamples)
        return {
            key: asdict(estimate) | {"shown": estimate.shown(key)}
            for key, estimate in found.items()
        }

    name = row.candidate.name
    return {
        "name": name,
        "about": row.candidate.about,
        "settings": row.candidate.settings,
        "count": len(row.figures),
        "failures": row.failures,
        "figures": estimated(list(row.figures)),
        "sets": told.sets.get(name, {}),
        "by_share": {group: estimated(names) for group, names in groups.items()},
    }


def _best(methods: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    def values(key: str) -> dict[str, float]:
        return {m["name"]: m["figures"][key]["shown"] for m in methods if key in m["figures"]}

    return {key: best(values(key), key) for key in FIGURES}


def _picture(case: Case, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "name": case.name,
        "height": case.size[0],
        "width": case.size[1],
        "share": case.share,
        "figures": {
            row.candidate.name: row.figures[case.name] for row in rows if case.name in row.figures
        },
    }
