"""Write a file whole or not at all: beside the target, then rename; and what a file was."""

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from swapfill.errors import OutputError


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Give `write` a new file beside `path`, and put it in the place of `path` once it is whole.

    Whatever goes wrong (a full disk, a missing folder, an exception of `write`), the half-written
    file is removed and what stood at `path` before stays as it was. The new file has the permission
    bits of the old one, or those that a plain `open` would give it. A symbolic link is followed, so
    that the link stays and its target changes.

    Args:
        path: the file to make or to replace. Its folder must exist.
        write: puts the content into the binary file it is given, which it may read as well; it need
            not close or flush it.

    Raises:
        OutputError: the system refused; the line names `path` and the reason.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> write_atomically(Path(folder, "note"), lambda file: file.write(b"whole") and None)
        >>> Path(folder, "note").read_bytes()
        b'whole'
    """
    target = Path(os.path.realpath(path))
    unfinished: Path | None = None
    try:
        if target.is_dir():
            raise IsADirectoryError("it is a folder, want a file")
        # Made by `open`, not by `tempfile`, so that it gets the permissions of any new file.
        beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}")
        with beside.open("x+b") as file:
            unfinished = beside
            write(file)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            beside.chmod(target.stat().st_mode & 0o7777)
        beside.replace(target)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if unfinished is not None:
            with suppress(OSError):  # after the rename it is gone, which is as it should be
                unfinished.unlink(missing_ok=True)


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Do `write_atomically` for bytes that are already in memory; it raises the same error."""

    def write(file: BinaryIO) -> None:
        file.write(content)

    write_atomically(path, write)


class Seen(NamedTuple):
    """A file that was read: where it lies, and by what to tell that it is still the same."""

    path: Path
    mark: tuple[int, ...]

    @classmethod
    def now(cls, path: Path, file: BinaryIO) -> Self:
        """Note what the open `file` at `path` is."""
        return cls(path.absolute(), _mark(file))

    def copy_to(self, target: BinaryIO) -> bool:
        """Copy the file, if it is still there as it was, into an open one; tell whether it was."""
        try:
            with self.path.open("rb") as file:
                if _mark(file) != self.mark:
                    return False
                shutil.copyfileobj(file, target)
        except FileNotFoundError:
            return False
        return True


def _mark(file: BinaryIO) -> tuple[int, ...]:
    now = os.fstat(file.fileno())
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns
