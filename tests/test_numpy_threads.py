import threading

import pytest

from swapfill.engines.numpy_threads import crew


@pytest.mark.parametrize("threads", ["1", "2", "", "none"])
def test_results_come_in_the_order_of_the_parts(
    threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    with crew() as all_:
        assert all_.each(lambda n: n * n, range(20)) == [n * n for n in range(20)]


def test_two_threads_work_at_once_and_one_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = threading.Barrier(2, timeout=30)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with crew() as two:
        assert sorted(two.each(lambda _: meeting.wait(), range(2))) == [0, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with crew() as one:
        assert one.each(lambda _: threading.get_ident(), range(2)) == [threading.get_ident()] * 2


@pytest.mark.parametrize("threads", ["1", "2"])
def test_what_goes_wrong_in_a_part_goes_wrong_here(
    threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    with crew() as all_, pytest.raises(ZeroDivisionError):
        all_.each(lambda n: 1 // n, (1, 0))
