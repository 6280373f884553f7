"""Photographs by number, of any source: decoded once and mapped, or decoded at each draw.

A decoded picture costs nothing to draw and much room: 0.4 MB for 300 x 450 pixels, 700 GB for
ImageNet. Encoded ones stay in the files that they came in; an index says where. Either way every
picture is decoded once at the start, so that both hold the same ones in the same order.
"""

import hashlib
import json
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt
from PIL import UnidentifiedImageError

from swapfill.errors import DataError
from swapfill.files import write_bytes_atomically
from swapfill.training.ahead import ahead
from swapfill.training.cache_files import make_once
from swapfill.training.held import Held, Pixels, rgb
from swapfill.training.shards import fetched, is_url
from swapfill.training.sources import held_in, places_of, stamps_of

Say = Callable[[str], None]
Readable = Iterator[tuple[Held, Pixels]]

_SECONDS_BETWEEN_NEWS = 30.0  # of reading a large collection
# Of an encoded picture: where its file's path begins in the index, and how long it is; where the
# picture begins in that file, and how long it is; its height and width.
_PLACE = struct.Struct("<qiqqii")
_PLACES = np.dtype(
    [("path", "<i8"), ("length", "<i4"), ("offset", "<i8"), ("size", "<i8"), ("sides", "<i4", 2)]
)
_COUNT = struct.Struct("<q")


class PhotoStore:
    """Photographs by number: uint8 RGB, [H, W, 3], at their own size."""

    def __init__(self, sizes: npt.NDArray[np.integer]) -> None:
        self._sizes = sizes  # [N, 2]: height, width

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def shortest(self) -> int:
        """The shortest side of any picture, in pixels."""
        return int(self._sizes.min())

    def __getitem__(self, index: int) -> Pixels:
        raise NotImplementedError


class Decoded(PhotoStore):
    """Pixels in one memory-mapped file: many processes share its pages, a picture is a slice."""

    def __init__(self, pixels: Path, index: Path) -> None:
        super().__init__(np.array(json.loads(index.read_text()), dtype=np.int64))
        self._flat = np.memmap(pixels, dtype=np.uint8, mode="r")
        self._starts = np.concatenate([[0], np.cumsum(self._sizes.prod(axis=1) * 3)])

    def __getitem__(self, index: int) -> Pixels:
        height, width = self._sizes[index]
        flat = self._flat[self._starts[index] : self._starts[index + 1]]
        return flat.reshape(height, width, 3)


class Encoded(PhotoStore):
    """Pictures in the files of their sources; the index is mapped, and nothing else is kept."""

    def __init__(self, index: Path) -> None:
        self._bytes = np.memmap(index, dtype=np.uint8, mode="r")
        (count,) = _COUNT.unpack(self._bytes[-_COUNT.size :].tobytes())
        end = len(self._bytes) - _COUNT.size
        self._places = self._bytes[end - count * _PLACE.size : end].view(_PLACES)
        super().__init__(self._places["sides"])

    def __getitem__(self, index: int) -> Pixels:
        path, length, offset, size, sides = self._places[index]
        file = os.fsdecode(self._bytes[path : path + length].tobytes())
        try:
            pixels = rgb(Held(file, "", Path(file), int(offset), int(size)).read())
        except (DataError, MemoryError):
            raise
        except Exception as error:
            raise _changed(file, str(error)) from None
        if (pixels.shape[:2] != sides).any():
            raise _changed(file, f"a picture of {sides[1]} x {sides[0]} pixels has another size")
        return pixels


def _changed(file: str, what: str) -> DataError:
    what = " ".join(what.split())
    return DataError(f"{file}: changed while it was trained on: {what}; want it as it was")


