"""An engine's steps, timed: a wrapper that knows what `Engine` promises, and nothing more."""

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from swapfill.engines.interface import Engine

STEPS = tuple(
    name for name, value in vars(Engine).items() if callable(value) and not name.startswith("_")
)
LEARNED = ("infer", "encode", "swap", "translate")  # the others only prepare, tone and resize


@dataclass
class Step:
    """What the calls of one step took together: seconds, and bytes that went in and out."""

    seconds: float = 0.0
    moved: int = 0


class TimedEngine:
    """An engine whose steps are timed, from outside: what a step calls is part of it.

    Args:
        engine: what is timed.
        around: makes a context that each step runs in, by its name.
        finish: waits for what a step began, on a device that works while the host goes on.
    """

    def __init__(
        self,
        engine: Engine[Any],
        around: Callable[[str], AbstractContextManager[Any]] = lambda name: nullcontext(),
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine, self._around, self._finish = engine, around, finish
        self.steps: dict[str, Step] = defaultdict(Step)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        if name not in STEPS:
            return found

        def call(*given: Any) -> Any:
            with self._around(name):
                self._finish()
                start = time.perf_counter()
                result = found(*given)
                self._finish()
                self.steps[name].seconds += time.perf_counter() - start
            self.steps[name].moved += moved(given) + moved(result)
            return result

        return call


def moved(value: Any) -> int:
    """Count the bytes of all arrays in a value: of a query, of what is swapped, of tuples."""
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    if isinstance(value, tuple | list):
        return sum(moved(part) for part in value)
    if is_dataclass(value):
        return sum(moved(getattr(value, field.name)) for field in fields(value))
    return 0
