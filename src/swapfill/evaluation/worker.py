"""A process of its own for each method.

So memory is what this method needs and no other's, a library that crashes takes one picture with it
and not the report, and what a method imports stays there.
"""

import multiprocessing
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import numpy as np

from swapfill.errors import SwapfillError
from swapfill.evaluation import peaks
from swapfill.evaluation.methods.interface import Fill, Load, Pixels, Wanted
from swapfill.masks import Hole

_PATIENCE = 5.0  # seconds that a process is given to end by itself


class FillError(Exception):
    """A filled picture could not be had; the message says why."""


@dataclass(frozen=True)
class Filled:
    """A filled picture, [H, W, 3], and what it took: None where that is not known."""

    pixels: Pixels
    seconds: float | None = None  # of `fill` alone: neither loading nor passing pictures on
    memory: int | None = None  # bytes resident at the peak, program and libraries included
    gpu_memory: int | None = None  # bytes of tensors at the peak


class Worker:
    """Fills pictures in another process, which is started when the first one comes."""

    def __init__(self, load: Load, wanted: Wanted) -> None:
        """Take what loads the method there: a function of a module, so that it can be found."""
        self._load, self._wanted = load, wanted
        self._process: SpawnProcess | None = None
        self._pipe: Connection[Any, Any] | None = None
        self._refusal = ""

    def fill(self, picture: Pixels, hole: Hole) -> Filled:
        """Fill one picture.

        Args:
            picture: [H, W, 3]; what lies in the hole is not passed on.
            hole: [H, W].

        Raises:
            FillError: the method raised, crashed, gave something else than a picture, or
                cannot be loaded; then it is not tried again.
        """
        if self._refusal:
            raise FillError(self._refusal)
        incomplete = np.where(hole[..., None], np.uint8(0), picture)
        pipe = self._pipe or self._start()
        answer = self._asked(pipe, (incomplete, hole))
        if not isinstance(answer, Filled):
            raise FillError(str(answer))
        found, wanted = answer.pixels, (picture.dtype, picture.shape)
        if not isinstance(found, np.ndarray) or (found.dtype, found.shape) != wanted:
            told = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found)
            raise FillError(f"the method gave {told}, want {wanted[0]} {wanted[1]}")
        return answer

    def close(self) -> None:
        """End the process."""
        if self._pipe is not None:
            self._pipe.close()  # which it takes for the end
        if self._process is not None:
            self._process.join(_PATIENCE)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self._process.close()
        self._pipe = self._process = None

    def _start(self) -> "Connection[Any, Any]":
        context = multiprocessing.get_context("spawn")  # a fork would inherit our memory
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, self._load, self._wanted)
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        pipe = self._pipe
        self._refusal = str(self._received(pipe))
        if self._refusal:
            self.close()
            raise FillError(self._refusal)
        return pipe

    def _asked(self, pipe: "Connection[Any, Any]", question: object) -> object:
        with suppress(OSError):  # its end is told by what it does not answer
            pipe.send(question)
        return self._received(pipe)

    def _received(self, pipe: "Connection[Any, Any]") -> object:
        try:
            return pipe.recv()
        except (EOFError, OSError):
            assert self._process is not None
            self._process.join(_PATIENCE)
            code = self._process.exitcode
            self.close()  # the next picture gets a new one
            return f"the method's process ended with {_called(code)}"


def serve(pipe: "Connection[Any, Any]", load: Load, wanted: Wanted) -> None:
    """Be the process: load, then fill what comes until nothing comes.

    It sends "" once it is loaded, or why it cannot be; then a `Filled`, or why not, for each pair.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us ends us
    try:
        fill = load(wanted)
    except Exception as error:
        pipe.send(line_of(error))
        return
    with suppress(EOFError, OSError):  # nobody asks, or nobody listens any more
        pipe.send("")
        while True:
            picture, hole = pipe.recv()
            pipe.send(_answer(fill, picture, hole))


def _answer(fill: Fill, picture: Pixels, hole: Hole) -> Filled | str:
    """Fill and measure; what goes wrong is told in a line."""
    peaks.start()
    start = time.perf_counter()
    try:
        filled = fill(picture, hole)
    except Exception as error:
        return line_of(error)
    seconds = time.perf_counter() - start
    return Filled(filled, seconds, peaks.resident(), peaks.on_gpu())


def line_of(error: Exception) -> str:
    """Tell an error in one line: our own as it is, others with their type."""
    text = " ".join(str(error).split())
    return text if isinstance(error, SwapfillError) else f"{type(error).__name__}: {text}"


def _called(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
