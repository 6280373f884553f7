"""The report as one HTML file: tables, settings, and a grid of pictures. It loads nothing."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from swapfill.evaluation.candidates import COLUMNS
from swapfill.evaluation.cases import Case
from swapfill.evaluation.figures import SET_FIGURES
from swapfill.evaluation.methods.interface import Pixels
from swapfill.evaluation.tables import shown

_FOLDER = "page"  # of the template, its style and its script
# Longest side of an embedded picture, by how many there are: a page stays below some 30 MB.
_SIDES = ((300, 512), (700, 384), (3000, 256))
_QUALITY = 80  # of WebP
_GREY = np.uint8(128)  # what is missing, in the picture of what the methods were given

Show = Callable[[Case], Pixels]


def html_of(outcome: dict[str, Any], cases: Sequence[Case], methods: Mapping[str, Show]) -> str:
    """Write the page.

    Args:
        outcome: as `outcome.outcome_of` gives it.
        cases: the pictures, in its order.
        methods: by the name of each, what gives its filled picture, [H, W, 3]; it is asked for
            those that have figures.

    Returns:
        HTML that needs no other file: pictures are in it, as WebP, reduced where there are many.
    """
    side, most = _room(len(cases), 2 + len(methods))
    columns: dict[str, Show] = {**dict(zip(COLUMNS, (_truth, _input), strict=True)), **methods}
    grid = [
        {
            "name": case.name,
            "cells": {
                column: _embedded(show(case), side)
                for column, show in columns.items()
                if column not in methods or column in of_case["figures"]
            },
        }
        for case, of_case in zip(cases[:most], outcome["pictures"], strict=False)
    ]
    page = Environment(
        loader=PackageLoader("swapfill.evaluation", _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters["shown"] = lambda value, key: shown(key, value)
    files = resources.files("swapfill.evaluation") / _FOLDER
    return page.get_template("report.html").render(
        outcome=outcome,
        columns=list(columns),
        grid=grid,
        set_figures=SET_FIGURES,
        style=(files / "report.css").read_text(encoding="utf-8"),
        script=(files / "report.js").read_text(encoding="utf-8"),
        data=_data(outcome),
    )


def _room(rows: int, columns: int) -> tuple[int, int]:
    """Give the longest side of a picture, and how many rows of pictures there is room for."""
    count = rows * columns
    side = next((side for most, side in _SIDES if count <= most), _SIDES[-1][1])
    return side, max(_SIDES[-1][0] // columns, 1)


def _truth(case: Case) -> Pixels:
    return case.read()[0]


def _input(case: Case) -> Pixels:
    truth, hole = case.read()
    return np.where(hole[..., None], _GREY, truth)


def _embedded(pixels: Pixels, side: int) -> str:
    """Give a picture as a data URI."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=_QUALITY)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()


def _data(outcome: dict[str, Any]) -> dict[str, Any]:
    """Pick what the script sorts by and shows."""
    return {
        "figures": [
            {name: figure[name] for name in ("key", "title", "unit", "digits", "better")}
            for figure in outcome["figures"]
        ],
        "pictures": {picture["name"]: picture["figures"] for picture in outcome["pictures"]},
    }
