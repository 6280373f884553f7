"""Time and memory of one piece of work."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

_STATUS = Path("/proc/self/status")


class Timing(NamedTuple):
    """Medians: by the clock, and of the processor (all threads), in seconds."""

    seconds: float
    processor: float


def timed(work: Callable[[], object], repeat: int) -> Timing:
    """Do `work` once to warm up, then `repeat` times, and give the medians of these."""
    work()
    clock, processor = [], []
    for _ in range(repeat):
        began, used = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    return Timing(median(clock), median(processor))


def fastest(work: Callable[[], object], repeat: int) -> float:
    """Do `work` once to warm up, then `repeat` times; give the least seconds of these.

    For what the machine can do at most: others on it make it slower, never faster.
    """
    work()
    took = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


class Memory(NamedTuple):
    """Bytes: the most the process held, and how much of it came with the work."""

    peak: int
    extra: int


def watched(work: Callable[[], object]) -> Memory:
    """Do `work`, and tell the most memory that the process held until its end.

    Elsewhere than on Linux the peak cannot start anew: `extra` is what goes beyond the loading's.
    """
    before = _most_held()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    start = _most_held()
    work()
    end = _most_held()
    return Memory(max(before, end), max(0, end - start))


def _most_held() -> int:
    """Give the most bytes in memory so far."""
    if _STATUS.exists():  # `getrusage` would start with what the parent held
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
