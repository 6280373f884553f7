"""The desk: takes orders up to a bound, has them done by a few threads, remembers jobs.

A request takes a place before its body is read, so that what is held is bounded; the place is
given back once the work has ended.
"""

import math
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from threading import RLock

from swapfill.server.jobs import Job, State, UnwantedError
from swapfill.server.logs import tell, tell_fault
from swapfill.server.metrics import Metrics
from swapfill.server.problems import ProblemError, problem_of
from swapfill.server.settings import ServeSettings
from swapfill.server.work import Answer, Order, Workshop

_LONGEST_WAIT = 120  # seconds, of Retry-After
_FIRST_GUESS = 2.0  # seconds a picture takes, until one has been done
_WEIGHT = 0.2  # of the latest picture in the mean


class Place:
    """Room that a request has taken."""

    def __init__(self, held: int) -> None:
        """Hold so many bytes."""
        self.bytes = held
        self.work: Future[None] | None = None  # that goes on after the request, and keeps it


class Desk:
    """Takes orders, up to a bound, and has them done by a few threads.

    Args:
        workshop: does them.
        settings: the bounds.
        metrics: what is counted.
    """

    def __init__(self, workshop: Workshop, settings: ServeSettings, metrics: Metrics) -> None:
        self._workshop, self._settings, self._metrics = workshop, settings, metrics
        self._threads = ThreadPoolExecutor(settings.workers, "swapfill-worker")
        self._lock = RLock()  # a job that is ended gives its place back
        self._taken = self._at_work = self._held = 0
        self._mean = _FIRST_GUESS
        self._jobs: dict[str, Job] = {}
        self._places: dict[Job, Place] = {}
        self._owed: list[Job] = []  # not done when the server was asked to stop
        self._stops = False
        metrics.watch("swapfill_waiting", "Requests that wait.", lambda: self.waiting)
        metrics.watch("swapfill_working", "Pictures at work.", lambda: self._at_work)
        metrics.watch("swapfill_held_bytes", "Of uploads and results.", lambda: self._held)

    @property
    def waiting(self) -> int:
        """Count those that have a place and are not at work."""
        return self._taken - self._at_work

    @property
    def is_stopping(self) -> bool:
        """Tell whether nothing more is taken."""
        return self._stops

    @property
    def is_finished(self) -> bool:
        """Tell whether all that was taken is done, and what a stop came before has been fetched."""
        with self._lock:
            fetched = all(job.was_fetched or job.state != "done" for job in self._owed)
            return self._taken == 0 and fetched

    @contextmanager
    def place(self, size: int) -> Iterator[Place]:
        """Take a place for a request of `size` bytes; given back at the end, unless work keeps it.

        Raises:
            ProblemError: too many wait, or hold too much; or the server is stopping.
        """
        with self._lock:
            self._forget(size)
            self._check_room(size)
            self._taken += 1
            self._held += size
        place = Place(size)
        try:
            yield place
        finally:
            if place.work is None:
                self._give_back(place)

    def hand_in(self, order: Order, place: Place, *, seconds: float, remember: bool) -> Job:
        """Have an order done as soon as a thread is free.

        Args:
            order: it is checked first.
            place: the request's own; it is kept until the work has ended.
            seconds: it may be at work.
            remember: let it be found by its id, until it has been done for a while.

        Raises:
            ConfigError: it names what is not here.
        """
        self._workshop.check(order)
        job = Job(order, seconds)
        with self._lock:
            self._held += order.bytes - place.bytes
            place.bytes = order.bytes
            self._places[job] = place
            if remember:
                self._jobs[job.id] = job
            place.work = self._threads.submit(copy_context().run, self._do, job)
        return job

    def find(self, job_id: str) -> Job:
        """Give a job.

        Raises:
            ProblemError: there is none, or it has been forgotten.
        """
        with self._lock:
            self._forget()
            if job_id not in self._jobs:
                raise ProblemError("not-found", "there is no such job, or it was forgotten")
            return self._jobs[job_id]

    def cancel(self, job: Job) -> None:
        """End a job: at once for who asks; its windows at work are finished, and dropped."""
        with self._lock:
            job.end("cancelled")
            place = self._places.get(job)
        if place and place.work and place.work.cancel():
            job.order = None  # the threads' queue may hold on to the job for long
            self._leave(job)

    def forget(self, job: Job) -> None:
        """Forget a job that has ended."""
        with self._lock:
            self._drop(job)

    def stop(self) -> None:
        """Take nothing more."""
        self._stops = True
        self._owed = [job for job in list(self._jobs.values()) if not job.has_ended]

    def abandon(self) -> None:
        """Cancel all that was taken."""
        for job in list(self._places):
            self.cancel(job)

    def close(self) -> None:
        """Finish what was taken, and take nothing more."""
        self.stop()
        self._threads.shutdown()

    def _check_room(self, size: int) -> None:
        if self._stops:
            raise ProblemError("stopping", "the server is stopping, ask again", self._retry())
        room = self._settings.queue + self._settings.workers
        if self._taken >= room:
            found = f"{self._taken} requests were taken, want fewer than {room}"
            raise ProblemError("queue-full", f"the queue is full: {found}", self._retry())
        most = self._settings.held_bytes
        if self._held + size > most:
            found = f"{self._held:,} bytes and {size:,} more, want at most {most:,}"
            raise ProblemError("queue-full", f"too much is held: {found}", self._retry())

    def _retry(self) -> dict[str, str]:
        """Say when a thread should have become free for one more."""
        seconds = math.ceil(self._mean * (self.waiting + 1) / self._settings.workers)
        return {"Retry-After": str(min(max(seconds, 1), _LONGEST_WAIT))}

    def _do(self, job: Job) -> None:
        order, job.order = job.order, None
        assert order is not None
        with self._lock:
            self._at_work += 1
            job.begin()
        start = time.monotonic()
        state, answer, problem = self._outcome(order, job)
        self._count(job, job.state if job.has_ended else state, time.monotonic() - start)
        with self._lock:  # its end comes last: who waited for it finds all told and given back
            self._at_work -= 1
            self._leave(job)
            job.end(state, answer, problem)
            if job.id in self._jobs:
                self._held += job.held

    def _outcome(self, order: Order, job: Job) -> tuple[State, Answer | None, ProblemError | None]:
        try:
            return "done", self._workshop.do(order, job.progress), None
        except UnwantedError:
            return "cancelled", None, None
        except Exception as error:
            problem = problem_of(error)
            if problem.kind == "fault":
                tell_fault(error)
            return "failed", None, problem

    def _count(self, job: Job, state: State, seconds: float) -> None:
        self._mean += _WEIGHT * (seconds - self._mean)
        self._metrics.work.labels(job.kind, state).inc()
        self._metrics.work_seconds.labels(job.kind).observe(seconds)
        self._metrics.windows.inc(job.done)
        told = {"kind": job.kind, "state": state, "windows": job.done}
        tell("work", told | {"seconds": round(seconds, 3)})

    def _leave(self, job: Job) -> None:
        place = self._places.pop(job, None)
        if place is not None:
            self._give_back(place)

    def _give_back(self, place: Place) -> None:
        with self._lock:
            self._taken -= 1
            self._held -= place.bytes

    def _forget(self, wanted: int = 0) -> None:
        """Drop jobs that ended long ago, and as many that were fetched as room is wanted for."""
        oldest = time.monotonic() - self._settings.keep_seconds
        for job in [job for job in self._jobs.values() if job.has_ended]:
            full = self._held + wanted > self._settings.held_bytes
            many = len(self._jobs) > self._settings.jobs
            if job.ended_at < oldest or many or (full and job.was_fetched):
                self._drop(job)

    def _drop(self, job: Job) -> None:
        if self._jobs.pop(job.id, None) is not None:
            self._held -= job.held
