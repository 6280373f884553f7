"""Resampling of windows in NumPy: what torch's `interpolate` and poolings give, as matrices.

Every filter here is separable, so that a resize is two products, one from each side; PyTorch's own
bicubic takes several times as long, so that the other engine takes these matrices too. Images are
[B, C, S, S], float32; holes [B, 1, S, S], bool.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

_SHARPNESS = -0.75  # of the bicubic kernel, as torch (and OpenCV) has it


def resize(image: Floats, side: int) -> Floats:
    """Resample to `side` x `side`: area average down, bicubic up, clipped to [0, 1]."""
    own = image.shape[2]
    if own == side:
        return image
    if side < own:
        return _both(averaging(own, side), image)
    grown = _both(bicubic(own, side), image)
    return np.clip(grown, 0, 1, out=grown)


def shrink(hole: Bools, side: int) -> Bools:
    """Bring a hole to `side` x `side`: down, missing if any pixel is; up, repeated."""
    batch, _, own, _ = hole.shape
    if side < own:
        cells = hole.reshape(batch, 1, side, own // side, side, own // side)
        return np.asarray(cells.any(axis=(3, 5)))
    place = np.arange(side) * own // side
    return hole if side == own else hole[:, :, place[:, None], place]


def toned(filled: Floats, reference: Floats, sigma: float, side: int) -> Floats:
    """Give `filled` the content of `reference` that is coarser than `sigma` cells of `side`."""
    own = filled.shape[2]
    gap = _both(averaging(own, side), reference - filled)
    grown = _both(blurred_and_grown(side, own, sigma), gap)
    grown += filled
    return np.clip(grown, 0, 1, out=grown)


def _both(matrix: Floats, image: Floats) -> Floats:
    """Filter columns, then rows."""
    # Plane by plane: NumPy hands only plain matrices to BLAS here, a stack takes 8 x as long.
    planes = [matrix @ (plane @ matrix.T) for plane in image.reshape(-1, *image.shape[2:])]
    return np.stack(planes).reshape(*image.shape[:2], len(matrix), len(matrix))


@lru_cache(maxsize=16)
def averaging(own: int, side: int) -> Floats:
    """Average `own` values to `side`, no more than there are: [side, own]."""
    matrix = np.zeros((side, own))
    for i in range(side):
        first, end = i * own // side, -((i + 1) * own // -side)
        matrix[i, first:end] = 1 / (end - first)
    return matrix.astype(np.float32)


@lru_cache(maxsize=16)
def bicubic(own: int, side: int) -> Floats:
    """Interpolate `own` values to `side`, no fewer than there are: [side, own]."""
    return _bicubic(own, side).astype(np.float32)


def _bicubic(own: int, side: int) -> NDArray[np.float64]:
    place = (np.arange(side) + 0.5) * own / side - 0.5
    low = np.floor(place).astype(int)
    matrix = np.zeros((side, own))
    for tap in range(-1, 3):
        at = np.clip(low + tap, 0, own - 1)  # the edge goes on
        np.add.at(matrix, (np.arange(side), at), _kernel(np.abs(place - (low + tap))))
    return matrix


def _kernel(x: NDArray[np.float64]) -> NDArray[np.float64]:
    a = _SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


@lru_cache(maxsize=16)
def blurred_and_grown(side: int, own: int, sigma: float) -> Floats:
    """Blur `side` values by a Gaussian, edges repeated, then interpolate to `own`."""
    radius = max(1, round(3 * sigma))
    steps = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    blur = np.zeros((side, side))
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        at = np.clip(np.arange(side) + step, 0, side - 1)
        np.add.at(blur, (np.arange(side), at), weight)
    return (_bicubic(side, own) @ blur).astype(np.float32)
