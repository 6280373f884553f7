"""A picture and its hole, to be filled once, in as little memory as that takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from swapfill.images import Photograph, read_hole
from swapfill.masks import Hole

OnProgress = Callable[[int, int], None]


class Painter(Protocol):
    """What fills a photograph, by `Inpainter.fill_photograph`."""

    def fill_photograph(
        self,
        photo: Photograph,
        hole: Callable[[], Hole],
        *,
        opaque: bool,
        reuse: bool,
        on_progress: OnProgress | None,
    ) -> Photograph:
        """Fill it; the hole is asked for once."""
        ...


class Unfilled:
    """A picture and its hole, which are given away to be filled.

    Of a large picture each copy counts. So the samples are filled where they lie, and nobody else
    holds the hole, of which who fills keeps only the part that matters.

    Args:
        picture: spent by `fill`, as long as nobody else holds it.
        hole: true where it is missing, [H, W]; likewise.
        opaque: make what is filled opaque, as is right where the hole is taken from alpha.
    """

    def __init__(self, picture: Photograph, hole: Hole, *, opaque: bool) -> None:
        self.format, self.size = picture.format, picture.size
        self._pictures, self._holes, self._opaque = [picture], [hole], opaque

    @classmethod
    def read(cls, photo: Path, mask: Path | None, *, fit_mask: bool = False) -> Self:
        """Read a picture and its mask; without one what is transparent is the hole.

        Raises:
            ImageError: the picture cannot be read.
            MaskError: the mask cannot be read, or has another size and `fit_mask` is false; or
                there is none and nothing can be transparent.
        """
        picture = Photograph.open(photo)
        if mask is None:
            return cls(picture, picture.hole_from_alpha(), opaque=True)
        return cls(picture, read_hole(mask, picture.size, fit=fit_mask), opaque=False)

    @property
    def hole(self) -> Hole:
        """True where it is missing; whoever keeps it keeps its memory too. Gone after `fill`."""
        return self._holes[0]

    def hole_pixels(self, *, invert: bool = False) -> int:
        """Count what is missing, where the hole is to be taken inverted or not; before `fill`."""
        return int(np.count_nonzero(self.hole != invert))

    def fill(self, painter: Painter, on_progress: OnProgress | None = None) -> Photograph:
        """Fill it, once; raises what the painter does."""
        return painter.fill_photograph(
            self._pictures.pop(),
            self._holes.pop,
            opaque=self._opaque,
            reuse=True,
            on_progress=on_progress,
        )
