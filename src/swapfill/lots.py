"""Lots: how many windows go through the engine at once, the same whoever asks.

A runtime picks its kernels by the shape of a batch, and other kernels round otherwise: measured on
a CPU in fp32, a window alone and the same window among sixteen differ by up to 2e-7, which can turn
the last bit of a sample, and a tie between two pieces. So that a folder gives bit for bit what one
picture after the other gives, a window is always computed in a lot of the same size. On a CPU
windows of several pictures gain nothing together: a picture's smallest windows go by fours, all
others alone. An accelerator takes more, from any pictures; a lot that is not full is filled up with
windows without a hole, which cost it little.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from swapfill.config import COARSEST
from swapfill.errors import NoKnownPatchError
from swapfill.masks import Hole

Floats: TypeAlias = NDArray[np.float32]
Fill: TypeAlias = Callable[[Floats, Hole], Floats]
Result = TypeVar("Result")

log = logging.getLogger(__name__)

# Pixels in one lot of an accelerator: one window of 512, or 16 of 128.
_PIXELS_AT_ONCE = 512 * 512
# On a CPU, windows of 128 in one lot: 15 to 30 % faster than alone, and more are no faster yet. Of
# 256 there is no gain (each 0.92 s alone, 0.91 s among four; medians, one busy core, bf16).
_SMALL_AT_ONCE = 4


class Asked(NamedTuple):
    """Windows of one side to fill: [B, S, S, 3] in [0, 1] and their holes [B, S, S]."""

    incomplete: Floats
    hole: Hole


class Lots:
    """Fills windows by a function that takes a batch of them, in lots of a fixed size.

    Args:
        fill: takes windows [B, S, S, 3] and holes [B, S, S], gives the filled windows.
        device: of the engine, such as `cpu` or `cuda:0`.
        key: lots of equal keys fill alike, so that their windows may go together; by default no
            others do.
    """

    def __init__(self, fill: Fill, device: str, key: Hashable = None) -> None:
        self.key = self if key is None else key
        self._fill = fill
        self._mixes = device.partition(":")[0] != "cpu"

    def __call__(self, asked: Asked) -> Floats:
        """Fill one picture's windows, [B, S, S, 3]; black where there is nothing to copy."""
        return self.together([asked])[0]

    def together(self, asked: Sequence[Asked]) -> list[Floats]:
        """Fill the windows of several pictures, all of one side: each as it would be alone."""
        if not self._mixes:
            return [self._by_fours(one) for one in asked]
        whole = Asked(*(np.concatenate(parts) for parts in zip(*asked, strict=True)))
        size = max(_PIXELS_AT_ONCE // whole.hole.shape[1] ** 2, 1)
        filled = np.concatenate([self._lot(lot, size) for lot in _cut(whole, size)])
        return np.split(filled, np.cumsum([len(one.hole) for one in asked])[:-1])

    def _by_fours(self, asked: Asked) -> Floats:
        count, side = asked.hole.shape[:2]
        size = _SMALL_AT_ONCE if side == COARSEST else 1
        full = count - count % size
        lots = [*_cut(_part(asked, 0, full), size), *_cut(_part(asked, full, count), 1)]
        return np.concatenate([self._lot(lot, len(lot.hole)) for lot in lots])

    def _lot(self, asked: Asked, size: int) -> Floats:
        """Fill up to `size` windows as a batch of just so many."""
        count = len(asked.hole)
        try:
            return self._fill(*_padded(asked, size))[:count]
        except NoKnownPatchError as error:
            if count == 1:
                log.warning("a window is filled smoothly: %s", error)
                return np.zeros_like(asked.incomplete)
        return np.concatenate([self._lot(one, size) for one in _cut(asked, 1)])


def _cut(asked: Asked, size: int) -> Iterator[Asked]:
    for first in range(0, len(asked.hole), size):
        yield _part(asked, first, first + size)


def _padded(asked: Asked, size: int) -> Asked:
    more = size - len(asked.hole)
    if more == 0:
        return asked
    padding = [(0, more), (0, 0), (0, 0), (0, 0)]
    return Asked(np.pad(asked.incomplete, padding), np.pad(asked.hole, padding[:3]))


def _part(asked: Asked, first: int, last: int) -> Asked:
    return Asked(asked.incomplete[first:last], asked.hole[first:last])


class _Waiting(NamedTuple):
    lots: Lots
    asked: Asked
    answer: Future[Floats]

    @property
    def kind(self) -> tuple[Hashable, int]:
        return self.lots.key, self.asked.hole.shape[1]


class Turns:
    """A thread that runs a device's engines, in turn, on whatever is waiting.

    It never waits for a lot to be full: lots fill while the engine is at work on the last one.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, "swapfill-engine")

    def fill(self, lots: Lots, asked: Asked) -> Floats:
        """Do what `lots` does, on the thread; call it from any other."""
        answer: Future[Floats] = Future()
        with self._lock:
            self._waiting.append(_Waiting(lots, asked, answer))
        self._thread.submit(self._serve)
        return answer.result()

    def run(self, work: Callable[[], Result]) -> Result:
        """Do other work on the thread, when its turn comes; call it from any other."""
        return self._thread.submit(work).result()

    def give_way(self) -> None:
        """Fill, in the midst of long work on the thread, what has waited the longest meanwhile."""
        self._serve()

    def _serve(self) -> None:
        taken = self._taken()
        if not taken:  # they were answered together with earlier ones
            return
        try:
            filled = taken[0].lots.together([one.asked for one in taken])
        except BaseException as error:
            for one in taken:
                one.answer.set_exception(error)
            return
        for one, result in zip(taken, filled, strict=True):
            one.answer.set_result(result)

    def _taken(self) -> list[_Waiting]:
        """Take the windows that wait the longest, and all others of their kind."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            kind = waiting[0].kind if waiting else None
            taken = [one for one in waiting if one.kind == kind]
            self._waiting.extend(one for one in waiting if one.kind != kind)
        return taken

    def close(self) -> None:
        """End the thread, once it has answered all."""
        self._thread.shutdown()


class SharedLots(NamedTuple):
    """Lots that many threads may fill at once."""

    lots: Lots
    turns: Turns

    def __call__(self, asked: Asked) -> Floats:
        """Do what `Lots` does; call it from any thread."""
        return self.turns.fill(self.lots, asked)
