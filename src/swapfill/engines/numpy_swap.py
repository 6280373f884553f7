"""Patch-swap in NumPy: the twin of `patch_swap`, in its words and its order of operations.

Maps are [C, h, w], float32; holes [h, w], bool. A 3x3 patch is named by its top left cell.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swapfill.errors import NoKnownPatchError

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Places = NDArray[np.int64]

PATCH = 3
_CHANNELS = 16  # that are pasted at once
_BLOCK = 6_000_000  # floats of the Gram matrix that are held at once: 24 MB


class Match(NamedTuple):
    """For each query of one map, which candidate it takes: both [N, 2], (row, column) in cells."""

    query: Places
    candidate: Places


def touching(hole: Bools) -> Bools:
    """Which patches touch the hole: [h, w] to [h - 2, w - 2]."""
    rows = hole[:-2] | hole[1:-1] | hole[2:]
    return np.asarray(rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:])


def candidates(hole: Bools) -> Bools:
    """Which patches lie wholly outside the hole: [h, w] to [h - 2, w - 2].

    Raises:
        NoKnownPatchError: none does.
    """
    valid = ~touching(hole)
    if not valid.any():
        raise NoKnownPatchError(
            f"the hole leaves no known {PATCH}x{PATCH} patch in {hole.shape[0]}x{hole.shape[1]} "
            "features, want a smaller hole or a larger picture"
        )
    return valid


class Box(NamedTuple):
    """Where queries are: rows and columns of patches, the ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def around(cls, asked: Bools) -> "Box":
        """Give the smallest that holds all queries; there is one at least."""
        rows, columns = (np.nonzero(asked.any(axis=axis))[0] for axis in (1, 0))
        return cls(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)

    @property
    def corner(self) -> Places:
        """The first patch: (row, column)."""
        return np.array([self.top, self.left])

    @property
    def cells(self) -> tuple[slice, slice, slice]:
        """The cells of these patches, in a map [C, h, w]."""
        reach = PATCH - 1
        rows, columns = slice(self.top, self.bottom + reach), slice(self.left, self.right + reach)
        return slice(None), rows, columns

    @property
    def patches(self) -> tuple[slice, slice]:
        """These patches, in a map of patches."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def match(features: Floats, hole: Bools, keys: Floats) -> Match:
    """Find the most similar candidate of every query of one map, exactly; ties go to the first.

    Args:
        features: what asks, [C, h, w].
        hole: [h, w], with at least one cell.
        keys: what candidates are compared by, [C, h, w].

    Raises:
        NoKnownPatchError: there is no candidate.
    """
    valid, asked = candidates(hole), touching(hole)
    box = Box.around(asked)
    inverse = 1 / np.maximum(patch_norms(keys), np.float32(1e-20))
    penalty = np.where(valid, np.float32(0), np.float32(-1e30))
    here = asked[box.patches]
    chosen = []
    for row, products in enumerate(product_rows(features[box.cells], keys)):
        products *= inverse
        products += penalty
        best = products.reshape(len(products), -1).argmax(axis=1)
        chosen.append(best[here[row]])
    query = np.argwhere(here) + box.corner
    return Match(query, np.stack(np.divmod(np.concatenate(chosen), inverse.shape[1]), axis=1))


def product_rows(part: Floats, keys: Floats) -> Iterator[Floats]:
    """Give the inner products of patches of [C, a, b] with all of [C, h, w], a row at a time.

    One Gram matrix of cells, then a box sum along its diagonal, first over columns, then over rows.

    Yields:
        [b - 2, h - 2, w - 2], for each of a - 2 rows.
    """
    channels, rows, columns = part.shape
    height, width = keys.shape[1:]
    table = keys.reshape(channels, -1)
    step = max(1, _BLOCK // (columns * height * width))
    summed: deque[Floats] = deque(maxlen=PATCH)  # over columns, of the last three rows of cells
    for top in range(0, rows, step):
        cells = part[:, top : top + step].reshape(channels, -1)
        gram = (cells.T @ table).reshape(-1, columns, height, width)
        for row in gram:
            over_columns = row[:-2, :, :-2] + row[1:-1, :, 1:-1]
            over_columns += row[2:, :, 2:]
            summed.append(over_columns)
            if len(summed) == PATCH:
                first, second, third = summed
                product = first[:, :-2] + second[:, 1:-1]
                product += third[:, 2:]
                yield product


def patch_norms(features: Floats) -> Floats:
    """Give the norm of every patch: [C, h, w] to [h - 2, w - 2]."""
    squared = np.einsum("chw,chw->hw", features, features)
    rows = squared[:-2] + squared[1:-1] + squared[2:]
    return np.asarray(np.sqrt(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]))


class Copies:
    """Where each cell of a hole is copied from: the patches that cover it, in equal shares.

    Args:
        hole: [h, w].
        found: a candidate for every patch that touches the hole.
    """

    def __init__(self, hole: Bools, found: Match) -> None:
        height, width = hole.shape
        source = np.full((height - 2, width - 2), -1)
        source[tuple(found.query.T)] = found.candidate @ (width, 1)
        cells = np.argwhere(hole)
        shift = np.stack(np.divmod(np.arange(PATCH**2), PATCH), axis=1)
        corner = cells[:, None] - shift  # [P, 9, 2]
        limit = (height - PATCH, width - PATCH)
        inside = ((corner >= 0) & (corner <= limit)).all(axis=2)
        corner = np.clip(corner, 0, limit)
        taken = source[corner[..., 0], corner[..., 1]] + shift @ (width, 1)
        self._rows, self._columns = cells.T
        self._taken = np.where(inside, taken, 0).T  # [9, P]
        self._share = (inside / inside.sum(axis=1, keepdims=True)).T.astype(np.float32)

    def paste(self, values: Floats) -> None:
        """Replace the hole's cells in a map [D, h, w] by the mean of their copies."""
        for first in range(0, len(values), _CHANNELS):  # so few stay in a cache
            some = values[first : first + _CHANNELS]
            flat = some.reshape(len(some), -1)
            total = np.zeros((len(some), len(self._rows)), np.float32)
            copied = np.empty_like(total)
            for taken, share in zip(self._taken, self._share, strict=True):
                # All are on the map; said otherwise than "clip", NumPy would copy once more.
                flat.take(taken, axis=1, out=copied, mode="clip")
                copied *= share
                total += copied
            some[:, self._rows, self._columns] = total


def cells_of(picture: NDArray[np.float32], side: int) -> Floats:
    """Lay each cell's pixels along the channels: [3, S, S] to [3 (S / side)^2, side, side]."""
    channels, size = picture.shape[0], picture.shape[1] // side
    apart = picture.reshape(channels, side, size, side, size).transpose(0, 2, 4, 1, 3)
    return apart.reshape(-1, side, side)


def pixels_of(cells: Floats, channels: int) -> Floats:
    """Undo `cells_of`."""
    side, size = cells.shape[1], round((len(cells) / channels) ** 0.5)
    apart = cells.reshape(channels, size, size, side, side).transpose(0, 3, 1, 4, 2)
    return apart.reshape(channels, side * size, side * size)
