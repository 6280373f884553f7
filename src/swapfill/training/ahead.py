"""Work done in threads, a little ahead of its use, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_SPARE = 2  # results that may be ready beside one for each worker


def ahead(make: Callable[[T], R], items: Iterable[T], workers: int) -> Generator[R, None, None]:
    """Give `make(item)` for each item, in the order of the items, whatever `workers` is.

    Threads, not processes: Pillow and numpy let go of the interpreter while they decode, resize and
    convert, and nothing has to be copied from one process to another.

    Args:
        make: is called in several threads at once.
        items: are drawn in the caller's thread, `workers` + 2 ahead of the one that is given.
        workers: threads; with 0 there is none, and nothing is made ahead.

    Raises:
        Exception: what `make` or `items` raised, where its result was due. Then, when it is closed,
            and at the end, all threads are ended before it returns.
    """
    if not workers:
        yield from map(make, items)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ahead")
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(make, item))
            if len(pending) > workers + _SPARE:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
