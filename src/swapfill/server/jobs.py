"""A job: an order, and where it stands: queued, running, then done, failed or cancelled."""

import math
import secrets
import time
from concurrent.futures import Future
from typing import Literal

from swapfill.server.problems import ProblemError
from swapfill.server.work import Answer, Order

State = Literal["queued", "running", "done", "failed", "cancelled"]


class UnwantedError(Exception):
    """Nobody wants it any more."""


class Job:
    """An order, and where it stands.

    Attributes:
        id: unguessable; who knows it may ask.
        kind: of the order.
        order: what is to be done, until it is at work.
        state: one of the five.
        done: windows filled, or tiles of a style painted.
        of: all of them, 0 until that is known: once the hole has been read and planned, or the
            style's turn has come.
        ended: done once the job has ended, however; it has no result.
        answer: the picture, of a job that is done.
        problem: of one that failed.
        ended_at: by `time.monotonic`.
        was_fetched: its result has been asked for.
    """

    def __init__(self, order: Order, seconds: float) -> None:
        """Take an order that may be at work for `seconds`."""
        self.id = secrets.token_urlsafe(16)
        self.kind = order.kind
        self.order: Order | None = order
        self.state: State = "queued"
        self.done = self.of = 0
        self.ended: Future[None] = Future()
        self.answer: Answer | None = None
        self.problem: ProblemError | None = None
        self.ended_at = math.inf
        self.was_fetched = False
        self._seconds, self._begun_at = seconds, math.inf

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing more will change."""
        return self.state not in ("queued", "running")

    @property
    def held(self) -> int:
        """Count the bytes of its result."""
        return len(self.answer.content) if self.answer else 0

    def begin(self) -> None:
        """Start its clock."""
        self._begun_at = time.monotonic()
        if not self.has_ended:
            self.state = "running"

    def end(
        self, state: State, answer: Answer | None = None, problem: ProblemError | None = None
    ) -> None:
        """Note how it ended; what comes after a first end is dropped."""
        if self.has_ended:
            return
        self.answer, self.problem, self.state = answer, problem, state
        self.ended_at = time.monotonic()
        self.ended.set_result(None)

    def progress(self, done: int, of: int) -> None:
        """Note how far it is; end the work where it is unwanted, or takes too long.

        Raises:
            UnwantedError: it is unwanted.
            ProblemError: it took too long.
        """
        if self.has_ended:
            raise UnwantedError
        self.done, self.of = done, of
        if time.monotonic() > self._begun_at + self._seconds:
            raise ProblemError(
                "time-out", f"it was at work for more than {self._seconds:g} seconds"
            )
