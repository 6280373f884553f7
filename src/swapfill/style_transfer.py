"""Style transfer of one picture, coarse to fine, with an engine's encoder and Feature2Image.

The paper swaps a content's feature patches for those of a style and translates them (Fig. 10).
Here this is done at rising scales: the first decides on the pieces, the finer ones carry them up
and see the content again. Pictures are [3, H, W] tensors in [0, 1] on the engine's device; a level
is worked on in tiles that overlap, and all of them share the style's candidates.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill.config import FEATURE_STRIDE as CELL
from swapfill.engines.interface import Engine, Swapped
from swapfill.style_settings import LEAST_SIDE, StyleSettings
from swapfill.style_swap import (
    Statistics,
    StyleMap,
    described,
    matched,
    normalised,
    refined,
    statistics_of,
    style_map,
    swapped,
)

OnProgress = Callable[[int, int], None]

_TILES = (128, 256, 512)  # sides that every Feature2Image takes
_OVERLAP = 128  # pixels that two tiles share; they are cross-faded there
_MEASURED = 512  # a larger picture's statistics are those of the picture at this size
_LARGEST_STYLE = 2048  # longer side in pixels; candidates of a larger one would fill the memory


class _Tile(NamedTuple):
    """A square of a level's pixels; where the level is smaller, it reaches beyond, mirrored."""

    top: int
    left: int
    side: int


class _Level(NamedTuple):
    """One scale: what is asked, and what can be copied."""

    asked: Tensor  # [3, h, w]: the content, with what the coarser scale made of it
    content: Tensor  # [3, h, w]
    styles: list[StyleMap]
    coarse: list[Tensor | None]  # what each style's coarser map took, [h' - 2, w' - 2, 2]
    factors: list[int]  # how much finer each style's map is than the coarser scale's
    strength: float


def stylise(
    engine: Engine[Tensor],
    content: Tensor,
    styles: Sequence[Tensor],
    weights: Sequence[float],
    settings: StyleSettings,
    *,
    where: Tensor | None = None,
    on_progress: OnProgress | None = None,
) -> Tensor:
    """Give a picture the style of others.

    Args:
        engine: encodes and translates.
        content: [3, H, W] in [0, 1], of any size.
        styles: each [3, h, w] in [0, 1], at least `LEAST_SIDE` a side.
        weights: of each style, adding up to 1: their swapped maps are blended.
        settings: scales, strength.
        where: [H, W], bool: elsewhere the answer does not matter, and is not computed in full.
        on_progress: called with the number of tiles done, and of all, before the first as well.

    Returns:
        [3, H, W] in [0, 1].
    """
    height, width = content.shape[1:]
    steps = _doublings(max(height, width), settings.coarsest)
    full = _padded(content, CELL << steps, LEAST_SIDE << steps)
    sizes = [(full.shape[1] >> i, full.shape[2] >> i) for i in range(steps, -1, -1)]
    plans = [list(_tiles(size)) for size in sizes]
    plans[-1] = [tile for tile in plans[-1] if where is None or _touches(where, tile)]
    told = _Counter(on_progress, sum(len(plan) for plan in plans))
    ladders = [_style_ladder(style, sizes, settings.style_scale) for style in styles]
    transfer = _Transfer(engine, weights, settings.tone, told)
    image: Tensor | None = None
    coarse: list[Tensor | None] = [None for _ in styles]
    for i, (size, plan) in enumerate(zip(sizes, plans, strict=True)):
        here = _resized(full, size)
        asked = here if image is None else torch.lerp(_resized(image, size), here, settings.detail)
        maps = [transfer.style_map(ladder[i]) for ladder in ladders]
        factors = [2 if i and ladder[i].shape != ladder[i - 1].shape else 1 for ladder in ladders]
        strength = settings.strength if i == steps else 1.0
        level = _Level(asked, here, maps, coarse, factors, strength)
        image, coarse = transfer.run(level, plan)
    assert image is not None
    return image[:, :height, :width].clamp(0, 1)


