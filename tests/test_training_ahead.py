import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from swapfill.errors import DataError
from swapfill.training.ahead import ahead


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_result_comes_and_in_the_order_of_the_items(workers: int) -> None:
    slow = threading.Event()

    def square(i: int) -> int:
        if i == 4 and workers > 1:  # those after it overtake it
            slow.wait(0.05)
        return i * i

    assert list(ahead(square, range(20), workers)) == [i * i for i in range(20)]


def test_results_are_made_ahead_but_not_without_end() -> None:
    made, enough = [], threading.Event()

    def make(i: int) -> int:
        made.append(i)
        if len(made) == 4:
            enough.set()
        return i

    with closing(ahead(make, range(1000), 1)) as results:
        assert next(results) == 0
        assert enough.wait(5)  # one used, three ready
        assert len(made) == 4


def test_without_workers_nothing_is_made_ahead_and_no_thread_begins() -> None:
    before, made = set(threading.enumerate()), list[int]()
    results = ahead(lambda i: made.append(i), iter(range(9)), 0)
    next(results)
    assert made == [0]
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_error_arrives_where_its_result_was_due_and_ends_the_threads(workers: int) -> None:
    before = set(threading.enumerate())

    def make(i: int) -> int:
        if i == 2:
            raise DataError("the third is broken")
        return i

    results = ahead(make, range(9), workers)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(DataError, match="the third is broken"):
        next(results)
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_items_arrives_and_ends_the_threads(workers: int) -> None:
    before = set(threading.enumerate())

    def items() -> Iterator[int]:
        yield 0
        raise DataError("no more items")

    with pytest.raises(DataError, match="no more items"):
        list(ahead(lambda i: i, items(), workers))
    assert set(threading.enumerate()) == before


def test_closing_ends_the_threads_after_what_they_are_at() -> None:
    before, made = set(threading.enumerate()), list[int]()
    with closing(ahead(lambda i: made.append(i), range(10**9), 3)) as results:
        next(results)
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before
    assert len(made) <= 6


def test_what_is_dropped_is_closed() -> None:
    before = set(threading.enumerate())
    next(ahead(lambda i: i, range(10**9), 2))
    assert set(threading.enumerate()) == before
