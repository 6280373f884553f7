"""Neighbourhoods: among which candidates coherent matching looks for those nearest to a query.

On maps of up to 64 cells a side, among all. A larger map is matched where a hole is thin, and what
such a hole takes is found near it: its queries are asked tile by tile, of what lies around the
tile. (Measured on free-form holes: the same figures as among all, in a third of the time.)
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swapfill.masks import Box, bounding_box

WHOLE = 64  # cells; on maps of this side at most, all are looked at
SCORE_STEP = 9 / 2**14  # to which sums of nine cosines are rounded when compared
_TILE = 16  # patches
_REACH = 24  # patches around a tile
_PATCH = 3
_CHOICE = 4  # times the candidates to list are wanted around a tile, else all are looked at


class Neighbourhood(NamedTuple):
    """Queries of a box of patches, and the box that their candidates are from."""

    queries: Box
    candidates: Box


def neighbourhoods(
    asked: NDArray[np.bool_], valid: NDArray[np.bool_], count: int
) -> Iterator[Neighbourhood]:
    """Part the queries of a map.

    Args:
        asked: which patches are queries, [h, w] in patches.
        valid: which are candidates.
        count: how many candidates each query lists.

    Yields:
        Boxes that hold all queries, none twice; with `count` candidates each, if there are.
    """
    height, width = asked.shape
    whole = Box(0, 0, height, width)
    tile = _TILE if max(height, width) > WHOLE else max(height, width)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            inside = bounding_box(asked[top : top + tile, left : left + tile])
            if inside is None:
                continue
            box = inside.shifted(top, left)
            near = whole if tile > _TILE else box.widened(_REACH, (height, width))
            enough = np.count_nonzero(valid[near.slices]) >= _CHOICE * count
            yield Neighbourhood(box, near if enough else whole)


class Known(NamedTuple):
    """The cells that candidates of a neighbourhood have, in reading order, and the candidates.

    `cells` are [K] and `places` [V], on the whole map; `lines` [3, V] tells for each row of a
    candidate where in `cells` it begins: its three cells follow each other there.
    """

    cells: NDArray[np.int64]
    places: NDArray[np.int64]
    lines: NDArray[np.int64]


def known_cells(valid: NDArray[np.bool_], near: Box) -> Known:
    """Find the cells of the candidates, `valid` [h, w] in patches, of a box."""
    here = np.pad(valid[near.slices], _PATCH - 1)
    columns = here[:, 2:] | here[:, 1:-1] | here[:, :-2]
    cells = columns[2:] | columns[1:-1] | columns[:-2]
    number = np.cumsum(cells).reshape(cells.shape) - 1
    row, column = np.nonzero(valid[near.slices])
    lines = np.stack([number[row + i, column] for i in range(_PATCH)])
    width = valid.shape[1]
    down, right = np.nonzero(cells)
    on_map = (down + near.top) * (width + _PATCH - 1) + right + near.left
    return Known(on_map, (row + near.top) * width + column + near.left, lines)