class _Counter:
    """Counts tiles, and tells of them."""

    def __init__(self, listener: OnProgress | None, total: int) -> None:
        self._tell, self._done, self._total = listener or (lambda done, of_all: None), 0, total
        self._tell(0, total)

    def add(self) -> None:
        self._done += 1
        self._tell(self._done, self._total)


class _Transfer:
    """What stays the same from scale to scale."""

    def __init__(
        self, engine: Engine[Tensor], weights: Sequence[float], tone: float, told: _Counter
    ) -> None:
        self._engine, self._weights, self._tone, self._told = engine, weights, tone, told

    def style_map(self, picture: Tensor) -> StyleMap:
        """Encode a style at one scale."""
        return style_map(self._description(picture), picture, self._tone)

    def _description(self, picture: Tensor) -> Tensor:
        return described(self._engine.encode(picture[None])[0], picture)

    def run(self, level: _Level, plan: Sequence[_Tile]) -> tuple[Tensor, list[Tensor | None]]:
        """Work through the tiles of a level; give its picture, and what each style's map took."""
        _, height, width = level.asked.shape
        measured = _resized(level.asked, _bounded((height, width), _MEASURED))
        statistics = statistics_of(self._description(measured))
        total = torch.zeros_like(level.asked)
        weight = total.new_zeros(1, height, width)
        taken = [
            torch.zeros(height // CELL - 2, width // CELL - 2, 2, dtype=torch.long).to(total.device)
            for _ in level.styles
        ]
        for tile in plan:
            image, places = self._tile(level, tile, statistics)
            fade = _fade(tile, (height, width)).to(total)
            rows, columns = fade.shape
            zone = (slice(tile.top, tile.top + rows), slice(tile.left, tile.left + columns))
            total[:, zone[0], zone[1]] += fade * image[:, :rows, :columns]
            weight[:, zone[0], zone[1]] += fade
            for whole, part in zip(taken, places, strict=True):
                _put(whole, part, tile)
            self._told.add()
        # Where no tile was asked for, the weight is 0, and what comes out is 0.
        return total / weight.clamp(min=1e-6), list(taken)

    def _tile(
        self, level: _Level, tile: _Tile, statistics: Statistics
    ) -> tuple[Tensor, list[Tensor]]:
        """Swap and translate one tile: its picture [3, S, S], and what each style's map took."""
        asked = _cut(level.asked, tile)
        query = normalised(self._description(asked), statistics, self._tone)
        corner = (tile.top // CELL, tile.left // CELL)
        parts, places = [], []
        for i, style in enumerate(level.styles):
            coarse = level.coarse[i]
            if coarse is None:
                place = matched(query, style)
            else:
                place = refined(query, style, coarse, corner, level.factors[i])
            parts.append(swapped(style, place))
            places.append(place)
        features, pixels = (self._blended(maps) for maps in zip(*parts, strict=True))
        content = _cut(level.content, tile)
        return self._translated(features, pixels, content, level.strength), places

    def _blended(self, maps: Sequence[Tensor]) -> Tensor:
        weighed = [weight * one for weight, one in zip(self._weights, maps, strict=True)]
        return torch.stack(weighed).sum(dim=0)

    def _translated(
        self, features: Tensor, pixels: Tensor, content: Tensor, strength: float
    ) -> Tensor:
        if strength == 1:
            return self._decode(features, pixels)
        own = self._engine.encode(content[None])[0]
        blend = self._decode(
            torch.lerp(own, features, strength), torch.lerp(content, pixels, strength)
        )
        # What the translator gets wrong about the content itself: with it, 0 is the content.
        return blend + (1 - strength) * (content - self._decode(own, content))

    def _decode(self, features: Tensor, pixels: Tensor) -> Tensor:
        everywhere = torch.ones_like(pixels[None, :1], dtype=torch.bool)
        swap = Swapped(features[None], pixels[None], None)
        return self._engine.translate(swap, pixels[None], everywhere)[0]


def _doublings(side: int, coarsest: int) -> int:
    """Count the scales above the first, which is 0.7 to 1.4 times `coarsest` pixels long."""
    return max(0, round(math.log2(max(side, 1) / coarsest)))


def _style_ladder(style: Tensor, sizes: Sequence[tuple[int, int]], scale: float) -> list[Tensor]:
    """Resize a style for each scale: of the content's area times `scale` squared.

    A size is twice the one before, until the style has no more to show: from there on its pieces
    are copied at that resolution.
    """
    height, width = style.shape[1:]
    ratio = scale * (sizes[0][0] * sizes[0][1] / (height * width)) ** 0.5
    size = (_whole_cells(height * ratio), _whole_cells(width * ratio))
    most = min(_LARGEST_STYLE, 1.5 * max(height, width))
    ladder = [_resized(style, size)]
    for _ in sizes[1:]:
        if 2 * max(size) <= most:
            size = (2 * size[0], 2 * size[1])
        ladder.append(_resized(style, size))
    return ladder


def _whole_cells(length: float) -> int:
    return max(round(length / CELL) * CELL, LEAST_SIDE)


def _bounded(size: tuple[int, int], most: int) -> tuple[int, int]:
    """Reduce a size to at most `most` pixels a side; one that is smaller stays."""
    ratio = most / max(size)
    if ratio >= 1:
        return size
    return _whole_cells(size[0] * ratio), _whole_cells(size[1] * ratio)


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    if picture.shape[1:] == size:
        return picture
    image = F.interpolate(
        picture[None], size=size, mode="bicubic", align_corners=False, antialias=True
    )
    return image[0].clamp(0, 1)


def _padded(picture: Tensor, multiple: int, least: int) -> Tensor:
    """Mirror a picture at the bottom and the right, to whole multiples and at least `least`."""
    height, width = (max(-(-n // multiple) * multiple, least) for n in picture.shape[1:])
    return picture[:, _mirrored(0, height, picture.shape[1])][
        :, :, _mirrored(0, width, picture.shape[2])
    ]


def _cut(picture: Tensor, tile: _Tile) -> Tensor:
    """Cut out a tile, mirrored at the border, again and again: [3, S, S]."""
    rows = _mirrored(tile.top, tile.top + tile.side, picture.shape[1])
    columns = _mirrored(tile.left, tile.left + tile.side, picture.shape[2])
    return picture[:, rows][:, :, columns]


def _mirrored(first: int, last: int, length: int) -> list[int]:
    """Fold the indices first..last into 0..length: `length` is `length` - 1 again."""
    folded = (i % (2 * length) for i in range(first, last))
    return [min(i, 2 * length - 1 - i) for i in folded]


def _tiles(size: tuple[int, int]) -> Iterator[_Tile]:
    """Cover a level with squares of one side that overlap."""
    side = next((side for side in _TILES if side >= max(size)), _TILES[-1])
    for top in _starts(size[0], side):
        for left in _starts(size[1], side):
            yield _Tile(top, left, side)


def _starts(length: int, side: int) -> list[int]:
    """Place the first pixels of tiles, in whole cells; the last ends with the picture."""
    if length <= side:
        return [0]
    return [*range(0, length - side, side - _OVERLAP), length - side]


def _fade(tile: _Tile, size: tuple[int, int]) -> Tensor:
    """Weigh a tile's pixels inside the level: 1, falling towards the tile's edges."""
    steps = torch.arange(tile.side) + 0.5
    edge = (torch.minimum(steps, tile.side - steps) / _OVERLAP).clamp(max=1)
    return edge[: size[0] - tile.top, None] * edge[None, : size[1] - tile.left]


def _touches(where: Tensor, tile: _Tile) -> bool:
    part = where[tile.top : tile.top + tile.side, tile.left : tile.left + tile.side]
    return bool(part.any())


def _put(whole: Tensor, part: Tensor, tile: _Tile) -> None:
    """Keep what a tile's patches took; in an overlap, that of the tile in whose inside it lies."""
    first = [start // CELL for start in (tile.top, tile.left)]
    skip = [_OVERLAP // CELL // 2 if start else 0 for start in first]
    rows, columns = (
        min(length, count - start)
        for length, count, start in zip(part.shape[:2], whole.shape[:2], first, strict=True)
    )
    inner = part[skip[0] : rows, skip[1] : columns]
    whole[first[0] + skip[0] : first[0] + rows, first[1] + skip[1] : first[1] + columns] = inner
