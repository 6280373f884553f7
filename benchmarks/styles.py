"""Fig. 10: one content in one style, by ours, by style-swap [7] and by Gatys et al. [13].

    python benchmarks/styles.py content.jpg style.jpg --vgg vgg19_relu3_1.safetensors -o fig-10.jpg

A strip of content, style, ours, style-swap and Gatys; how long each took is printed, and what the
weights lack of the articles' layers.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from swapfill.encoder import VGG19
from swapfill.evaluation.settings import GatysSettings, StyleSwapSettings
from swapfill.evaluation.style_methods import Styled, gatys, style_swap
from swapfill.style import Stylist
from swapfill.weights import load_into

Floats = NDArray[np.float32]

_GAP = 4  # pixels, white


def main() -> None:
    """Parse, paint, lay side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("--vgg", type=Path, required=True, help="VGG-19, safetensors")
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--gatys-iterations", type=int, default=500)
    parser.add_argument("--style-swap-iterations", type=int, default=100)
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    content, style = (read(path, asked.side) for path in (asked.content, asked.style))
    vgg = VGG19("relu3_1")
    load_into(vgg, asked.vgg)
    swap = StyleSwapSettings(iterations=asked.style_swap_iterations)
    optimised = GatysSettings(iterations=asked.gatys_iterations)
    start = time.perf_counter()
    columns = [content, style, Stylist.load("default")(content, style)]
    print(f"ours: {time.perf_counter() - start:.1f} s, loading included")
    columns.append(painted("style-swap", lambda a, b: style_swap(a, b, vgg, swap), content, style))
    columns.append(painted("gatys", lambda a, b: gatys(a, b, vgg, optimised), content, style))
    save(columns, asked.output)


def read(path: Path, side: int) -> Floats:
    """Read a picture, [side, side, 3] in [0, 1]: its middle square."""
    with Image.open(path) as image:
        least = min(image.size)
        left, top = ((length - least) // 2 for length in image.size)
        square = image.convert("RGB").crop((left, top, left + least, top + least))
        small = square.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small, np.float32) / np.float32(255)


def painted(
    name: str, paint: Callable[[Tensor, Tensor], Styled], content: Floats, style: Floats
) -> Floats:
    """Let an optimisation paint, and say what it took and lacked."""
    start = time.perf_counter()
    pair = (torch.from_numpy(x).permute(2, 0, 1).contiguous() for x in (content, style))
    styled = paint(*pair)
    missing = ", ".join(styled.settings["missing layers"]) or "none"
    print(f"{name}: {time.perf_counter() - start:.1f} s, layers missing: {missing}")
    return styled.picture.permute(1, 2, 0).numpy()


def save(columns: list[Floats], path: Path) -> None:
    """Write pictures side by side, a gap between them."""
    gap = np.ones((len(columns[0]), _GAP, 3), np.float32)
    parts = [part for column in columns for part in (gap, column)][1:]
    pixels = (np.concatenate(parts, axis=1) * 255 + 0.5).clip(0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=90)


if __name__ == "__main__":
    main()
