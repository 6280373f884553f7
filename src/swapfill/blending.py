"""Blend: bring the fill's colours at the rim of the hole to those around it, and put it there.

A translated picture covers the known side too, and is a little off in tone there. What it is off by
is known on a thin rim around the hole; spread over the hole as a membrane (a harmonic function with
those values at its edge, as in Poisson blending) and added, it takes tint and seam away and keeps
the texture. The paper aligns the colours of the boundary in the same place.

The rim is one pixel and is taken as it is: what is fine along it dies out within as many pixels of
depth, what is coarse reaches far. Averaging it first, over 4 x 8 pixels, measured worse: the seam's
gradient was 1.74 x the truth's against 1.28 x, the l1 over the hole 16.4 % against 16.0 %.
"""

import numpy as np
from numpy.typing import NDArray

from swapfill.masks import Hole, bounding_box, grow

Floats = NDArray[np.float32]

RIM = 1  # pixels around the hole in which fill and picture are compared

_SWEEPS = 8  # of relaxation at each level; the error left is below a third of an 8-bit step


def align_rim(filled: Floats, picture: Floats, hole: Hole) -> Floats:
    """Put the fill into the picture, its colours shifted so that the two meet at the rim.

    Args:
        filled: [H, W, 3], the whole translated window, known side included; in [0, 1].
        picture: [H, W, 3], in [0, 1]; what it holds in the hole does not matter.
        hole: [H, W], bool.

    Returns:
        A new array: inside the hole `filled` plus the membrane, clipped to [0, 1]; outside it
        `picture`, bit for bit. Where nothing is known there is no membrane to add.
    """
    aligned = picture.copy()
    box = bounding_box(hole)
    if box is None:
        return aligned
    zone = box.widened(RIM + 1, (hole.shape[0], hole.shape[1])).slices
    missing, inside = hole[zone], filled[zone]
    rim = grow(missing, RIM) & ~missing
    if rim.any():
        # Planes [3, H, W] here: faster by half than [H, W, 3], which has a mask to stretch.
        offset = np.ascontiguousarray(np.moveaxis(picture[zone] - inside, -1, 0))
        membrane = _spread(np.where(rim, offset, 0), rim, missing)
        inside = np.clip(inside + np.moveaxis(membrane, 0, -1), 0, 1)
    np.copyto(aligned[zone], inside, where=missing[..., None])
    return aligned


def composite(weight: Hole | Floats, filled: Floats, picture: Floats) -> Floats:
    """Put the fill over the picture.

    Args:
        weight: [H, W], of the fill: a hole (bool), or float32 in [0, 1] for a soft edge.
        filled: [H, W, C]; clipped to [0, 1].
        picture: [H, W, C]; comes through bit for bit where the weight is 0.
    """
    share = weight[..., None].astype(np.float32)
    fill = np.clip(filled, 0, 1)
    return np.where(share == 0, picture, share * fill + (1 - share) * picture)


def _spread(values: Floats, rim: Hole, missing: Hole) -> Floats:
    """Continue the rim's values harmonically over the missing pixels, coarse to fine.

    Args:
        values: [C, H, W], read on the rim.
        rim: [H, W].
        missing: [H, W]; each has only missing and rim pixels, or the border, beside it.
    """
    if not missing.any():
        return np.where(rim, values, values[:, rim].mean(axis=1)[:, None, None])
    # Half the size: the mean of the rim's pixels in each square of 2x2. A square is missing only
    # if all of it is, so that the rim stays closed around the hole.
    count = _halved(rim.astype(np.float32)[None])[0]
    coarse = _halved(np.where(rim, values, 0)) / np.maximum(count, 1)
    coarse_missing = (_halved(missing.astype(np.float32)[None])[0] > 0) & (count == 0)
    guess = _doubled(_spread(coarse, count > 0, coarse_missing), missing.shape)
    guess = np.where(rim, values, guess)
    for _ in range(_SWEEPS):
        np.copyto(guess, _neighbour_mean(guess), where=missing)
    return guess


def _halved(values: Floats) -> Floats:
    """Add up squares of 2x2 pixels; an odd side ends in half a square."""
    height, width = values.shape[1:]
    even = np.pad(values, [(0, 0), (0, height % 2), (0, width % 2)])
    rows = even[:, 0::2] + even[:, 1::2]
    return np.asarray(rows[:, :, 0::2] + rows[:, :, 1::2], np.float32)


def _doubled(values: Floats, size: tuple[int, ...]) -> Floats:
    """Enlarge by two, bilinearly, and cut to size."""
    for axis in (1, 2):
        lines = np.moveaxis(values, axis, 0)
        fine = np.repeat(lines, 2, axis=0)
        fine *= np.float32(0.75)
        fine[2::2] += np.float32(0.25) * lines[:-1]
        fine[1:-1:2] += np.float32(0.25) * lines[1:]
        fine[0], fine[-1] = lines[0], lines[-1]
        values = np.moveaxis(fine[: size[axis - 1]], 0, axis)
    return np.ascontiguousarray(values)


def _neighbour_mean(values: Floats) -> Floats:
    """Average the four neighbours; beyond the border a pixel is its own neighbour."""
    padded = np.pad(values, [(0, 0), (1, 1), (1, 1)], mode="edge")
    mean = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1]
    mean += padded[:, 1:-1, :-2]
    mean += padded[:, 1:-1, 2:]
    mean *= np.float32(0.25)
    return np.asarray(mean, np.float32)
