"""Batches of photographs, each a function of (seed, step) alone."""

import hashlib
import io
import json
import os
import queue
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from swapfill.errors import DataError
from swapfill.files import write_bytes_atomically
from swapfill.training.sources import members, stamps_of

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Batch:
    """Some pictures and their holes: `truth` [B, 3, S, S] in [0, 1], `hole` [B, 1, S, S], bool."""

    truth: Tensor
    hole: Tensor


class PhotoStore:
    """Photographs, decoded once into a memory-mapped file: uint8 RGB, at their own size.

    Many processes share the mapped pages; a picture is a slice, never a decode.
    """

    def __init__(self, flat: npt.NDArray[np.uint8], shapes: npt.NDArray[np.int64]) -> None:
        self._flat, self._shapes = flat, shapes
        sizes = shapes[:, 0] * shapes[:, 1] * 3
        self._starts = np.concatenate([[0], np.cumsum(sizes)])

    def __len__(self) -> int:
        return len(self._shapes)

    @property
    def shortest(self) -> int:
        """The shortest side of any picture, in pixels."""
        return int(self._shapes.min())

    def __getitem__(self, index: int) -> Pixels:
        height, width = self._shapes[index]
        flat = self._flat[self._starts[index] : self._starts[index + 1]]
        return flat.reshape(height, width, 3)

    @classmethod
    def open(
        cls,
        sources: list[Path],
        cache: Path,
        on_skip: Callable[[str], None] = lambda _: None,
        *,
        unreadable: float = 1.0,
    ) -> "PhotoStore":
        """Open the decoded photographs of `sources`, decoding them into `cache` on first use.

        Args:
            sources: tar files, folders (searched through), and .txt lists of one picture a line.
            cache: folder of the decoded file; its name depends on the names, sizes and times of
                change of the tar files and of the pictures in the folders.
            on_skip: told of each picture that cannot be read.
            unreadable: the share of such pictures above which all are refused.

        Raises:
            DataError: a source is missing or no tar file, too few pictures in them can be read, one
                vanished, or the cache cannot be written.
        """
        for source in sources:
            if not source.exists():
                raise DataError(f"{source}: no such tar file or folder of photographs")
        stamps = [stamp for source in sources for stamp in stamps_of(source)]
        key = hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]
        pixels, index = cache / f"{key}.u8", cache / f"{key}.json"
        if not (index.exists() and pixels.exists()):
            try:
                cache.mkdir(parents=True, exist_ok=True)
                _decode(sources, pixels, index, on_skip, unreadable)
            except OSError as error:
                where = f"{error.filename or cache}: {error.strerror or error}"
                raise DataError(f"{where}; photographs are decoded into {cache}") from None
        shapes = np.array(json.loads(index.read_text()), dtype=np.int64)
        return cls(np.memmap(pixels, dtype=np.uint8, mode="r"), shapes)


def _decode(
    sources: list[Path],
    pixels: Path,
    index: Path,
    on_skip: Callable[[str], None],
    unreadable: float,
) -> None:
    shapes: list[tuple[int, int]] = []
    skipped: list[str] = []
    unfinished = pixels.with_suffix(f".{os.getpid()}.part")  # two runs may start at once
    try:
        with unfinished.open("wb") as out:
            for source in sources:
                for name, data in members(source):
                    try:
                        rgb = _rgb(data)
                    except _UNREADABLE as error:
                        skipped.append(f"{source}: {name}: {error}")
                        on_skip(skipped[-1])
                        continue
                    out.write(rgb.tobytes())
                    shapes.append((rgb.shape[0], rgb.shape[1]))
        if not shapes:
            raise DataError(f"{', '.join(map(str, sources))}: no picture that can be read")
        if len(skipped) > unreadable * (len(shapes) + len(skipped)):
            raise DataError(
                f"{skipped[0]}; of {len(shapes) + len(skipped)} pictures {len(skipped)} cannot be "
                f"read, want at most {unreadable:.0%} (data.unreadable)"
            )
        unfinished.replace(pixels)
    finally:
        unfinished.unlink(missing_ok=True)
    write_bytes_atomically(index, json.dumps(shapes).encode())


# What Pillow raises for damaged files of the kinds in `sources.SUFFIXES`.
_UNREADABLE = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)


def _rgb(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def order(seed: int, count: int, index: int) -> int:
    """Which picture the `index`-th draw takes: every epoch is a permutation of its own."""
    epoch, place = divmod(index, count)
    return int(np.random.default_rng([seed, epoch]).permutation(count)[place])


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
) -> Iterator[Batch]:
    """Give the batches of steps `start`, `start` + 1, ... without end.

    A picture's crop depends on (seed, its draw), a hole on (seed, its draw): not on the batch size.
    """
    step = start
    while True:
        truths, holes = [], []
        for i in range(step * batch_size, (step + 1) * batch_size):
            photo = store[order(seed, len(store), i)]
            truths.append(square(photo, np.random.default_rng([seed, 1, i]), side, whole))
            holes.append(draw_hole(np.random.default_rng([seed, 2, i]), side))
        truth = torch.from_numpy(np.ascontiguousarray(np.stack(truths))).permute(0, 3, 1, 2)
        yield Batch(truth.float() / 255, torch.from_numpy(np.stack(holes))[:, None])
        step += 1


def prefetch(items: Iterator[Batch], depth: int = 3) -> Iterator[Batch]:
    """Make items in a thread while the last ones are used; an error arrives where it is met."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(depth)

    def work() -> None:
        try:
            for item in items:
                ready.put(item)
            ready.put(None)
        except BaseException as error:
            ready.put(error)

    threading.Thread(target=work, daemon=True).start()
    while True:
        item = ready.get()
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item