def open_store(
    sources: Sequence[str | Path],
    cache: Path,
    say: Say = lambda _: None,
    *,
    unreadable: float = 1.0,
    keep: Literal["decoded", "encoded"] = "decoded",
    workers: int = 1,
) -> PhotoStore:
    """Open the photographs of `sources`, reading them all on first use.

    Args:
        sources: folders (searched through), .txt lists of one picture a line, tar files, patterns
            of tar files (`a-{00..12}.tar`), and http(s) URLs of either.
        cache: folder of what is kept; the names there depend on the names, sizes and times of
            change of the tar files and of the pictures in the folders.
        say: told of each picture that cannot be read, of what is fetched, and how far it is.
        unreadable: the share of such pictures above which all are refused.
        keep: the pixels, in the cache; or where each picture lies.
        workers: threads that decode.

    Raises:
        DataError: a source is missing, no tar file or cannot be fetched; too few pictures can be
            read, one vanished; or the cache cannot be written.
    """
    places = places_of(sources)
    shards = cache / "shards"
    first = cache / _key(places)
    pixels, index = first.with_suffix(".u8"), first.with_suffix(".json")
    encoded = first.with_suffix(".index")

    def readable() -> Readable:
        helds = chain.from_iterable(held_in(place, shards, say) for place in places)
        return _readable(helds, ", ".join(map(str, sources)), say, unreadable, workers)

    try:
        if keep == "decoded":
            make_once(
                pixels,
                lambda out: _write_decoded(readable(), out, index),
                lambda: pixels.exists() and index.exists(),
            )
            return Decoded(pixels, index)
        make_once(encoded, lambda out: _write_encoded(readable(), out))
        for url in filter(is_url, places):
            fetched(url, shards, say)  # which somebody may have removed since
        return Encoded(encoded)
    except OSError as error:
        where = f"{error.filename or cache}: {error.strerror or error}"
        raise DataError(f"{where}; photographs are kept {keep} in {cache}") from None


def _key(places: Iterable[str]) -> str:
    """Name what is kept of these places; of millions of pictures, without a list of them."""
    digest, comma = hashlib.sha256(b"["), b""
    for place in places:
        for stamp in stamps_of(place):
            digest.update(comma + repr(stamp).encode(errors="surrogateescape"))
            comma = b", "
    digest.update(b"]")
    return digest.hexdigest()[:16]


def _readable(
    helds: Iterable[Held], sources: str, say: Say, unreadable: float, workers: int
) -> Readable:
    """Decode all pictures in order; tell of those that cannot be, and count them."""
    read, skipped, news = 0, 0, time.monotonic()
    first = ""
    with closing(ahead(_tried, helds, workers)) as tried:
        for held, pixels in tried:
            if isinstance(pixels, str):
                line = f"{held.source}: {held.name}: {pixels}"
                say(line)
                skipped, first = skipped + 1, first or line
            else:
                read += 1
                yield held, pixels
            if time.monotonic() - news > _SECONDS_BETWEEN_NEWS:
                news = time.monotonic()
                say(f"{read + skipped:,} photographs are read, the last is {held.name}")
    if not read:
        raise DataError(f"{sources}: no picture that can be read")
    if skipped > unreadable * (read + skipped):
        raise DataError(
            f"{first}; of {read + skipped} pictures {skipped} cannot be "
            f"read, want at most {unreadable:.0%} (data.unreadable)"
        )


def _tried(held: Held) -> tuple[Held, Pixels | str]:
    """Decode a picture, or say why that fails."""
    try:
        return held, rgb(held.read())
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError:
        return held, "is no picture of a known kind"
    except Exception as error:  # decoders fail on damaged bytes with a dozen kinds of exceptions
        return held, " ".join(str(error).split()) or type(error).__name__


def _write_decoded(readable: Readable, out: BinaryIO, index: Path) -> None:
    sizes = []
    for _, pixels in readable:
        out.write(pixels.tobytes())
        sizes.append(pixels.shape[:2])
    write_bytes_atomically(index, json.dumps(sizes).encode())


def _write_encoded(readable: Readable, out: BinaryIO) -> None:
    """Write the paths as they come, then the places of all pictures, then their number."""
    places, path, start, end = bytearray(), b"", 0, 0
    for held, pixels in readable:
        if held.content is not None:
            raise DataError(
                f"{held.source}: is compressed, want it unpacked for data.keep = 'encoded'"
            )
        name = os.fsencode(held.file.absolute())
        if name != path:  # all pictures of a tar file share one
            path, start, end = name, end, end + out.write(name)
        height, width = pixels.shape[:2]
        places += _PLACE.pack(start, len(path), held.offset, held.size, height, width)
    out.write(places)
    out.write(_COUNT.pack(len(places) // _PLACE.size))
