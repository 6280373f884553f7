"""The tags of a TIFF file. An EXIF block is a TIFF file without a picture, and is read alike.

Tags are kept as bytes, so that what this package does not know is carried over unharmed.
"""

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

# Bytes of one element, and of the numbers in it (a rational is one element of two numbers).
_TYPES = {1: (1, 1), 2: (1, 1), 3: (2, 2), 4: (4, 4), 5: (8, 4), 6: (1, 1), 7: (1, 1), 8: (2, 2)}
_TYPES |= {9: (4, 4), 10: (8, 4), 11: (4, 4), 12: (8, 8), 13: (4, 4)}
_BIG_TYPES = {16: (8, 8), 17: (8, 8), 18: (8, 8)}  # BigTIFF only; a plain TIFF cannot say them

_LONG = 4
_THUMBNAIL, _THUMBNAIL_SIZE = 513, 514
DIRECTORIES = frozenset({34665, 34853, 40965})  # EXIF, GPS and interoperability: tags in a tag

ORIENTATION, XMP, ICC = 274, 700, 34675
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296

# Tags that say how the samples lie in the file, or that hold another version of the picture
# (thumbnails, previews, Photoshop's layers): they belong to one encoding and are not carried over.
LAYOUT = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 284, 288, 289}
    | {292, 293, 317, 320, 322, 323, 324, 325, 330, 338, 339, 340, 341, 347, 37724}
    | set(range(512, 522))
    | {529, 530, 531, 532}
)


class Bytes(Protocol):
    """What tags are read from: `bytes`, or what gives them piece by piece as `FileBytes` does."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: slice, /) -> bytes: ...


class FileBytes:
    """The bytes of an open file, read where they are asked for: of a large one few are."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._length = file.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: slice, /) -> bytes:
        start, end, _ = place.indices(self._length)
        self._file.seek(start)
        return self._file.read(max(end - start, 0))


@dataclass(frozen=True)
class Tag:
    """One tag: its number, type and count as TIFF has them, its value as little-endian bytes."""

    code: int
    type: int
    count: int
    value: bytes
    inner: tuple["Tag", ...] = ()  # the tags of a directory that this one points to

    def integers(self) -> tuple[int, ...]:
        """Give the value as whole numbers; a rational gives numerator and denominator."""
        size = (_TYPES | _BIG_TYPES)[self.type][1]
        value = self.value
        return tuple(
            int.from_bytes(value[i : i + size], "little") for i in range(0, len(value), size)
        )


def short(code: int, number: int) -> Tag:
    """Make a tag of one 16-bit number."""
    return Tag(code, 3, 1, struct.pack("<H", number))


def rational(code: int, number: float) -> Tag:
    """Make a tag of one fraction, to the ten-thousandth."""
    return Tag(code, 5, 1, struct.pack("<II", round(number * 10_000), 10_000))


def opaque_bytes(code: int, value: bytes) -> Tag:
    """Make a tag of bytes that mean nothing to TIFF."""
    return Tag(code, 7, len(value), value)


