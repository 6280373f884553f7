import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest

from evaluation_files import boxed, drawn
from swapfill.errors import BundleError, MaskError
from swapfill.evaluation.methods.interface import Fill, Load, Pixels, Wanted
from swapfill.evaluation.worker import FillError, Worker, line_of
from swapfill.masks import Hole

TRUTH, HOLE = drawn(height=32, width=34), boxed(32, 34)


def whims(picture: Pixels, hole: Hole) -> Pixels:
    """Fill white; but do what the first pixel asks for."""
    whim = int(picture[0, 0, 0])
    if whim == 1:
        raise MaskError("the hole is odd")
    if whim == 2:
        raise ValueError("two\nlines")
    if whim == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if whim == 4:
        return picture[:5]
    if whim == 5:
        _ = np.ones(200_000_000, np.uint8).sum()
    if whim == 6:
        assert not picture[hole].any()
    return np.where(hole[..., None], np.uint8(255), picture)


def load_whims(wanted: Wanted) -> Fill:
    return whims


def refuse(wanted: Wanted) -> Fill:
    raise BundleError("no weights")


def die(wanted: Wanted) -> Fill:
    os._exit(7)


def asking(whim: int) -> Pixels:
    picture = TRUTH.copy()
    picture[0, 0, 0] = whim
    return picture


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker(load_whims, Wanted("whims"))
    yield made
    made.close()


def test_a_picture_comes_back_filled_with_its_time_and_memory(worker: Worker) -> None:
    found = worker.fill(TRUTH, HOLE)
    np.testing.assert_array_equal(found.pixels, np.where(HOLE[..., None], 255, TRUTH))
    assert found.seconds is not None
    assert 0 < found.seconds < 5
    assert found.memory is None or found.memory > 5_000_000
    assert found.gpu_memory is None


def test_the_truth_in_the_hole_is_not_passed_on(worker: Worker) -> None:
    worker.fill(asking(6), HOLE)


def test_a_picture_that_fails_does_not_take_the_next_with_it(worker: Worker) -> None:
    with pytest.raises(FillError, match=r"^the hole is odd$"):
        worker.fill(asking(1), HOLE)
    with pytest.raises(FillError, match=r"^ValueError: two lines$"):
        worker.fill(asking(2), HOLE)
    with pytest.raises(FillError, match=r"gave uint8 \(5, 34, 3\), want uint8 \(32, 34, 3\)"):
        worker.fill(asking(4), HOLE)
    assert worker.fill(TRUTH, HOLE).pixels.shape == TRUTH.shape


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="Linux tells the peak")
def test_the_peak_is_of_one_picture(worker: Worker) -> None:
    small, large, again = (worker.fill(asking(whim), HOLE).memory for whim in (0, 5, 0))
    assert small is not None
    assert large is not None
    assert again is not None
    assert large - small > 150_000_000
    assert again < large - 150_000_000


def test_a_crash_is_one_pictures_failure() -> None:
    worker = Worker(load_whims, Wanted("whims"))
    try:
        with pytest.raises(FillError, match="the method's process ended with signal 9"):
            worker.fill(asking(3), HOLE)
        assert worker.fill(TRUTH, HOLE).pixels.shape == TRUTH.shape
    finally:
        worker.close()


@pytest.mark.parametrize(
    ("load", "why"), [(refuse, "^no weights$"), (die, "process ended with exit code 7")]
)
def test_what_cannot_be_loaded_is_not_tried_again(load: Load, why: str) -> None:
    worker = Worker(load, Wanted("refused"))
    with pytest.raises(FillError, match=why):
        worker.fill(TRUTH, HOLE)
    start = time.perf_counter()
    with pytest.raises(FillError, match=why):
        worker.fill(TRUTH, HOLE)
    assert time.perf_counter() - start < 0.02  # no process was started


def test_an_error_is_told_in_one_line() -> None:
    assert line_of(MaskError("a b")) == "a b"
    assert line_of(KeyError("a")) == "KeyError: 'a'"
