"""How cost grows: time and memory against hole, picture, batch and threads, with exponents."""

import math
from collections.abc import Iterable
from statistics import linear_regression
from typing import Any, NamedTuple

from swapfill.benching.case import Case, Row
from swapfill.benching.report import machine_of, of_machine
from swapfill.benching.run import Asked
from swapfill.benching.steps import LEARNED
from swapfill.benching.tables import as_megabytes, as_seconds, table
from swapfill.errors import ConfigError

_HOLES = tuple(64 << power for power in range(7))  # to 4,096 pixels
_MEGAPIXELS = (0.25, 1.0, 4.0, 25.0, 100.0)
_PICTURES = (1, 2, 4, 8)
_WIDEST = 12_000  # pixels: 144 MP around the largest hole
_STEPS = (*LEARNED, "rest", "read", "write")
Report = dict[str, Any]


class Most(NamedTuple):
    """Where curves end: a hole's side in pixels, a picture's megapixels, threads."""

    hole: int = 4096
    megapixels: float = 100.0
    threads: int = 1


class Point(NamedTuple):
    """One measurement of a curve, at `at` of what it is named for."""

    curve: str
    at: float
    threads: int
    case: Case


class _Curve(NamedTuple):
    """How a curve is told: its unit, and the power of it that cost is held against."""

    title: str
    unit: str
    power: int
    against: str


_CURVES = {
    "hole": _Curve("The hole's side, in a picture three times as wide", "px", 2, "area"),
    "picture": _Curve("The picture's size", "MP", 1, "megapixels"),
    "batch": _Curve("Pictures filled at once", "pictures", 1, "pictures"),
    "threads": _Curve("Threads", "threads", 1, "threads"),
}


def points(asked: Asked, most: Most) -> list[Point]:
    """List what is measured: each curve changes one thing, and has the others as asked for.

    Raises:
        ConfigError: nothing is left to measure of the holes or of the pictures.
    """
    sides = {million: round(math.sqrt(million * 1e6)) for million in _MEGAPIXELS}
    holes = [hole for hole in _HOLES if hole <= most.hole]
    wide = [m for m, side in sides.items() if m <= most.megapixels and 4 * asked.hole <= 3 * side]
    if not holes:
        raise ConfigError(f"--largest-hole {most.hole}: want at least {_HOLES[0]}")
    if not wide:
        raise ConfigError(
            f"--largest-picture {most.megapixels:g}: want megapixels, at least "
            f"{_MEGAPIXELS[0]:g}, and --hole at most three quarters of such a picture's side"
        )
    doubled = [1 << power for power in range(most.threads.bit_length())]

    def point(curve: str, at: float, threads: int = most.threads, **changed: int) -> Point:
        base = {"kind": "curve", "name": f"{curve}, {at:g}", "side": asked.side}
        base |= {"hole": asked.hole, "repeat": asked.repeat, "model": asked.model}
        return Point(curve, at, threads, Case.model_validate(base | changed))

    return [
        *(point("hole", hole, hole=hole, side=min(3 * hole, _WIDEST)) for hole in holes),
        *(point("picture", million, side=sides[million]) for million in wide),
        *(point("batch", count, pictures=count) for count in _PICTURES),
        *(point("threads", count, count) for count in sorted({*doubled, most.threads})),
    ]


def exponent(found: Iterable[tuple[float, float]]) -> float | None:
    """Fit y = a x^b to points (x, y) by least squares of the logarithms, and give b.

    Points where nothing was measured, y = 0, are left out; none if fewer than two x are left.
    """
    logs = [(math.log(x), math.log(y)) for x, y in found if y > 0]
    if len({x for x, _ in logs}) < 2:
        return None
    return linear_regression(*zip(*logs, strict=True)).slope


def scaling_report(measured: list[tuple[Point, Row]], asked: Asked, most: Most) -> Report:
    """Put the measurements together, as JSON has it: by curve, its points and its exponents."""
    curves: Report = {}
    for name, curve in _CURVES.items():
        mine = [(point.at, row) for point, row in measured if point.curve == name]
        there = [(at**curve.power, _costs(row)) for at, row in mine if not row.missing]
        fitted = {
            cost: exponent((x, costs.get(cost, 0.0)) for x, costs in there)
            for cost in ("seconds", "processor", *_STEPS, "extra")
        }
        curves[name] = {
            "against": curve.against,
            "points": [{"at": at, **row.model_dump()} for at, row in mine],
            "exponents": fitted,
        }
    told = asked._asdict() | {"most": most._asdict()}
    return {"asked": told, "machine": machine_of([row for _, row in measured]), "curves": curves}


def _costs(row: Row) -> dict[str, float]:
    return {"seconds": row.seconds, "processor": row.processor, **row.steps, "extra": row.extra}


def scaling_markdown(report: Report) -> str:
    """Write a report as Markdown: a table for each curve, exponents in its last line."""
    asked = report["asked"]
    rows = [Row.model_validate(_row(point)) for point in _points(report)]
    used = sorted({row.precision for row in rows if not row.missing})
    head = (
        f"Unless a table says otherwise: {asked['side']} x {asked['side']}, hole {asked['hole']} x "
        f"{asked['hole']}, threads: {asked['most']['threads']}, medians of {asked['repeat']}. "
        f"{', '.join(used)}; {of_machine(report['machine'])}. MB are 10^6 bytes."
    )
    parts = [head]
    for name, curve in report["curves"].items():
        parts += [f"### {_CURVES[name].title}", _curve_table(name, curve)]
    missing = [f"Not measured: {row.name}: {row.missing}" for row in rows if row.missing]
    return "\n\n".join([part for part in parts if part] + missing) + "\n"


def _points(report: Report) -> list[Report]:
    return [point for curve in report["curves"].values() for point in curve["points"]]


def _row(point: Report) -> Report:
    return {name: value for name, value in point.items() if name != "at"}


def _curve_table(name: str, curve: Report) -> str:
    body = []
    for point in curve["points"]:
        row = Row.model_validate(_row(point))
        if not row.missing:
            steps = (as_seconds(row.steps[step]) if step in row.steps else "" for step in _STEPS)
            body.append(
                [f"{point['at']:g}", as_seconds(row.seconds), as_seconds(row.processor), *steps]
            )
            body[-1] += [as_megabytes(row.extra), as_megabytes(row.peak)]
    if not body:
        return ""
    fitted = ("" if fit is None else f"{fit:.2f}" for fit in curve["exponents"].values())
    last = [f"exponent, of the {curve['against']}", *fitted, ""]
    head = [_CURVES[name].unit, "seconds", "of the processor", *_STEPS, "extra MB", "peak MB"]
    return table(head, [*body, last])
