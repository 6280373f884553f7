"""Files of the cache: made once, by one process, whole or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock


def make_once(
    path: Path, make: Callable[[BinaryIO], None], is_made: Callable[[], bool] | None = None
) -> None:
    """Let `make` write `path` unless that is there; other processes wait meanwhile.

    It is written beside and renamed. What a killed process left is overwritten by the next: the
    system lets go of its lock.

    Args:
        path: the file to make; its folder is made too.
        make: writes the content into the file it is given.
        is_made: tells whether the file is there, and all that belongs to it.

    Raises:
        OSError: the file cannot be written, or what `make` raises; then there is no file.
    """
    is_made = is_made or path.exists
    if is_made():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with FileLock(f"{path}.lock"):
        if is_made():
            return
        try:
            with part.open("w+b") as out:
                make(out)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
