"""A PNG's picture as small PNGs of some rows each, so that it need not be decoded as a whole."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_READ_AT_ONCE = 1 << 16  # bytes of the file
_BAND = 1 << 22  # bytes of rows


class Header(NamedTuple):
    """What the first chunk says."""

    width: int
    height: int
    bits: int  # of a sample
    kind: int  # of colour
    compression: int = 0
    filtering: int = 0
    interlaced: int = 0

    @classmethod
    def read(cls, file: BinaryIO) -> "Header":
        """Read it from an open file whose beginning was checked."""
        file.seek(len(SIGNATURE) + 8)
        return cls(*struct.unpack(">IIBBBBB", file.read(13)))

    def chunk(self) -> bytes:
        """Write it."""
        return chunk(b"IHDR", struct.pack(">IIBBBBB", *self))


def chunk(kind: bytes, content: bytes) -> bytes:
    """Frame a chunk by its length and checksum."""
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Give name and length of every whole chunk; the file is at its content."""
    place, end = len(SIGNATURE), file.seek(0, 2)
    while place + 12 <= end:
        file.seek(place)
        length, kind = struct.unpack(">I4s", file.read(8))
        if place + 12 + length > end:
            return
        yield kind, length
        place += 12 + length


class Bands:
    """The rows of a PNG without interlacing, top to bottom.

    Each row is stored as its differences from the one above it. So a band begins with the row
    above, which whoever decoded it hands back: then any decoder of PNG takes the band for a
    picture, and its chunks of colour and such, which do not matter to the samples, are left out.

    Args:
        file: open, at any place.
        header: its own.
        pixel: bytes of a pixel.
    """

    def __init__(self, file: BinaryIO, header: Header, pixel: int) -> None:
        self._header, self._row = header, header.width * pixel
        self._content, self._inflate = _picture(file), zlib.decompressobj()

    def spans(self) -> Iterator[tuple[int, int]]:
        """Give the first row of each band, and the one after its last."""
        rows = max(1, _BAND // self._row)
        for top in range(0, self._header.height, rows):
            yield top, min(top + rows, self._header.height)

    def next_file(self, rows: int, above: bytes) -> bytes:
        """Give the next rows as a PNG, below the row `above`; above the first row all is 0.

        Raises:
            OSError: the file ends before.
            zlib.error: it is damaged.
        """
        filtered = b"\0" + above + self._read(rows * (1 + self._row))
        picture = chunk(b"IDAT", zlib.compress(filtered, 0))
        header = self._header._replace(height=1 + rows)
        return b"".join((SIGNATURE, header.chunk(), picture, chunk(b"IEND", b"")))

    def _read(self, size: int) -> bytes:
        """Read from what the file's picture unpacks to."""
        unpacked, inflate = bytearray(), self._inflate
        while left := size - len(unpacked):
            some = inflate.decompress(inflate.unconsumed_tail, left)
            if not some:
                packed = b"" if inflate.eof else next(self._content, b"")
                if not packed:
                    raise OSError("the picture ends too early")
                some = inflate.decompress(packed, left)
            unpacked += some
        return bytes(unpacked)


def _picture(file: BinaryIO) -> Iterator[bytes]:
    """Give what is in the chunks of the picture, some bytes at a time, none of them empty."""
    for kind, length in chunks(file):
        while kind == b"IDAT" and length:
            some = file.read(min(length, _READ_AT_ONCE))
            length -= len(some)
            yield some
