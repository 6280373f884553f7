"""The most memory that this process, and its GPU, held since it was last asked."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_PEAK = "VmHWM:"  # kB, the high-water mark of the resident set
_RESET_PEAK = "5"


def start() -> None:
    """Begin a new measurement.

    Where the system cannot (anything but Linux), the peak stays that of the process's whole life.
    """
    with suppress(OSError):
        _CLEAR.write_text(_RESET_PEAK)
    if cuda := _cuda():
        cuda.reset_peak_memory_stats()


def resident() -> int | None:
    """Give the most bytes of memory that were the process's; None where no system says it."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return _by_resource()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(_PEAK)), None)


def on_gpu() -> int | None:
    """Give the most bytes of tensors that lay on the GPU; None where none is used."""
    cuda = _cuda()
    return None if cuda is None else int(cuda.max_memory_allocated())


def _by_resource() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # there bytes, elsewhere kB


def _cuda() -> Any:
    """Give torch.cuda where this process uses it already."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None
