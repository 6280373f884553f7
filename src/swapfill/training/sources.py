"""Where photographs lie: folders, lists, tar files, and shards of tar files here or on a server."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from swapfill.errors import DataError
from swapfill.training.held import Held
from swapfill.training.shards import expanded, fetched, is_url
from swapfill.training.tar_files import SUFFIXES, members

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters or more: C: is a drive


def places_of(sources: Iterable[str | Path]) -> list[str]:
    """Spell out the patterns among sources: files and folders that are there, and http(s) URLs.

    Raises:
        DataError: something is not there; or has another scheme, as `pipe:`, which would run a
            program that a stranger's settings name.
    """
    names = [name for source in sources for name in _spelt_out(str(source))]
    for name in names:
        if is_url(name) or os.path.exists(name):
            continue
        scheme = _SCHEME.match(name)
        if scheme:
            raise DataError(
                f"{name}: nothing is read from {scheme[1]}:, want files, folders or http(s) URLs"
            )
        raise DataError(f"{name}: no such tar file, folder or list of photographs")
    return names


def _spelt_out(source: str) -> list[str]:
    is_pattern = "{" in source and not os.path.exists(source)
    return expanded(source) if is_pattern else [source]


def stamps_of(place: str) -> Iterator[tuple[str, int, int]]:
    """Give name, size and time of change of a tar file, or of each picture of a folder or a list.

    A URL is its name alone: it is fetched once.

    Raises:
        DataError: a picture of a list is not there.
    """
    if is_url(place):
        yield place, 0, 0
        return
    path, real = Path(place), cache(os.path.realpath)
    try:
        for file in pictures_of(path) if _is_many(path) else [path]:
            found = file.stat()
            name = os.path.join(real(file.parent), file.name)
            yield name, found.st_size, found.st_mtime_ns
    except OSError as error:
        raise DataError(f"{place}: {error.filename}: {error.strerror}") from None


def pictures_of(source: Path) -> Iterator[Path]:
    """Give the pictures in a folder, whatever their depth, by name; or those of a list, in order.

    A list is a .txt file of one path a line, relative to the list's folder; empty lines and lines
    that start with # are left out.

    Raises:
        DataError: a list cannot be read.
    """
    if source.is_dir():
        yield from map(Path, _in_folder(str(source)))
        return
    try:
        lines = [line.strip() for line in source.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source}: cannot be read: {error}, want one picture a line") from None
    yield from (source.parent / line for line in lines if line and not line.startswith("#"))


def _in_folder(folder: str) -> Iterator[str]:
    """Walk a folder with the names of one level at a time in memory, not those of millions."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _in_folder(entry.path)
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES and entry.is_file():
            yield entry.path


def held_in(place: str, shards: Path, say: Callable[[str], None]) -> Iterator[Held]:
    """Give the pictures of one place; a URL is fetched into the folder `shards` first.

    Raises:
        DataError: it is no whole tar file, nor a folder, nor a list; or a picture vanished.
    """
    path = fetched(place, shards, say) if is_url(place) else Path(place)
    if is_url(place) or not _is_many(path):
        yield from members(path, place)
        return
    for file in pictures_of(path):
        name = file.relative_to(path) if path.is_dir() else file
        yield Held(place, str(name), file, 0, _size(file))


def _is_many(source: Path) -> bool:
    return source.is_dir() or source.suffix.lower() == ".txt"


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        raise DataError(f"{file}: vanished while the photographs were read") from None
