"""A sequential JPEG as a stream of blocks, some of which are written anew between the others."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from swapfill.jpeg_huffman import (
    Bytes,
    HuffmanTable,
    Ints,
    Signed,
    Tokens,
    read_tables,
    running_total,
    table_bytes,
    with_codes,
)
from swapfill.jpeg_scan import Intervals, block_bounds, coefficients, intervals_of

_START_OF_SCAN, _HUFFMAN, _QUANTISATION, _RESTART = 0xDA, 0xC4, 0xDB, 0xDD
_FRAMES = set(range(0xC0, 0xD0)) - {_HUFFMAN, 0xC8, 0xCC}
_BITS_AT_ONCE = 1 << 22  # of the scan, copied to the new one
_UNITS_AT_ONCE = 1 << 12  # made tokens, which take much memory on the way
_SEQUENTIAL = (0xC0, 0xC1)  # by Huffman codes; the rest is progressive, arithmetic or lossless


class Segment(NamedTuple):
    """A part of the head of a file, from its marker at `start` to the next part at `end`."""

    marker: int
    content: bytes
    start: int
    end: int


class Component(NamedTuple):
    """Luma, chroma, ink or the like.

    Attributes:
        across: blocks of it that are side by side in each unit of the scan.
        down: those that are on top of each other.
        quantisation: its table, in zigzag order, [64].
        dc_key: the Huffman table of its first coefficients.
        ac_key: that of the others.
    """

    across: int
    down: int
    quantisation: Ints
    dc_key: int
    ac_key: int


def segments(data: bytes) -> Iterator[Segment]:
    """Give the segments up to the picture; the last one starts the scan."""
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF or data[place + 1] in (0x00, 0xFF):
            place += 1  # padding, or rubbish that decoders skip too
            continue
        marker, length = struct.unpack_from(">xBH", data, place)
        end = place + 2 + max(length, 2)
        yield Segment(marker, data[place + 4 : end], place, end)
        if marker == _START_OF_SCAN:
            return
        place = end


@dataclass(frozen=True)
class BlockStream:
    """The blocks of a sequential JPEG of one scan, counted from 0 in the order of the file.

    A unit is what the scan repeats: some blocks of each component that cover the same pixels.

    Attributes:
        head: all segments up to the scan.
        size: height and width of the picture.
        components: in the order of the scan.
        tables: the Huffman tables.
        units: how many there are on top of each other, and side by side.
        per_interval: units between two restart markers.
        intervals: the scan.
        bounds: bit at which each block begins and ends, [B, 2].
    """

    head: tuple[Segment, ...]
    size: tuple[int, int]
    components: tuple[Component, ...]
    tables: dict[int, HuffmanTable]
    units: tuple[int, int]
    per_interval: int
    intervals: Intervals
    bounds: Ints

    @classmethod
    def read(cls, data: bytes) -> Self | None:
        """Read a file; None for one that is not sequential in one scan, or that is damaged."""
        try:
            return cls._read(data)
        except (struct.error, IndexError, KeyError, ValueError, ZeroDivisionError):
            return None  # tables or numbers that are missing or senseless

    @classmethod
    def _read(cls, data: bytes) -> Self | None:
        head = tuple(segments(data))
        frames = [part for part in head if part.marker in _FRAMES]
        if len(frames) != 1 or frames[0].marker not in _SEQUENTIAL:
            return None
        bits, height, width = struct.unpack_from(">BHH", frames[0].content)
        if bits != 8:
            return None
        components = _components(frames[0].content[6:], head)
        unit = [8 * max(getattr(part, way) for part in components) for way in ("down", "across")]
        units = -(-height // unit[0]), -(-width // unit[1])
        total = units[0] * units[1]
        restart = [part.content for part in head if part.marker == _RESTART]
        per_interval = (struct.unpack(">H", restart[-1])[0] if restart else 0) or total
        intervals = intervals_of(data[head[-1].end :])
        if intervals is None or len(intervals.raw) != -(-total // per_interval):
            return None
        tables: dict[int, HuffmanTable] = {}
        for part in head:
            if part.marker == _HUFFMAN:
                tables |= read_tables(part.content)
        keys = [(p.dc_key, p.ac_key) for p in components for _ in range(p.across * p.down)]
        bounds = block_bounds(intervals, keys, tables, total, per_interval)
        if bounds is None:
            return None
        size = (height, width)
        return cls(head, size, components, tables, units, per_interval, intervals, bounds)

    @cached_property
    def pattern(self) -> Ints:
        """The component of each block of a unit, [P]."""
        counts = [part.across * part.down for part in self.components]
        return np.repeat(np.arange(len(counts)), counts)

    @cached_property
    def dc(self) -> Ints:
        """The first coefficient of every block, [B]."""
        symbol, extra = self._dc_codes
        size = symbol & 15
        steps = np.where(extra < 1 << size >> 1, extra - (1 << size) + 1, extra)
        return self._each_component(steps, running_total)

    @cached_property
    def _dc_codes(self) -> tuple[Ints, Ints]:
        """Symbol of the first coefficient of every block, and the bits behind it."""
        content = np.frombuffer(self.intervals.content, np.uint8)
        starts = self.bounds[:, 0]
        window = np.zeros(len(starts), np.int64)
        for i in range(5):
            window = window << 8 | content[(starts >> 3) + i]
        window = window << (starts & 7) & ((1 << 40) - 1)
        symbols, lengths = np.zeros_like(window), np.zeros_like(window)
        for number, part in enumerate(self.components):
            of = np.resize(self.pattern == number, len(starts))
            table = self.tables[part.dc_key].lookup
            symbols[of], lengths[of] = (column[window[of] >> 24] for column in table)
        extra = (window >> (40 - lengths - (symbols & 15))) & ((1 << (symbols & 15)) - 1)
        return symbols, extra

    def rest(self, numbers: Ints) -> NDArray[np.int32]:
        """Decode blocks, [N]: the coefficients in zigzag order, [N, 64], but for the first ones."""
        decoded = np.zeros((len(numbers), 64), np.int32)
        tables = [self.tables[part.ac_key].lookup for part in self.components]
        lookups = [(symbol.tobytes(), length.tobytes()) for symbol, length in tables]
        symbols, _ = self._dc_codes
        for row, number in enumerate(numbers.tolist()):
            component = self.components[kind := self.pattern[number % len(self.pattern)]]
            dc = int(symbols[number])
            length = int(self.tables[component.dc_key].codes[1][dc]) + (dc & 15)
            start, end = self.bounds[number].tolist()
            first, last = start >> 3, (end >> 3) + 4
            word = int.from_bytes(self.intervals.content[first:last])
            left = 8 * last - start - length
            for place, value in coefficients(word, left, *lookups[kind]):
                decoded[row, place] = value
        return decoded

    def with_blocks(self, numbers: Ints, dc: Ints, rest: Signed) -> bytes | None:
        """Write the file with other blocks; the bits of the rest are copied.

        Args:
            numbers: of the blocks, ascending, [N].
            dc: their first coefficients, [N].
            rest: all their coefficients in zigzag order, of which column 0 is not read, [N, 64].

        Returns:
            The file, or None if the Huffman tables cannot take the codes that are wanted.
        """
        all_dc = self.dc.copy()
        all_dc[numbers] = dc
        steps = self._each_component(all_dc, _differences)
        touched = np.unique(numbers // len(self.pattern))
        units = np.union1d(touched, touched + 1)  # of those behind, the first steps are others now
        units = units[units < self.units[0] * self.units[1]]
        anew = (units[:, None] * len(self.pattern) + np.arange(len(self.pattern))).reshape(-1)
        content = np.zeros((len(anew), 64), np.int16)
        given = np.isin(anew, numbers)
        content[given], content[~given] = rest, self.rest(anew[~given])
        keys = np.array([(part.dc_key, part.ac_key) for part in self.components])
        keys = keys[np.resize(self.pattern, len(anew))]
        starts = range(0, len(anew), _UNITS_AT_ONCE * len(self.pattern))
        parts = [slice(start, start + starts.step) for start in starts]
        tokens = [Tokens.of(steps[anew[part]], content[part], *keys[part].T) for part in parts]
        tables = with_codes(self.tables, tokens)
        if tables is None:
            return None
        return self._head(tables) + self._scan(units, self._pieces(tokens, tables))

    def _pieces(self, tokens: list[Tokens], tables: dict[int, HuffmanTable]) -> Iterator[Bytes]:
        """Give the bits of each unit in turn."""
        for some in tokens:
            bits, ends = some.bits(tables)
            ends = ends[len(self.pattern) - 1 :: len(self.pattern)]
            yield from np.split(bits, ends[:-1])

    def _each_component(self, values: Ints, change: Callable[[Ints, Ints], Ints]) -> Ints:
        """Do `change` to the values of each component by itself, afresh after a restart."""
        changed = np.zeros_like(values)
        rows = values.reshape(-1, len(self.pattern))
        for number in range(len(self.components)):
            mine = rows[:, self.pattern == number]
            per_unit = mine.shape[1]
            firsts = np.arange(0, mine.size, self.per_interval * per_unit)
            result = change(mine.reshape(-1), firsts)
            changed.reshape(rows.shape)[:, self.pattern == number] = result.reshape(-1, per_unit)
        return changed

    def _head(self, tables: dict[int, HuffmanTable]) -> bytes:
        """Give the head as it was, but for Huffman tables that are others now."""
        parts = list(self.head)
        if tables != self.tables:
            parts = [part for part in parts if part.marker != _HUFFMAN]
            parts.insert(-1, Segment(_HUFFMAN, table_bytes(tables), 0, 0))
        return b"\xff\xd8" + b"".join(framed(part.marker, part.content) for part in parts)

    def _copy(self, packer: "_Packer", begin: int, end: int) -> None:
        """Add the bits begin..end of the scan, some at once."""
        content = np.frombuffer(self.intervals.content, np.uint8)
        for first in range(begin, end, _BITS_AT_ONCE):
            last = min(first + _BITS_AT_ONCE, end)
            bits = np.unpackbits(content[first // 8 : -(-last // 8)])
            packer.add(bits[first % 8 :][: last - first])

    def _scan(self, units: Ints, pieces: Iterator[Bytes]) -> bytes:
        """Put the bits of `units` in the place of those that were there, up to the end."""
        intervals = list(self.intervals.raw)
        which = units // self.per_interval
        for number in np.unique(which).tolist():
            mine = slice(*np.searchsorted(which, [number, number + 1]).tolist())
            last = min((number + 1) * self.per_interval, self.units[0] * self.units[1])
            packer, place = _Packer(), int(self.intervals.bounds[number, 0])
            for unit in units[mine].tolist():
                block = unit * len(self.pattern)
                self._copy(packer, place, int(self.bounds[block, 0]))
                packer.add(next(pieces))
                place = int(self.bounds[block + len(self.pattern) - 1, 1])
            self._copy(packer, place, int(self.bounds[last * len(self.pattern) - 1, 1]))
            intervals[number] = packer.end().replace(b"\xff", b"\xff\0")
        marks = [bytes([0xFF, 0xD0 + i % 8]) for i in range(len(intervals) - 1)] + [b"\xff\xd9"]
        return b"".join(part for pair in zip(intervals, marks, strict=True) for part in pair)


class _Packer:
    """Packs bits to bytes as they come, so that those of a whole scan are never spread at once."""

    def __init__(self) -> None:
        self._packed, self._left = bytearray(), np.zeros(0, np.uint8)

    def add(self, bits: Bytes) -> None:
        """Take bits, each 0 or 1."""
        bits = np.concatenate([self._left, bits])
        whole = len(bits) - len(bits) % 8
        self._packed += np.packbits(bits[:whole]).tobytes()
        self._left = bits[whole:]

    def end(self) -> bytes:
        """Give all, filled up with ones to a whole byte."""
        self.add(np.ones(-len(self._left) % 8, np.uint8))
        return bytes(self._packed)


def framed(marker: int, content: bytes) -> bytes:
    """Frame a segment by its marker and length."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _components(frame: bytes, head: tuple[Segment, ...]) -> tuple[Component, ...]:
    """Read the components in the order of the scan: of `frame` 3 bytes are for each."""
    quantisation: dict[int, Ints] = {}
    for part in head:
        content = part.content if part.marker == _QUANTISATION else b""
        while content:
            kind = ">u2" if content[0] >> 4 else "u1"
            table = np.frombuffer(content, kind, 64, offset=1)
            quantisation[content[0] & 15] = table.astype(np.int64)
            content = content[1 + table.nbytes :]
    stored = {frame[i]: (frame[i + 1], frame[i + 2]) for i in range(0, len(frame), 3)}
    scan = head[-1].content
    components = []
    for i in range(1, 1 + 2 * scan[0], 2):
        factors, table_number = stored[scan[i]]
        if scan[0] == 1:
            factors = 0x11  # a unit is one block then, whatever the factors say
        keys = scan[i + 1] >> 4, 0x10 | scan[i + 1] & 15
        table = quantisation[table_number]
        components.append(Component(factors >> 4, factors & 15, table, *keys))
    return tuple(components)


def _differences(values: Ints, firsts: Ints) -> Ints:
    """Give the step from each value to the next, from 0 at each of `firsts`: [N] of [N]."""
    steps = np.diff(values, prepend=0)
    steps[firsts] = values[firsts]
    return steps
