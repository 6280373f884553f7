"""What is filled: the packaged photograph, enlarged or reduced, with a square hole."""

from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill.masks import Hole

_NOISE = 12  # steps of 8 bits, so that an enlarged picture has detail, and its file a size
_BAND = 512  # rows


def picture(side: int) -> NDArray[np.uint8]:
    """Draw a square picture, [side, side, 3]."""
    with as_file(files("swapfill") / "assets" / "demo.jpg") as path, Image.open(path) as image:
        small = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    pixels, rng = np.array(small), np.random.default_rng(side)
    for band in np.array_split(pixels, -(-side // _BAND)):  # of 100 MP, 2.4 GB of noise else
        noise = rng.integers(-_NOISE, _NOISE + 1, band.shape)
        band[:] = np.clip(band + noise, 0, 255)
    return pixels


def square(side: int, hole: int) -> Hole:
    """Make a square hole of `hole` pixels in the middle: [side, side]."""
    missing, start = np.zeros((side, side), np.bool_), (side - hole) // 2
    missing[start : start + hole, start : start + hole] = True
    return missing
