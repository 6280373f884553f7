import platform
import subprocess
import sys
from pathlib import Path

import pytest

GIVEN_BACK = """
import numpy as np
from swapfill.allocation import make_room_for

def held():
    status = open("/proc/self/status").read().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024

np.ones(3_000_000)  # 24 MB, freed: from now on glibc keeps blocks of up to that size
assert not make_room_for(1_000_000)
assert make_room_for(100_000_000)
blocks, pins = [], []
for _ in range(10):
    blocks.append(np.ones(2_000_000))
    pins.append(bytearray(100_000))  # behind each block, so that the heap cannot shrink
before = held()
blocks.clear()
print(before - held())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not Path("/proc/self/status").exists(),
    reason="no glibc, or no /proc",
)
def test_large_blocks_are_given_back_when_they_are_freed() -> None:
    given = subprocess.check_output([sys.executable, "-c", GIVEN_BACK])
    assert float(given) > 140  # MiB, of 153


ALL_GIVEN_BACK = """
import numpy as np
from swapfill.allocation import give_back

def held():
    status = open("/proc/self/status").read().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024

np.ones(3_000_000)  # 24 MB, freed: from now on glibc keeps blocks of up to that size
blocks, pins = [], []
for _ in range(10):
    blocks.append(np.ones(2_000_000))
    pins.append(bytearray(100_000))  # behind each block, so that the heap cannot shrink
blocks.clear()
before = held()
assert give_back()
print(before - held())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not Path("/proc/self/status").exists(),
    reason="no glibc, or no /proc",
)
def test_what_is_free_is_given_back_at_once() -> None:
    given = subprocess.check_output([sys.executable, "-c", ALL_GIVEN_BACK])
    assert float(given) > 140  # MiB, of 153
