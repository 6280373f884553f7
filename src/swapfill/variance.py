"""The detail that a mean of copies loses is given back: variance-preserving blending.

Not in the paper, where a cell of the hole is the mean of up to nine copies. Where these show the
same, their mean does; where they do not, it has less contrast than any of them, and a hole that
was filled so is softer than the picture around it. (Heitz and Neyret, *High-performance by-example
noise using a histogram-preserving blending operator*, 2018, divide by what independent copies
would lose.) Here it is known what each copy had: where the mean has less detail, it is amplified.
"""

import numpy as np
from numpy.typing import NDArray

from swapfill.config import FEATURE_STRIDE
from swapfill.masks import Box, bounding_box

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Hole = NDArray[np.bool_]

_LIGHT = np.array([0.299, 0.587, 0.114], np.float32)
_PATCH = 3  # cells a side
_MARGIN = 8  # pixels around a hole that its detail is told by
_FINE = 16  # steps of a binomial blur, of sigma 2 pixels: what it takes away is detail
_SPREAD = 16  # and of one of two cells, by which energies are told
_MOST = 1.5  # what detail is amplified by at most
_LEAST = 1e-6  # of energy: below it there is no detail to speak of


def preserved(pasted: Floats, picture: Floats, hole: Hole, found: Integers) -> Floats:
    """Give the mean of copies in a hole the energy of detail that the copies had.

    Args:
        pasted: the window with the mean of all copies in the hole, [S, S, 3] in [0, 1].
        picture: what they were copied from, [S, S, 3].
        hole: [S, S].
        found: `Engine.matches` of its map, [N, 4].

    Returns:
        [S, S, 3] in [0, 1]; known pixels as they were.
    """
    box = _whole_cells(bounding_box(hole), hole.shape)
    part = Box(*(n // FEATURE_STRIDE for n in box)).slices
    copied = _mean_of_copies(_energy(_detail(picture)), found)[part]
    detail = _detail(pasted[box.slices])
    own = np.where(copied > 0, _energy(detail), np.float32(0))
    energies = (_blurred(its, _SPREAD) + np.float32(_LEAST) for its in (copied, own))
    more = np.clip(np.sqrt(np.divide(*energies)), 1, _MOST) - 1
    more = more.repeat(FEATURE_STRIDE, axis=0).repeat(FEATURE_STRIDE, axis=1) * hole[box.slices]
    restored = pasted.copy()
    restored[box.slices] += (more * detail)[..., None]
    return np.clip(restored, 0, 1, out=restored)


def _whole_cells(box: Box | None, size: tuple[int, int]) -> Box:
    """Widen a box by a margin, to whole cells."""
    top, left, bottom, right = (box or Box(0, 0, 1, 1)).widened(_MARGIN, size)
    up = FEATURE_STRIDE - 1
    return Box(*(n & ~up for n in (top, left)), *((n + up) & ~up for n in (bottom, right)))


def _detail(picture: Floats) -> Floats:
    """Give what is fine in how light a picture is, [h, w, 3] to [h, w]: colours stay."""
    light = picture @ _LIGHT
    return light - _blurred(light, _FINE)


def _energy(detail: Floats) -> Floats:
    """Give the mean square of each cell, [h, w] to [h / 4, w / 4]."""
    height, width = (n // FEATURE_STRIDE for n in detail.shape)
    cells = np.square(detail).reshape(height, FEATURE_STRIDE, width, FEATURE_STRIDE)
    return np.asarray(cells.mean(axis=(1, 3)))


def _mean_of_copies(energy: Floats, found: Integers) -> Floats:
    """Give each cell the mean of what its copies have, 0 without one: [h, w]."""
    width, (row, column, from_row, from_column) = energy.shape[1], found.T
    total, count = np.zeros((2, energy.size))
    to, of = row * width + column, from_row * width + from_column
    values = energy.ravel()
    for step in (down * width + right for down in range(_PATCH) for right in range(_PATCH)):
        total[to + step] += values[of + step]  # the same part of each patch: no cell comes twice
        count[to + step] += 1
    return (total / np.maximum(count, 1)).astype(np.float32).reshape(energy.shape)


def _blurred(values: Floats, steps: int) -> Floats:
    """Blur [h, w] by a binomial kernel of some (an even number of) steps along both axes."""
    wide = np.pad(values, steps // 2, mode="edge")
    for _ in range(steps):
        wide = wide[1:] + wide[:-1]
    for _ in range(steps):
        wide = wide[:, 1:] + wide[:, :-1]
    return wide * np.float32(2.0 ** (-2 * steps))
