"""What every engine can do: the paper's steps, and the few array operations between them.

`Array` is the runtime's own array on its own device, so that a window stays there from the first
scale to the last. Images are [B, 3, S, S], float32 in [0, 1]; holes [B, 1, S, S], bool.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from swapfill.config import FillSettings
from swapfill.masks import Box

Array = TypeVar("Array")
Places = npt.NDArray[np.int64]


class Part(NamedTuple):
    """A box of pixels, or cells, of one image of a batch."""

    image: int
    box: Box


@dataclass(frozen=True)
class Query(Generic[Array]):
    """What patch-swap is asked at one scale.

    `picture` is the guess composited with the known pixels, [B, 3, S, S], `features` are its,
    [B, 256, S/4, S/4]; `hole` is R at this scale; `expected` is Image2Feature's feature head, where
    there is one; `keys` is what both sides are compared by, if not `features`; `matched` is what
    the last swap found, at this scale or one below. With `copied` false only `matched` is asked
    for, and features and picture come back as they are.
    """

    picture: Array
    features: Array
    hole: Array
    expected: Array | None = None
    keys: Array | None = None
    matched: Any = None
    copied: bool = True


@dataclass(frozen=True)
class Swapped(Generic[Array]):
    """What patch-swap answers.

    `features` are F'_1, [B, 256, S/4, S/4]; `pixels` is the picture with the same pieces copied,
    [B, 3, S, S]; `matched` is for the next query.
    """

    features: Array
    pixels: Array
    matched: Any


class Engine(Protocol[Array]):
    """The four steps of section 3.4 on one runtime."""

    name: str
    device: str
    precision: str

    def put(
        self, pictures: npt.NDArray[np.float32], holes: npt.NDArray[np.bool_]
    ) -> tuple[Array, Array]:
        """Take windows [B, S, S, 3] and their holes [B, S, S] onto the device."""
        ...

    def get(self, image: Array) -> npt.NDArray[np.float32]:
        """Bring an image back as [B, S, S, 3], float32 in [0, 1]."""
        ...

    def resize(self, image: Array, side: int) -> Array:
        """Resample an image: area average down, bicubic up."""
        ...

    def shrink(self, hole: Array, side: int) -> Array:
        """Shrink a hole: missing if any pixel is. `side` divides the hole's own."""
        ...

    def composite(self, hole: Array, inside: Array, outside: Array) -> Array:
        """Take `inside` in the hole and `outside` elsewhere."""
        ...

    def infer(self, incomplete: Array, hole: Array) -> tuple[Array, Array | None]:
        """G_1: give the guess, known pixels as they were, and the expected features."""
        ...

    def encode(self, image: Array) -> Array:
        """vgg: give the features, [B, 256, S/4, S/4]."""
        ...

    def swap(self, query: Query[Array], settings: FillSettings) -> Swapped[Array]:
        """Patch-swap: copy the most similar known pieces into the hole."""
        ...

    def matches(self, swapped: Swapped[Array]) -> list[Places | None]:
        """Tell what coherent matching found, a map each; None where there is no hole.

        [N, 4]: row and column of the top left cell of each patch that touches the hole, and of the
        piece that it takes.
        """
        ...

    def span(self, side: int) -> int:
        """Give what the sides of a part of a window of `side` pixels are a multiple of.

        It is `side` itself where G_2 translates windows as a whole alone.
        """
        ...

    def cut(self, images: Array, parts: Sequence[Part]) -> Array:
        """Cut parts of one size out of images [B, C, H, W]: [N, C, h, w]."""
        ...

    def put_back(self, images: Array, filled: Array, parts: Sequence[Part]) -> Array:
        """Give the images with `filled`, [N, C, h, w], in the place of some parts."""
        ...

    def translate(self, swapped: Swapped[Array], guess: Array, hole: Array) -> Array:
        """G_2: give the picture of swapped features, [B, 3, S, S]; `guess` may guide it."""
        ...

    def align_tone(self, filled: Array, reference: Array, sigma: float) -> Array:
        """Give `filled` the tone of `reference`: its content coarser than `sigma` pixels of 128."""
        ...
