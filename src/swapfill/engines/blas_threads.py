"""NumPy's matrix products on one thread, while an engine works.

OpenBLAS has a thread a core, which wait for the next product by spinning, 25 ms each time. Between
the products here, all small, networks run: on two cores the spinning takes one of them away.
"""

import ctypes
from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from threading import Lock
from typing import Any, NamedTuple, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

# What it is called in NumPy's own builds, and in those of others.
_PREFIXES = ("scipy_openblas_", "openblas_")
_SUFFIXES = ("64_", "")


class _Blas(NamedTuple):
    get: Callable[[], int]
    set: Callable[[int], None]


class _Turn:
    """How many are at work, and the threads there were before the first came."""

    def __init__(self) -> None:
        self._lock, self._working, self._before = Lock(), 0, 1

    def begin(self, blas: _Blas) -> None:
        with self._lock:
            if not self._working:
                self._before = blas.get()
                blas.set(1)
            self._working += 1

    def end(self, blas: _Blas) -> None:
        with self._lock:
            self._working -= 1
            if not self._working:
                blas.set(self._before)


_turn = _Turn()  # of the process, as OpenBLAS's threads are


def one_thread(work: Callable[Given, Result]) -> Callable[Given, Result]:
    """Have NumPy multiply on the calling thread alone while `work` runs, then as before.

    Where NumPy multiplies with something else than OpenBLAS, nothing changes.
    """

    @wraps(work)
    def worked(*args: Given.args, **named: Given.kwargs) -> Result:
        blas = _blas()
        if blas is None:
            return work(*args, **named)
        _turn.begin(blas)
        try:
            return work(*args, **named)
        finally:
            _turn.end(blas)

    return worked


@cache
def _blas() -> _Blas | None:
    """Find the OpenBLAS that NumPy came with, or None."""
    linked = import_module("numpy._core._multiarray_umath").__file__
    try:
        library: Any = ctypes.CDLL(linked)  # and with it all that it is linked with
    except OSError:
        return None
    for prefix in _PREFIXES:
        for suffix in _SUFFIXES:
            get = getattr(library, f"{prefix}get_num_threads{suffix}", None)
            change = getattr(library, f"{prefix}set_num_threads{suffix}", None)
            if get is not None and change is not None:
                change.restype = None
                return _Blas(get, change)
    return None
