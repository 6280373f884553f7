"""Whether PyTorch computes on something faster than the CPU here.

Importing it takes 2 s. So it is asked only where it may say yes: what it was built for stands in a
file of its own, and a card is of no use without its driver.
"""

import ctypes
import platform
import re
from importlib.util import find_spec
from pathlib import Path

_DRIVERS = {"Linux": "libcuda.so.1", "Windows": "nvcuda.dll"}


def torch_accelerates() -> bool:
    """Tell whether `choose_device` finds another device than the CPU."""
    if not may_accelerate():
        return False
    from swapfill.devices import choose_device

    return choose_device("auto").type != "cpu"


def may_accelerate() -> bool:
    """Tell the same without importing PyTorch, which must be installed; in doubt it may."""
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    built = _version_file()
    if _without(built, "cuda") and _without(built, "hip"):
        return False
    return not _without(built, "hip") or _has_driver()


def _version_file() -> str:
    found = find_spec("torch")
    if found is None or found.origin is None:
        return ""
    path = Path(found.origin).with_name("version.py")
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _without(built: str, name: str) -> bool:
    """Tell whether `built` says that a build has nothing of a name."""
    return re.search(rf"^{name}\b[^=\n]*= *None", built, re.MULTILINE) is not None


def _has_driver() -> bool:
    try:
        ctypes.CDLL(_DRIVERS[platform.system()])
    except (KeyError, OSError):
        return False
    return True
