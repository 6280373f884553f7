"""Holes from a folder of masks that somebody drew."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from swapfill.errors import DataError
from swapfill.training.sources import pictures_of

Hole = npt.NDArray[np.bool_]
_WHITE = 128  # grey from which on a mask is hole


class MaskFolder:
    """Masks, white = hole, of any size: each is resized to the square that it is drawn for."""

    def __init__(self, holes: Sequence[Hole], names: Sequence[str]) -> None:
        self._holes, self._names = holes, names

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read all masks of a folder, whatever their depth.

        Raises:
            DataError: there are none; or one cannot be read, has no hole or nothing but hole.
        """
        paths = pictures_of(folder) if folder.is_dir() else []
        if not paths:
            raise DataError(f"{folder}: no masks, want a folder of pictures, white = hole")
        holes = [_read(path) for path in paths]
        for path, hole in zip(paths, holes, strict=True):
            _check(hole, str(path))
        return cls(holes, [str(path) for path in paths])

    def draw(self, rng: np.random.Generator, side: int) -> Hole:
        """Take one at random, mirrored or not: [side, side].

        Raises:
            DataError: at this size it has no hole left, or nothing but hole.
        """
        index = int(rng.integers(len(self._holes)))
        small = Image.fromarray(self._holes[index]).resize((side, side), Image.Resampling.NEAREST)
        hole = np.asarray(small)
        _check(hole, f"{self._names[index]} at {side} x {side}")
        return np.ascontiguousarray(hole[:, ::-1]) if rng.random() < 0.5 else hole.copy()


def _read(path: Path) -> Hole:
    try:
        with Image.open(path) as mask:
            return np.asarray(mask.convert("L")) >= _WHITE
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: not a mask that can be read: {error}") from None


def _check(hole: Hole, name: str) -> None:
    if not hole.any():
        raise DataError(f"{name}: the mask has no white, want white where the picture is missing")
    if hole.all():
        raise DataError(f"{name}: the mask is all hole, want some black where the picture is known")
