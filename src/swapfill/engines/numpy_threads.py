"""Work of NumPy's on all cores: what it does with large arrays it does without Python's lock."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Given = TypeVar("Given")
Result = TypeVar("Result")


class Crew:
    """Threads that share work; none but the caller's where there is one core."""

    def __init__(self, pool: ThreadPoolExecutor | None) -> None:
        self._pool = pool

    def each(self, work: Callable[[Given], Result], parts: Iterable[Given]) -> list[Result]:
        """Do `work` on each of `parts`, some at once; what comes of them, in their order."""
        do = map if self._pool is None else self._pool.map
        return list(do(work, parts))


@contextmanager
def crew() -> Iterator[Crew]:
    """Have as many threads as there are cores, or as many as OMP_NUM_THREADS says."""
    count = thread_count()
    if count == 1:
        yield Crew(None)
        return
    with ThreadPoolExecutor(count, "swapfill-numpy") as pool:
        yield Crew(pool)


def thread_count() -> int:
    """Count the cores that this process may use, or as many as OMP_NUM_THREADS says."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
