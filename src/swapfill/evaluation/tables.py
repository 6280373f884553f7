"""Tables of a report: of its pictures as CSV, of its methods as text."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from swapfill.evaluation.figures import FIGURES

# What a terminal has room for; the page has all.
_SHORT = {
    "l1_hole": "l1 %",
    "psnr_hole": "PSNR",
    "ssim_hole": "SSIM hole",
    "ssim_picture": "SSIM",
    "vgg": "VGG",
    "lpips": "LPIPS",
    "sharpness": "sharp",
    "seam": "seam",
    "changed": "changed",
    "seconds": "s",
    "memory": "MB",
}


def csv_of(outcome: dict[str, Any]) -> str:
    """Give a line for each method and picture, failed ones included.

    Args:
        outcome: as `outcome.outcome_of` gives it.
    """
    keys = [figure["key"] for figure in outcome["figures"]]
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(["method", "picture", "height", "width", "share", "failure", *keys])
    for method in outcome["methods"]:
        for picture in outcome["pictures"]:
            figures = picture["figures"].get(method["name"], {})
            failure = method["failures"].get(picture["name"], "")
            size = (picture["height"], picture["width"], round(picture["share"], 6))
            values = [repr(figures[key]) if key in figures else "" for key in keys]
            lines.writerow([method["name"], picture["name"], *size, failure, *values])
    return out.getvalue()


def text_of(outcome: dict[str, Any]) -> str:
    """Give a line for each method, for a terminal: means, but the median of time."""
    keys = [key for key in _SHORT if any(key in m["figures"] for m in outcome["methods"])]
    sets = list(dict.fromkeys(key for m in outcome["methods"] for key in m["sets"]))
    head = ["method", "n", "failed", *(_SHORT[key] for key in keys), *(s.upper() for s in sets)]
    rows = [head, *(_line(method, keys, sets) for method in outcome["methods"])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    )


def shown(key: str, value: float) -> str:
    """Write a figure with its digits."""
    return f"{value:.{FIGURES[key].digits}f}"


def _line(method: dict[str, Any], keys: Sequence[str], sets: Sequence[str]) -> list[str]:
    figures = method["figures"]
    cells = [shown(key, figures[key]["shown"]) if key in figures else "-" for key in keys]
    of_set = [f"{method['sets'][s]:.4g}" if s in method["sets"] else "-" for s in sets]
    return [method["name"], str(method["count"]), str(len(method["failures"])), *cells, *of_set]
