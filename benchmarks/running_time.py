"""Time ours against neural patch synthesis, and find the share of patch-swap (section 4.3).

    python benchmarks/running_time.py photos/ --vgg vgg19_relu3_1.safetensors

One process, one picture after the other, each method in turn on each. Seconds are medians over the
pictures (of ours also over three fillings of each, after one that is not counted).
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from swapfill.benching.steps import TimedEngine
from swapfill.evaluation.cases import prepare
from swapfill.evaluation.methods import find
from swapfill.evaluation.methods.interface import Wanted
from swapfill.evaluation.settings import EvaluateSettings
from swapfill.inpainter import Inpainter


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="pictures: a folder, a list or a tar file")
    parser.add_argument("--vgg", required=True)
    parser.add_argument("--pictures", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=100)
    asked = parser.parse_args()
    options = {"neural-patch.iterations": asked.iterations}
    [(method, wanted)] = find(["neural-patch"], Wanted("", vgg=asked.vgg, options=options))
    theirs = method.load(wanted)
    ours = {name: Inpainter.load(matching=name) for name in ("coherent", "literal")}
    seconds = defaultdict(list)
    shares = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        settings = EvaluateSettings(limit=asked.pictures)
        cases = prepare(asked.data, settings, Path(folder), masks=None, on_failure=print, say=print)
        for case in cases:
            picture, hole = case.read()
            for name, painter in ours.items():
                took, share = filling(painter, picture, hole)
                seconds[name].append(took)
                shares[name].append(share)
            start = time.perf_counter()
            theirs(np.where(hole[..., None], np.uint8(0), picture), hole)
            seconds["neural-patch"].append(time.perf_counter() - start)
    tell(seconds, shares)


def filling(painter: Inpainter, picture: Any, hole: Any) -> tuple[float, float]:
    """Give the median seconds of three fillings, and patch-swap's share of them."""
    engine, took, swapped = painter.engine, [], []
    for _ in range(4):
        timed: Any = TimedEngine(engine)
        start = time.perf_counter()
        Inpainter(timed, painter.settings).fill(picture, hole)
        took.append(time.perf_counter() - start)
        swapped.append(timed.steps["swap"].seconds)
    median = statistics.median(took[1:])
    return median, sum(swapped[1:]) / sum(took[1:])


def tell(seconds: dict[str, list[float]], shares: dict[str, list[float]]) -> None:
    """Print a line for each method."""
    slow = statistics.median(seconds["neural-patch"])
    print(f"{len(seconds['neural-patch'])} pictures, {torch.get_num_threads()} threads")
    for name, values in seconds.items():
        median = statistics.median(values)
        line = f"{name:14} {median:8.2f} s  neural-patch / this: {slow / median:6.1f}"
        if name in shares:
            line += f"  patch-swap: {100 * statistics.median(shares[name]):.0f} %"
        print(line)


if __name__ == "__main__":
    main()
