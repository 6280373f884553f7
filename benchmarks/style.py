"""How long a style takes: ours beside Gatys et al. and style-swap, in one process, in turn.

    python benchmarks/style.py                                        # ours, at three sizes
    python benchmarks/style.py --vgg vgg19_relu3_1.safetensors --side 256     # with the two others

The packaged photograph takes on its own mirror image, which costs what any style costs. Seconds
are medians of `--repeat`, after one that is not counted. The paper says "real-time" (section 4.3)
and gives no figure; what that takes, 24 pictures a second, is printed beside.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from swapfill.style import Stylist

_REAL_TIME = 24  # pictures a second

Floats = NDArray[np.float32]


def picture(side: int) -> Floats:
    """Give the packaged photograph at one size, [side, side, 3] in [0, 1]."""
    with as_file(files("swapfill") / "assets" / "demo.jpg") as path, Image.open(path) as image:
        small = image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small, np.float32) / np.float32(255)


def median_seconds(work: Callable[[], object], repeat: int, device: str) -> float:
    """Time a piece of work, after one run that is not counted."""
    seconds = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def ours(side: int, stylist: Stylist) -> Callable[[], object]:
    """Prepare ours."""
    content = picture(side)
    style = np.ascontiguousarray(content[:, ::-1])
    return lambda: stylist(content, style)


def others(side: int, weights: Path, device: str) -> dict[str, Callable[[], object]]:
    """Prepare Gatys et al. and style-swap, with their own settings."""
    from swapfill.encoder import VGG19
    from swapfill.evaluation.style_methods import gatys, style_swap
    from swapfill.weights import load_into

    vgg = VGG19("relu3_1")
    load_into(vgg, weights)
    vgg.to(device)
    content = torch.from_numpy(picture(side)).permute(2, 0, 1).contiguous().to(device)
    style = content.flip(2)
    return {
        "style-swap": lambda: style_swap(content, style, vgg),
        "gatys": lambda: gatys(content, style, vgg),
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--vgg", type=Path, help="safetensors of VGG-19 up to relu3_1")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    stylist = Stylist.load("default", device=asked.device)
    device = stylist.engine.device
    print(f"{device}, {stylist.engine.precision}, {torch.get_num_threads()} thread(s)")
    print(f"{'side':>5} {'method':<12} {'seconds':>8} {'pictures/s':>11}   of real time")
    for side in asked.side:
        works = {"swapfill": ours(side, stylist)}
        if asked.vgg:
            works |= others(side, asked.vgg, device)
        for name, work in works.items():
            repeat = asked.repeat if name == "swapfill" else 1
            took = median_seconds(work, repeat, device) if repeat > 1 else _once(work)
            share = 1 / took / _REAL_TIME
            print(f"{side:>5} {name:<12} {took:>8.3f} {1 / took:>11.2f}   {share:.1%}", flush=True)


def _once(work: Callable[[], object]) -> float:
    """Time one run: a minute of optimisation needs no warming up."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
