from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from swapfill.engines import blas_threads
from swapfill.engines.blas_threads import one_thread


class Blas:
    def __init__(self, threads: int) -> None:
        self.threads, self.was_set = threads, list[int]()

    def get_num_threads(self) -> int:
        return self.threads

    def set_num_threads(self, threads: int) -> None:
        self.threads = threads
        self.was_set.append(threads)


@pytest.fixture
def blas(monkeypatch: pytest.MonkeyPatch) -> Blas:
    blas = Blas(4)
    monkeypatch.setattr(blas_threads, "_openblas", lambda: [blas])
    return blas


def test_products_have_one_thread_and_then_as_many_as_before(blas: Blas) -> None:
    @one_thread
    def threads(number: int, *, more: int) -> tuple[int, int]:
        return blas.threads, number + more

    assert threads(2, more=3) == (1, 5)
    assert blas.was_set == [1, 4]


def test_an_error_leaves_as_many_threads_as_before(blas: Blas) -> None:
    @one_thread
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert blas.threads == 4


def test_of_several_at_once_the_last_to_end_brings_the_threads_back(blas: Blas) -> None:
    both = Barrier(2)

    @one_thread
    def inner() -> int:
        both.wait(10)
        return blas.threads

    @one_thread
    def outer() -> int:
        return inner() + blas.threads

    with ThreadPoolExecutor(2) as crew:
        assert list(crew.map(lambda work: work(), [outer, inner])) == [2, 1]
    assert blas.was_set == [1, 4]


def test_without_openblas_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas_threads, "_openblas", list)
    assert one_thread(lambda: 7)() == 7


def test_numpy_as_it_comes_is_found() -> None:
    found = blas_threads._openblas()
    if not found:
        pytest.skip("this NumPy multiplies with something else")
    before = [library.get_num_threads() for library in found]
    assert one_thread(lambda: {library.get_num_threads() for library in found})() == {1}
    assert [library.get_num_threads() for library in found] == before
