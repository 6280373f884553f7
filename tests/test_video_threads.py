import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from swapfill.video_threads import WriteBehind, read_ahead

PATIENCE = 30.0  # seconds; only a test that fails waits so long


def _threads() -> set[str]:
    return {thread.name.rpartition("_")[0] for thread in threading.enumerate()}


def test_items_come_in_order_from_a_thread_that_is_so_much_ahead() -> None:
    drawn, third = list[str](), threading.Event()

    def items() -> Iterator[int]:
        for i in range(20):
            drawn.append(threading.current_thread().name)
            if i == 2:
                third.set()
            yield i

    with closing(read_ahead(items(), 3)) as ahead:
        assert next(ahead) == 0
        assert third.wait(PATIENCE)  # nobody asked for it yet
        assert len(drawn) <= 3
        assert list(ahead) == list(range(1, 20))
    assert set(drawn) == {"swapfill-reader_0"}
    assert "swapfill-reader" not in _threads()


def test_what_reading_raises_comes_after_what_was_read_before() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        raise LookupError("torn tape")

    ahead = read_ahead(items(), 5)
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(LookupError, match="torn tape"):
        next(ahead)
    assert "swapfill-reader" not in _threads()


def test_reading_ends_with_its_block() -> None:
    drawn = []

    def items() -> Iterator[int]:
        for i in range(1_000_000):
            drawn.append(i)
            yield i

    with closing(read_ahead(items(), 2)) as ahead:
        next(ahead)
    assert "swapfill-reader" not in _threads()
    assert len(drawn) <= 3


def test_work_is_done_in_order_and_told_in_the_callers_thread() -> None:
    done, told = list[int](), list[tuple[int, str]]()

    def work(number: int) -> int:
        done.append(number)
        return number * 10

    def tell(result: int) -> None:
        told.append((result, threading.current_thread().name))

    with WriteBehind[int](2, tell) as behind:
        for i in range(9):
            behind.do(lambda i=i: work(i))  # type: ignore[misc]
    assert done == list(range(9))
    assert told == [(10 * i, threading.current_thread().name) for i in range(9)]
    assert "swapfill-writer" not in _threads()


def test_no_more_work_waits_than_was_said() -> None:
    go, given = threading.Event(), list[int]()

    def give() -> None:
        with WriteBehind[bool](2, lambda done: None) as behind:
            for i in range(6):
                behind.do(lambda: go.wait(PATIENCE))
                given.append(i)

    giver = threading.Thread(target=give)
    giver.start()
    giver.join(0.2)  # it would be through by then, did it not wait
    assert len(given) <= 2
    go.set()
    giver.join(PATIENCE)
    assert given == list(range(6))


def test_an_error_in_work_is_raised_and_the_rest_left_undone() -> None:
    done, failed = list[int](), threading.Event()

    def fail() -> None:
        failed.set()
        raise OSError("disk full")

    def keep_on(behind: WriteBehind[None]) -> None:
        behind.do(fail)
        assert failed.wait(PATIENCE)
        for i in range(100):
            behind.do(lambda i=i: done.append(i))  # type: ignore[misc]

    with pytest.raises(OSError, match="disk full"), WriteBehind[None](1, lambda _: None) as behind:
        keep_on(behind)
    assert len(done) <= 2
    assert "swapfill-writer" not in _threads()


def test_an_error_at_the_end_is_raised_too() -> None:
    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), WriteBehind[None](5, lambda _: None) as behind:
        behind.do(fail)


def test_an_interrupted_block_leaves_undone_what_was_not_begun() -> None:
    begun, done = threading.Event(), list[int]()

    def stop(behind: WriteBehind[None]) -> None:
        def first() -> None:
            begun.set()
            for _ in range(int(PATIENCE * 1000)):
                if len(behind._pending) == 2 and behind._pending[1].cancelled():
                    return
                threading.Event().wait(0.001)

        behind.do(first)
        behind.do(lambda: done.append(1))
        assert begun.wait(PATIENCE)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), WriteBehind[None](5, lambda _: None) as behind:
        stop(behind)
    assert not done
    assert "swapfill-writer" not in _threads()
