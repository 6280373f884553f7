"""Holes from a folder of masks that somebody drew."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from swapfill.errors import DataError
from swapfill.training.ahead import ahead
from swapfill.training.sources import pictures_of

Hole = npt.NDArray[np.bool_]
_WHITE = 128  # grey from which on a mask is hole


class MaskFolder:
    """Masks, white = hole, of any size: each is resized to the square that it is drawn for.

    Each is read when it is drawn: a published set has 55,000 masks, 14 GB of them.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    @classmethod
    def open(cls, folder: Path, workers: int = 0) -> Self:
        """Look at all masks of a folder, whatever their depth, in `workers` threads.

        Raises:
            DataError: there are none; or one cannot be read, has no hole or nothing but hole.
        """
        paths = list(pictures_of(folder)) if folder.is_dir() else []
        if not paths:
            raise DataError(f"{folder}: no masks, want a folder of pictures, white = hole")
        for _ in ahead(_read, paths, workers):
            pass
        return cls(paths)

    def draw(self, rng: np.random.Generator, side: int) -> Hole:
        """Take one at random, mirrored or not: [side, side].

        Raises:
            DataError: it vanished; or at this size it has no hole left, or nothing but hole.
        """
        path = self._paths[int(rng.integers(len(self._paths)))]
        small = Image.fromarray(_read(path)).resize((side, side), Image.Resampling.NEAREST)
        hole = np.asarray(small)
        _check(hole, f"{path} at {side} x {side}")
        return np.ascontiguousarray(hole[:, ::-1]) if rng.random() < 0.5 else hole.copy()


def _read(path: Path) -> Hole:
    try:
        with Image.open(path) as mask:
            hole = np.asarray(mask.convert("L")) >= _WHITE
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: not a mask that can be read: {error}") from None
    _check(hole, str(path))
    return hole


def _check(hole: Hole, name: str) -> None:
    if not hole.any():
        raise DataError(f"{name}: the mask has no white, want white where the picture is missing")
    if hole.all():
        raise DataError(f"{name}: the mask is all hole, want some black where the picture is known")
