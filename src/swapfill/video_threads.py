"""A clip is read, filled and written at once: reading and writing have a thread each.

Both keep the order, and hold no more than a few frames. What goes wrong in a thread is raised where
its result is due, in the caller's; whatever goes wrong, both threads have ended when it is told.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

T = TypeVar("T")


class _End:
    """After the last item."""


_END: Final = _End()


def read_ahead(items: Iterator[T], most: int) -> Generator[T, None, None]:
    """Give items that a thread of their own draws.

    Args:
        items: are drawn in that thread alone.
        most: items that may be ready and not taken.

    Raises:
        Exception: what drawing an item raised, once those before it are taken. Then, at the end,
            and when it is closed, the thread has ended.
    """
    pool = ThreadPoolExecutor(1, "swapfill-reader")
    pending: deque[Future[T | _End]] = deque()
    try:
        while True:
            while len(pending) < most:
                pending.append(pool.submit(next, items, _END))
            item = pending.popleft().result()
            if isinstance(item, _End):
                return
            yield item
    finally:
        pool.shutdown(cancel_futures=True)


class WriteBehind(Generic[T]):
    """Does work in a thread of its own, in the order in which it was given.

    At the end of its block everything is done. After an error, or when the block is left by one,
    what was not begun is left undone.

    Args:
        most: pieces of work that may wait.
        on_done: is told each result, in order, in the thread that gives the work.
    """

    def __init__(self, most: int, on_done: Callable[[T], None]) -> None:
        self._most, self._on_done = most, on_done
        self._pool = ThreadPoolExecutor(1, "swapfill-writer")
        self._pending: deque[Future[T]] = deque()

    def do(self, work: Callable[[], T]) -> None:
        """Give work; wait where too much does already.

        Raises:
            Exception: what earlier work raised.
        """
        self._pending.append(self._pool.submit(work))
        while self._pending and (len(self._pending) > self._most or self._pending[0].done()):
            self._take()

    def _take(self) -> None:
        self._on_done(self._pending.popleft().result())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for all that was given; raises what it raised."""
        try:
            while error is None and self._pending:
                self._take()
        finally:
            self._pool.shutdown(cancel_futures=True)
