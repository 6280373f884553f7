"""The rows of a run as one report: ratios, floors, and tables in Markdown."""

import os
import platform
from collections.abc import Iterable
from typing import Any

from swapfill.benching.case import Row
from swapfill.benching.run import SWAPS, Asked
from swapfill.benching.steps import LEARNED
from swapfill.benching.tables import as_megabytes, as_seconds, table

_FLOORED = ("encode", "translate", "swap")
_FILES = ("read", "write")
Report = dict[str, Any]


def report_of(rows: list[Row], asked: Asked, threads: int) -> Report:
    """Put the rows together, as JSON has it.

    `floors` are, by row and step, the seconds that the machine needs at the rates it was measured
    at: for the operations or for the bytes, whichever is longer. `patch_swap` compares the two.
    """
    counted = {row.name: row.model_dump() for row in rows}
    return {
        "asked": asked._asdict() | {"threads": threads},
        "machine": machine_of(rows),
        "rows": counted,
        "floors": {row.name: floors for row in rows if (floors := floors_of(row, rows))},
        "patch_swap": _compared(rows),
    }


def machine_of(rows: list[Row]) -> Report:
    """Tell what the machine is, and how fast the rows found it to be (0: they did not ask)."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "multiply": {bits: _best_rate(rows, bits) for bits in ("fp32", "bf16", "int8")},
        "copy": max((row.copy_rate for row in rows), default=0.0),
    }


def of_machine(machine: Report) -> str:
    """Say which machine it is, and how busy: one clause."""
    load = machine["load"] or 0
    return f"{machine['processor']}, {machine['cores']} cores, load {load:.1f}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


def _best_rate(rows: Iterable[Row], precision: str) -> float:
    """Give the fastest product that any process measured: of those that share a machine, too."""
    return max((row.multiply for row in rows if row.precision == precision), default=0.0)


def floors_of(row: Row, rows: list[Row]) -> dict[str, float]:
    """Give the least seconds of a row's steps at the rates measured in the run.

    The networks are the same on every engine: where a row has not counted their operations, those
    of another one of its kind are taken. Weights are not among the bytes.
    """
    alike = (one.operations for one in rows if one.kind == row.kind and one.operations)
    operations = row.operations or next(alike, {})
    copied = max(one.copy_rate for one in rows)
    # Patches are compared in fp32, whatever the networks compute in.
    rates = {name: _best_rate(rows, row.precision) for name in _FLOORED}
    rates["swap"] = _best_rate(rows, "fp32")
    return {
        name: max(operations[name] / rate, row.moved[name] / copied)
        for name, rate in rates.items()
        if rate and name in row.steps and name in operations
    }


def _compared(rows: list[Row]) -> dict[str, float]:
    by_name = {row.name: row for row in rows if row.kind == "swap" and not row.missing}
    if len(by_name) < len(SWAPS):
        return {}
    ours, theirs = (by_name[name] for name in SWAPS)
    return {
        "ratio": theirs.seconds / ours.seconds,
        "processor_ratio": theirs.processor / ours.processor,
        "extra": ours.extra,
        "unfold_extra": theirs.extra,
    }


def markdown(report: Report) -> str:
    """Write a report as Markdown."""
    asked, machine = report["asked"], report["machine"]
    rows = [Row.model_validate(row) for row in report["rows"].values()]
    rates = ", ".join(
        f"{rate / 1e9:.0f} GFLOP/s {bits}" for bits, rate in machine["multiply"].items() if rate
    )
    parts = [
        f"{asked['side']} x {asked['side']}, hole {asked['hole']} x {asked['hole']}, "
        f"threads: {asked['threads']}, medians of {asked['repeat']}. {of_machine(machine)}; "
        f"{rates}, copying {machine['copy'] / 1e9:.1f} GB/s. MB are 10^6 bytes.",
        _fillings([row for row in rows if row.kind != "swap"]),
        _steps([row for row in rows if row.kind == "ours" and not row.missing]),
        _floors(report, rows),
        _swaps(report["patch_swap"], asked["side"]),
    ]
    missing = [f"Not measured: {row.name}: {row.missing}" for row in rows if row.missing]
    return "\n\n".join([part for part in parts if part] + missing) + "\n"


def _fillings(rows: list[Row]) -> str:
    there = [row for row in rows if not row.missing]
    if not there:
        return ""
    first = there[0].seconds
    head = ["filling", "seconds", "of the processor", f"times {there[0].name}", "peak MB", "extra"]
    body = (
        [
            *(
                row.name,
                as_seconds(row.seconds),
                as_seconds(row.processor),
                f"{row.seconds / first:.2f}",
            ),
            *(as_megabytes(row.peak), as_megabytes(row.extra)),
        ]
        for row in there
    )
    return table(head, body)


def _steps(rows: list[Row]) -> str:
    """Tabulate the steps of ours; the rest is what the others share, tone and windows too."""
    if not rows:
        return ""
    names = (*LEARNED, "rest", *_FILES)
    body = (
        [row.name, as_seconds(row.load), *(as_seconds(row.steps[name]) for name in names)]
        for row in rows
    )
    return table(["seconds", "load", *names], body)


def _floors(report: Report, rows: list[Row]) -> str:
    """Tabulate how many times its floor each step takes."""
    body = [
        [row.name if row.kind == "ours" else f"patch-swap, {row.name}"]
        + [_over(row.steps, report["floors"][row.name], name) for name in _FLOORED]
        for row in rows
        if row.name in report["floors"]
    ]
    return table(["time over floor", *_FLOORED], body) if body else ""


def _over(steps: dict[str, float], floors: dict[str, float], name: str) -> str:
    return f"{steps[name] / floors[name]:.1f}" if floors.get(name) else ""


def _swaps(found: dict[str, float], side: int) -> str:
    if not found:
        return ""
    return (
        f"Exact patch-swap at {side // 4} x {side // 4} x 256: {found['ratio']:.1f} x as fast as "
        f"unfold and matrix product ({found['processor_ratio']:.1f} x by the processor), "
        f"{as_megabytes(found['extra'])} MB extra against {as_megabytes(found['unfold_extra'])} MB."
    )
