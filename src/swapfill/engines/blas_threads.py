"""NumPy's matrix products on one thread, while an engine works.

OpenBLAS has a thread a core, which wait for the next product by spinning, 25 ms each time. Between
the products here, all small, networks run: on two cores the spinning takes one of them away.
"""

from collections.abc import Callable, Sequence
from functools import cache, wraps
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

Given = ParamSpec("Given")
Result = TypeVar("Result")


class _Turn:
    """How many are at work, and the threads of each library before the first came."""

    def __init__(self) -> None:
        self._lock, self._working, self._before = Lock(), 0, list[int]()

    def begin(self, libraries: Sequence[Any]) -> None:
        with self._lock:
            if not self._working:
                self._before = [library.get_num_threads() for library in libraries]
                for library in libraries:
                    library.set_num_threads(1)
            self._working += 1

    def end(self, libraries: Sequence[Any]) -> None:
        with self._lock:
            self._working -= 1
            if not self._working:
                for library, threads in zip(libraries, self._before, strict=True):
                    library.set_num_threads(threads)


_turn = _Turn()  # of the process, as OpenBLAS's threads are


def one_thread(work: Callable[Given, Result]) -> Callable[Given, Result]:
    """Have NumPy multiply on the calling thread alone while `work` runs, then as before.

    Where NumPy multiplies with something else than OpenBLAS, nothing changes.
    """

    @wraps(work)
    def worked(*args: Given.args, **named: Given.kwargs) -> Result:
        libraries = _openblas()
        _turn.begin(libraries)
        try:
            return work(*args, **named)
        finally:
            _turn.end(libraries)

    return worked


@cache
def _openblas() -> list[Any]:
    """Find the OpenBLAS that NumPy came with, and any other that is loaded by now."""
    found = ThreadpoolController().select(internal_api="openblas")
    return list(found.lib_controllers)
