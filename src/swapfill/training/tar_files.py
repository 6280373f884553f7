"""Pictures in tar files; nothing is unpacked, and nothing that is no picture is read."""

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import IO

from swapfill.errors import DataError
from swapfill.training.held import Held

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}

_NOT_A_TAR = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)
_BLOCK = 512


def members(path: Path, source: str) -> Iterator[Held]:
    """Give the pictures of a tar file, and of the tar files in it, as ILSVRC2012_img_train.tar is.

    Args:
        path: of the tar file, compressed or not.
        source: what messages call it.

    Raises:
        DataError: it is no whole tar file.
    """
    try:
        with path.open("rb") as file:
            yield from _members(file, Held(source, "", path, 0, 0), is_plain=True, may_nest=True)
    except _NOT_A_TAR:
        raise DataError(f"{source}: not a whole tar file, nor a folder") from None


def _members(file: IO[bytes], outer: Held, *, is_plain: bool, may_nest: bool) -> Iterator[Held]:
    with tarfile.open(fileobj=file) as archive:
        is_plain = is_plain and archive.fileobj is file  # else it is a decompressor around the file
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined] # or all stay, a kilobyte each
            suffix = PurePath(member.name).suffix.lower()
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            name, offset = f"{outer.name}{member.name}", outer.offset + member.offset_data
            if suffix in SUFFIXES:
                # a compressed or sparse member lies nowhere in the file as it is
                lies = is_plain and not member.issparse()
                data = None if lies else content.read()
                yield Held(outer.source, name, outer.file, offset, member.size, data)
            elif suffix == ".tar" and may_nest:
                inner = Held(outer.source, f"{name}/", outer.file, offset, member.size)
                yield from _members(content, inner, is_plain=is_plain, may_nest=False)
        _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """Refuse what `tarfile` takes for the end and is none: a header that makes no sense."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(_BLOCK).strip(b"\0"):
        raise tarfile.ReadError("a header is damaged")
