"""Where photographs lie: tar files, folders, lists."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

from swapfill.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def stamps_of(source: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of change of a tar file, or of every picture of a folder or a list.

    Raises:
        DataError: a picture of a list is not there.
    """
    files = pictures_of(source) if _is_many(source) else [source]
    try:
        return [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    except OSError as error:
        raise DataError(f"{source}: {error.filename}: {error.strerror}") from None


def pictures_of(source: Path) -> list[Path]:
    """The pictures in a folder, whatever their depth, sorted; or those of a list, in its order.

    A list is a .txt file of one path a line, relative to the list's folder; empty lines and lines
    that start with # are left out.

    Raises:
        DataError: a list cannot be read.
    """
    if source.is_dir():
        return sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    try:
        lines = [line.strip() for line in source.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source}: cannot be read: {error}, want one picture a line") from None
    return [source.parent / line for line in lines if line and not line.startswith("#")]


def members(source: Path) -> Iterator[tuple[str, bytes]]:
    """Give the name and the content of each picture of a source.

    Raises:
        DataError: it is no whole tar file, nor a folder, nor a list; or a picture vanished.
    """
    if _is_many(source):
        for path in pictures_of(source):
            name = path.relative_to(source) if source.is_dir() else path
            yield str(name), _content(path)
        return
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                held = archive.extractfile(member) if member.isfile() else None
                if held is not None and Path(member.name).suffix.lower() in SUFFIXES:
                    yield member.name, held.read()
    except (tarfile.TarError, EOFError):
        raise DataError(f"{source}: not a whole tar file, nor a folder") from None


def _is_many(source: Path) -> bool:
    return source.is_dir() or source.suffix.lower() == ".txt"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: vanished while the photographs were read") from None
