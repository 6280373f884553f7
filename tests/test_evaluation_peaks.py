import mmap
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from swapfill.evaluation import peaks

IS_LINUX = Path("/proc/self/clear_refs").exists()


@pytest.mark.skipif(not IS_LINUX, reason="Linux alone tells the peak of a while")
def test_the_peak_is_since_the_start_and_in_bytes() -> None:
    peaks.start()
    before = peaks.resident()
    held = mmap.mmap(-1, 100_000_000)  # pages of its own: an allocator may have some left over
    np.frombuffer(held, np.uint8)[:] = 1
    after = peaks.resident()
    assert before is not None
    assert after is not None
    assert after - before == pytest.approx(len(held), rel=0.1)
    held.close()
    peaks.start()
    again = peaks.resident()
    assert again is not None
    assert again < after - 80_000_000


def test_elsewhere_it_is_that_of_the_whole_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(peaks, "_STATUS", tmp_path / "no" / "proc")
    monkeypatch.setattr(peaks, "_CLEAR", tmp_path / "no" / "proc")
    peaks.start()
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert peaks.resident() == pytest.approx(1024 * kilobytes, rel=0.01)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert peaks.resident() == pytest.approx(kilobytes, rel=0.01)  # there it is bytes
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert peaks.resident() is None


def test_a_gpu_is_asked_only_where_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    resets: list[int] = []
    cuda = SimpleNamespace(
        is_initialized=lambda: True,
        reset_peak_memory_stats=lambda: resets.append(1),
        max_memory_allocated=lambda: 123,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    peaks.start()
    assert (peaks.on_gpu(), resets) == (123, [1])
    cuda.is_initialized = lambda: False
    peaks.start()
    assert (peaks.on_gpu(), resets) == (None, [1])
