"""Batches of photographs, each a function of (seed, step) alone."""

import itertools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from swapfill.training.ahead import ahead
from swapfill.training.held import Pixels
from swapfill.training.photo_store import PhotoStore


@dataclass(frozen=True)
class Batch:
    """Some pictures and their holes: `truth` [B, 3, S, S] in [0, 1], `hole` [B, 1, S, S], bool."""

    truth: Tensor
    hole: Tensor


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(count)


def order(seed: int, count: int, index: int) -> int:
    """Which picture the `index`-th draw takes: every epoch is a permutation of its own."""
    epoch, place = divmod(index, count)
    return int(_permutation(seed, epoch, count)[place])


def square(photo: Pixels, rng: np.random.Generator, side: int, whole: float) -> Pixels:
    """Cut a square of `side` pixels and flip it at random.

    With probability `whole` the whole picture is resized (the paper); else a random square crop
    between its own resolution and its whole short side.
    """
    height, width = photo.shape[:2]
    if rng.random() < whole:
        box = (0.0, 0.0, float(width), float(height))
    else:
        short = min(height, width)
        crop = short if short <= side else float(np.exp(rng.uniform(np.log(side), np.log(short))))
        left, top = rng.uniform(0, width - crop), rng.uniform(0, height - crop)
        box = (left, top, left + crop, top + crop)
    flipped = rng.random() < 0.5
    picture = Image.fromarray(photo).resize((side, side), Image.Resampling.BICUBIC, box=box)
    pixels = np.asarray(picture)
    return pixels[:, ::-1] if flipped else pixels


def batches(
    store: PhotoStore,
    draw_hole: Callable[[np.random.Generator, int], npt.NDArray[np.bool_]],
    *,
    seed: int,
    batch_size: int,
    side: int,
    whole: float,
    start: int,
    rank: int = 0,
    ranks: int = 1,
    workers: int = 0,
    prepare: Callable[[Batch], Batch] | None = None,
) -> Generator[Batch, None, None]:
    """Give the batches of steps `start`, `start` + 1, ... without end; close it to end its threads.

    A picture's crop depends on (seed, its draw), a hole on (seed, its draw): not on the batch size,
    nor on the number of `workers`, the threads that make batches ahead of their use. Of `ranks`
    processes the one called `rank` gets its share of each step: together theirs are one batch of
    `ranks` times the size. `prepare` is done to each batch by the thread that made it.
    """

    def batch(step: int) -> Batch:
        truths, holes = [], []
        first = (step * ranks + rank) * batch_size
        for i in range(first, first + batch_size):
            photo = store[order(seed, len(store), i)]
            truths.append(square(photo, np.random.default_rng([seed, 1, i]), side, whole))
            holes.append(draw_hole(np.random.default_rng([seed, 2, i]), side))
        # numpy, not torch, which would start threads of its own in each worker
        truth = torch.from_numpy(np.stack(truths).astype(np.float32) / np.float32(255))
        made = Batch(truth.permute(0, 3, 1, 2), torch.from_numpy(np.stack(holes))[:, None])
        return made if prepare is None else prepare(made)

    return ahead(batch, itertools.count(start), workers)
