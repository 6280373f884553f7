r"""Rows of a report side by side: the paper's figures, of pictures that one names.

    python benchmarks/strips.py runs/ablations/report --pictures coffee,chelsea \
        --rows truth,deconvolution,baseline -o docs/images/fig-7-left.jpg

REPORT is the folder of `swapfill evaluate`. A line for each picture, a column for each row; `truth`
is the picture itself, `input` the picture with its hole in grey.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

_GAP = 4  # pixels, white
_GREY = 128


def main() -> None:
    """Parse, lay out, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--pictures", required=True, help="names, with commas")
    parser.add_argument("--rows", required=True, help="truth, input and rows, with commas")
    parser.add_argument("--side", type=int, default=192, help="pixels of each picture")
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    lines = [
        [shown(asked.report, row, name) for row in asked.rows.split(",")]
        for name in asked.pictures.split(",")
    ]
    sheet = Image.fromarray(laid_out(lines, asked.side))
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(asked.output, quality=90)
    print(f"{asked.output}: {sheet.width} x {sheet.height}, {asked.output.stat().st_size} bytes")


def shown(report: Path, row: str, name: str) -> Pixels:
    """Read what a column shows of a picture, [H, W, 3]."""
    if row == "input":
        hole = read(report / "mask" / f"{name}.png") > 0
        return np.where(hole, np.uint8(_GREY), read(report / "truth" / f"{name}.png"))
    folder = report / "truth" if row == "truth" else report / "results" / row
    return read(folder / f"{name}.png")


def read(path: Path) -> Pixels:
    """Read a picture of the report."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def laid_out(lines: list[list[Pixels]], side: int) -> Pixels:
    """Put pictures beside and below each other, a gap between them."""
    step, room = side + _GAP, (len(lines), len(lines[0]))
    sheet = np.full((room[0] * step - _GAP, room[1] * step - _GAP, 3), 255, np.uint8)
    for i, line in enumerate(lines):
        for j, pixels in enumerate(line):
            small = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)
            sheet[i * step : i * step + side, j * step : j * step + side] = np.asarray(small)
    return sheet


if __name__ == "__main__":
    main()