def read_tags(data: Bytes) -> dict[int, Tag]:
    r"""Read the first directory of a TIFF file, BigTIFF or EXIF block; damaged tags are left out.

    Args:
        data: the whole file, or the EXIF block without its `Exif\0\0`.

    Returns:
        The tags by number; empty when `data` is not TIFF at all.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return {}
    big = _numbers(order + "H", data, 2)[0] == 43
    try:
        (start,) = _numbers(order + ("Q" if big else "I"), data, 8 if big else 4)
        return _read_directory(data, start, order, big, depth=0)
    except struct.error:
        return {}


def _numbers(form: str, data: Bytes, place: int) -> tuple[Any, ...]:
    """Unpack what stands at `place`; raises `struct.error` where the file ends before."""
    return struct.unpack(form, data[place : place + struct.calcsize(form)])


def _read_directory(data: Bytes, start: int, order: str, big: bool, depth: int) -> dict[int, Tag]:
    """Read the directory at `start`; a directory in a directory in a directory is the deepest."""
    found: dict[int, Tag] = {}
    head, entry, inline = ("Q", "HHQ8s", 8) if big else ("H", "HHI4s", 4)
    if start + struct.calcsize(order + head) > len(data):
        return found
    (count,) = _numbers(order + head, data, start)
    start += struct.calcsize(order + head)
    step = struct.calcsize(order + entry)
    for place in range(start, min(start + count * step, len(data) - step + 1), step):
        code, kind, length, field = _numbers(order + entry, data, place)
        element, number = (_TYPES | _BIG_TYPES).get(kind, (0, 0))
        size = element * length
        if size > inline:
            (offset,) = struct.unpack(order + ("Q" if big else "I"), field)
            field = data[offset : offset + size]
        if size == 0 or len(field) < size:
            continue  # an unknown type, or a value that lies beyond the end of the file
        value = field[:size] if order == "<" else _swapped(field[:size], number)
        inner: tuple[Tag, ...] = ()
        if code in DIRECTORIES:
            if depth == 2:
                continue
            offset = int.from_bytes(value, "little")
            inner = tuple(_read_directory(data, offset, order, big, depth + 1).values())
        found[code] = Tag(code, kind, length, value, inner)
    return found


def _swapped(value: bytes, size: int) -> bytes:
    """Turn round the bytes of every number in `value`."""
    return b"".join(value[i : i + size][::-1] for i in range(0, len(value), size))


def write_directory(tags: Iterable[Tag], at: int) -> bytes:
    """Write a little-endian directory that will stand at offset `at` of a file, and its values."""
    # A pointer whose directory was damaged, or a type of BigTIFF, has no place in a plain TIFF.
    kept = [t for t in tags if t.type in _TYPES and (t.inner or t.code not in DIRECTORIES)]
    kept.sort(key=lambda tag: tag.code)
    entries, values = b"", b""
    after = at + 2 + 12 * len(kept) + 4
    for tag in kept:
        kind, count, field = tag.type, tag.count, tag.value
        if tag.inner:
            kind, count, field = _LONG, 1, struct.pack("<I", after + len(values))
            values += write_directory(tag.inner, after + len(values))
        elif len(field) > 4:
            field = struct.pack("<I", after + len(values))
            values += tag.value + b"\0" * (len(tag.value) % 2)  # values start at even offsets
        entries += struct.pack("<HHI4s", tag.code, kind, count, field)
    return struct.pack("<H", len(kept)) + entries + struct.pack("<I", 0) + values


def write_exif(tags: Iterable[Tag]) -> bytes:
    r"""Write an EXIF block (without `Exif\0\0`); empty when there is nothing to say."""
    kept = [tag for tag in tags if tag.code not in LAYOUT]
    return b"II*\0" + struct.pack("<I", 8) + write_directory(kept, 8) if kept else b""


def without_thumbnail(exif: bytes) -> bytes:
    """Blank out the small copy of the picture in an EXIF block, which an edit makes untrue.

    Nothing moves: the notes that makers of cameras put into EXIF hold offsets into it.
    """
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    try:
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, first)
        link = first + 2 + 12 * count
        (second,) = struct.unpack_from(f"{order}I", exif, link)
    except struct.error:
        return exif  # damaged, or no EXIF: it stays as it is
    if order is None or second == 0:
        return exif
    blank = bytearray(exif)
    tags = _read_directory(exif, second, order, big=False, depth=0)
    if _THUMBNAIL in tags and _THUMBNAIL_SIZE in tags:
        start = tags[_THUMBNAIL].integers()[0]
        end = min(start + tags[_THUMBNAIL_SIZE].integers()[0], len(blank))
        blank[start:end] = bytes(max(0, end - start))
    blank[link : link + 4] = bytes(4)
    return bytes(blank)


def add_tags(file: BinaryIO, tags: Iterable[Tag]) -> None:
    """Give a little-endian TIFF file the tags `tags` besides those of its own layout.

    Every other tag of the file is forgotten; where `tags` has a tag of the layout, it wins.

    Args:
        file: open to read and to write; it grows by a directory at its end.
        tags: what to say.
    """
    data = FileBytes(file)
    own = {code: tag for code, tag in read_tags(data).items() if code in LAYOUT}
    merged = own | {tag.code: tag for tag in tags}
    start = len(data) + len(data) % 2
    file.seek(0, os.SEEK_END)
    file.write(b"\0" * (start - len(data)) + write_directory(merged.values(), start))
    file.seek(4)
    file.write(struct.pack("<I", start))
    file.seek(0, os.SEEK_END)
