"""Folders of pictures and masks that tests draw, and a painter that needs no weights."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill.config import FillSettings
from swapfill.engines.interface import Engine
from swapfill.inpainter import Inpainter
from swapfill.masks import Hole

Floats = NDArray[np.float32]
ON_CPU = cast("Engine[Any]", SimpleNamespace(device="cpu"))


def grey_fill(engine: Engine[Any], incomplete: Floats, hole: Hole, how: FillSettings) -> Floats:
    return np.full_like(incomplete, 0.5)


def grey_painter(**settings: Any) -> Inpainter:
    return Inpainter(ON_CPU, FillSettings(**settings), fill_windows=grey_fill)


def draw_photo(path: Path, seed: int = 0, size: tuple[int, int] = (24, 20)) -> Path:
    """Draw noise of a (width, height); alpha, where the format has it, is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def draw_mask(path: Path, size: tuple[int, int] = (24, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[5:11, 8:14] = 255
    Image.fromarray(pixels).save(path)
    return path


def draw_folders(where: Path, count: int = 6) -> tuple[Path, Path, Path]:
    """Draw photos in a tree, a mask for each, and name a folder for the results."""
    photos, masks = where / "photos", where / "masks"
    for i in range(count):
        name = f"{'ab'[i % 2]}/{i}.{'png' if i % 3 else 'jpg'}"
        draw_photo(photos / name, seed=i)
        draw_mask((masks / name).with_suffix(".png"))
    return photos, masks, where / "out"
