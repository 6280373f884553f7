"""Detail: what a reduced window cannot show is copied with the pieces that were matched in it.

A window of more than `LARGEST_RESOLUTION` pixels a side is filled at a lower resolution, and
enlarged its fill would be blurry. But it is known which piece of the picture each part of the fill
was copied from: what the full picture has there beyond its reduced self is copied along, and added.
So a hole of any size is filled in the memory and the time of the largest window, plus a copy that
is linear in the window's area: nothing is matched or translated above it.

Where pixels of the full picture are `scale` times as fine, they are taken as scale x scale
pictures of the reduced size (phases), each of which is copied as the pixels were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill.config import FEATURE_STRIDE, FillSettings
from swapfill.engines.interface import Engine
from swapfill.masks import Box, Hole
from swapfill.pipeline import boxes_around, carry_pieces, is_thin, ladder, translate_pieces
from swapfill.windows import Window, cut_phase

Floats: TypeAlias = NDArray[np.float32]
Half: TypeAlias = NDArray[np.float16]
Copy: TypeAlias = Callable[[Floats], Floats]
Array = TypeVar("Array")

_MARGIN = 2  # pixels that a bicubic kernel reaches to
_PATCH = 3  # cells a side


def fill_with_copy(
    engine: Engine[Array], incomplete: Floats, hole: Hole, settings: FillSettings
) -> tuple[Floats, Copy]:
    """Fill one window as `pipeline.fill_windows` does, and give what copies its pieces again.

    Args:
        engine: runs the steps.
        incomplete: [1, S, S, 3] in [0, 1].
        hole: [1, S, S].
        settings: with coherent matching up to the window's own side (`can_copy`).

    Returns:
        The filled window, [1, S, S, 3], and a function from values [S, S, 3] to the same with the
        hole filled by the pieces that were copied here.

    Raises:
        NoKnownPatchError: the hole leaves nothing to copy.
    """
    picture, missing = engine.put(np.where(hole[..., None], 0.0, incomplete), hole)
    side = hole.shape[1]
    scales = ladder(side, settings, thin=is_thin(hole[0]))
    pieces = carry_pieces(engine, picture, missing, scales, settings)
    boxes = boxes_around(hole, engine.span(side))
    filled = engine.get(translate_pieces(engine, pieces, settings, boxes))
    found = engine.matches(pieces.swapped)[0]
    origin = None if found is None else _origins(found, pieces.moves, hole[0])

    def copy(values: Floats) -> Floats:
        pasted = values.copy()
        if origin is not None:
            pasted[hole[0]] = values.reshape(-1, values.shape[2])[origin]
        return pasted

    return filled, copy


def _origins(
    found: NDArray[np.int64], moves: list[NDArray[np.int64]] | None, hole: Hole
) -> NDArray[np.int64]:
    """Find the pixel that each missing pixel is copied from, by the piece centred on its cell.

    The fill itself is the mean of all pieces that cover a cell. What is finer than that, of pieces
    that agree but roughly, a mean would take away.

    Args:
        found: `Engine.matches` of one map.
        moves: `Pieces.moves` of that one map.
        hole: [S, S].

    Returns:
        [missing pixels], indices into the window in reading order.
    """
    limit = len(hole) // FEATURE_STRIDE - _PATCH
    source = np.zeros((limit + 1, limit + 1, 2), np.int64)
    source[tuple(found[:, :2].T)] = FEATURE_STRIDE * (found[:, 2:] - found[:, :2])
    pixels = np.argwhere(hole)
    patch = tuple(np.clip(pixels // FEATURE_STRIDE - _PATCH // 2, 0, limit).T)
    taken = pixels + source[patch]
    if moves is not None:
        source[tuple(found[:, :2].T)] += moves[0]
        moved = np.clip(pixels + source[patch], 0, len(hole) - 1)
        taken = np.where(hole[tuple(moved.T)][:, None], taken, moved)  # as `moved_pieces` does
    return np.asarray(taken @ (len(hole), 1))


def can_copy(side: int, settings: FillSettings) -> bool:
    """Tell whether pieces are known at the resolution of a window of `side` pixels."""
    return settings.matching == "coherent" and ladder(side, settings)[-1] == side


def copied_detail(
    picture: NDArray[Any], white: int, window: Window, filled: Floats, zone: Box, copy: Copy
) -> Half:
    """Copy what a picture has beyond its reduced self.

    Args:
        picture: [H, W, 3], of any number type; what lies in the hole does not matter.
        white: its value of white.
        window: the reduced window.
        filled: [R, R, 3] in [0, 1], the window with its hole filled.
        zone: picture pixels, inside the window.
        copy: fills the hole of values [R, R, 3] by the window's pieces.

    Returns:
        What to add in the zone to the enlarged fill, [zone.height, zone.width, 3], for white at 1.
    """
    scale = window.scale
    detail = np.zeros((zone.height, zone.width, 3), np.float16)
    for row in range(scale):
        for column in range(scale):
            fine = cut_phase(picture, window, row, column) / np.float32(white)
            fine -= _enlarged_phase(filled, (row + 0.5) / scale - 0.5, (column + 0.5) / scale - 0.5)
            found = copy(fine)
            (top, above), (left, before) = (
                _first(start, phase, scale)
                for start, phase in (
                    (zone.top - window.top, row),
                    (zone.left - window.left, column),
                )
            )
            place = detail[top::scale, left::scale]
            height, width = place.shape[:2]
            place[:] = found[above : above + height, before : before + width]
    return detail


def _first(start: int, phase: int, scale: int) -> tuple[int, int]:
    """Find the first pixel of a phase from `start` on: pixels beyond it, and its place among them.

    >>> _first(6, 1, 4)
    (3, 2)
    """
    place = -((phase - start) // scale)
    return place * scale + phase - start, place


def _enlarged_phase(values: Floats, down: float, right: float) -> Floats:
    """Take values [R, R, C] between the pixels, bicubically: this much below and beside each."""
    height, width = values.shape[:2]
    wide = np.pad(values, [(_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)], mode="edge")
    top, left = _MARGIN + down, _MARGIN + right
    box = (left, top, left + width, top + height)
    planes = [
        Image.fromarray(np.ascontiguousarray(wide[..., i])).resize(
            (width, height), Image.Resampling.BICUBIC, box=box
        )
        for i in range(values.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)
