import platform
import subprocess
import sys

import pytest

from swapfill.training.allocator import keep_memory

# Takes and frees 64 MB again and again; prints the pages that had to be fetched for it.
SCRIPT = """
import resource
from swapfill.training.allocator import keep_memory
{start}
for i in range(6):
    if i == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = bytes(range(256)) * 2**18
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(start: str) -> int:
    command = [sys.executable, "-c", SCRIPT.format(start=start)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is for glibc")
def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    assert faults("keep_memory()") < faults("") / 10


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert keep_memory() is False
