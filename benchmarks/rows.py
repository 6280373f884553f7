"""A report of `swapfill evaluate` as rows of a Markdown table, for docs/results.md.

python benchmarks/rows.py report                     # all rows
python benchmarks/rows.py report default guess       # these
"""

import argparse
import json
from pathlib import Path
from typing import Any

from swapfill.evaluation.figures import FIGURES

_SHOWN = ("l1_hole", "ssim_picture", "ssim_hole", "vgg", "sharpness", "seam")


def main() -> None:
    """Read, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("methods", nargs="*", help="all, if none is named")
    asked = parser.parse_args()
    outcome = json.loads((asked.report / "report.json").read_text(encoding="utf-8"))
    print(f"| method | n | {' | '.join(FIGURES[key].title for key in _SHOWN)} |")
    print(f"|---|--:|{'--:|' * len(_SHOWN)}")
    for method in outcome["methods"]:
        if not asked.methods or method["name"] in asked.methods:
            print(f"| {method['name']} | {method['count']} | {' | '.join(cells(method))} |")


def cells(method: dict[str, Any]) -> list[str]:
    """Write a method's figures, each with its digits."""
    found = method["figures"]
    return [
        f"{found[key]['shown']:.{FIGURES[key].digits}f}" if key in found else "-" for key in _SHOWN
    ]


if __name__ == "__main__":
    main()
