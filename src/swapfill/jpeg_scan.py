"""The bits of a sequential JPEG scan: where each block is among them, and what it says."""

from array import array
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from swapfill.jpeg_huffman import NO_CODE, Bytes, HuffmanTable, Ints, step_tables

_END = 0xD9
# Bits whose steps are looked up at once: the tables of them stay in the cache. Behind them the
# longest block must fit: 64 coefficients of at most 31 bits.
_AT_ONCE, _LONGEST_BLOCK = 1 << 18, 64 * 31


class Intervals(NamedTuple):
    """The scan between restart markers.

    Attributes:
        raw: the bytes of each as the file has them.
        content: those of all together, without what is stuffed behind 255, and 8 zeros.
        bounds: bit of `content` at which each begins and ends, [I, 2].
    """

    raw: list[bytes]
    content: bytes
    bounds: Ints


def intervals_of(scan: bytes) -> Intervals | None:
    """Cut a scan at its restart markers; None if it does not end as it should."""
    raw = np.frombuffer(scan, np.uint8)
    marks = np.flatnonzero(raw[:-1] == 0xFF)
    kinds = raw[marks + 1]
    marks, kinds, stuffed = marks[kinds != 0], kinds[kinds != 0], marks[kinds == 0] + 1
    ends = np.flatnonzero((kinds & 0xF8) != 0xD0)
    if len(ends) == 0 or kinds[ends[0]] != _END:
        return None
    marks, kinds = marks[: ends[0] + 1], kinds[: ends[0]]
    if (kinds != 0xD0 + np.arange(len(kinds)) % 8).any():
        return None
    stuffed = stuffed[stuffed < marks[-1]]
    kept = np.ones(marks[-1], np.bool_)
    kept[stuffed] = kept[marks[:-1]] = kept[marks[:-1] + 1] = False
    raw_bounds = np.column_stack([np.concatenate([[0], marks[:-1] + 2]), marks])
    gone = np.searchsorted(stuffed, raw_bounds) + 2 * np.arange(len(marks))[:, None]
    return Intervals(
        raw=[scan[start:end] for start, end in raw_bounds.tolist()],
        content=raw[: marks[-1]][kept].tobytes() + bytes(8),
        bounds=8 * (raw_bounds - gone),
    )


def block_bounds(
    intervals: Intervals,
    pattern: list[tuple[int, int]],
    tables: dict[int, HuffmanTable],
    units: int,
    per_interval: int,
) -> Ints | None:
    """Find where each block begins and ends, [B, 2]; None if the codes do not fill the scan.

    Args:
        intervals: the scan.
        pattern: keys of the tables of each block of a unit, for the first coefficient and the rest.
        tables: the Huffman tables by their keys.
        units: how many there are.
        per_interval: those between two restart markers.
    """
    steps = {key: step_tables(table) for key, table in tables.items()}
    bounds, base, edge = array("q"), 0, -1
    looked_up: list[tuple[bytes, bytes, bytes]] = []
    for first, (begin, end) in enumerate(intervals.bounds.tolist()):
        place = begin
        for number in range(len(pattern) * min(per_interval, units - first * per_interval)):
            if place >= edge:
                if place >= end:
                    return None
                base = place & ~7
                edge = min(base + _AT_ONCE, 8 * len(intervals.content))
                by_key = _steps_everywhere(intervals.content, base >> 3, edge >> 3, steps)
                looked_up = [(by_key[dc][0], *by_key[ac]) for dc, ac in pattern]
            dc, lengths, goings = looked_up[number % len(pattern)]
            bounds.append(place)
            at, coefficient = place - base, 0
            at += dc[at]
            while coefficient < 63:
                coefficient += goings[at]
                at += lengths[at]
            if coefficient >= NO_CODE:
                return None
            place = at + base
            bounds.append(place)
        if not 0 <= end - place < 8:
            return None
    return np.frombuffer(bounds, np.int64).reshape(-1, 2)


def _steps_everywhere(
    content: bytes, first: int, last: int, steps: dict[int, tuple[Bytes, Bytes]]
) -> dict[int, tuple[bytes, bytes]]:
    """Look up the steps at each bit of some bytes: bits that are taken, and places gone on."""
    # Beyond the end are zeros: a damaged scan walks into them and is found out by where it ends.
    wanted = last - first + _LONGEST_BLOCK // 8 + 2
    part = np.frombuffer(content[first : first + wanted].ljust(wanted, b"\0"), np.uint8)
    three = part[:-2].astype(np.uint32) << 16 | part[1:-1].astype(np.uint32) << 8 | part[2:]
    windows = (three[:, None] >> np.arange(8, 0, -1, dtype=np.uint32)).astype(np.uint16).reshape(-1)
    return {
        key: (lengths[windows].tobytes(), goings[windows].tobytes())
        for key, (lengths, goings) in steps.items()
    }


def coefficients(word: int, left: int, symbols: bytes, lengths: bytes) -> Iterator[tuple[int, int]]:
    """Decode one block from the bits of `word`, the first of which has `left` before its end."""
    place = 0
    while place < 63:
        window = word >> left - 16 & 0xFFFF
        symbol = symbols[window]
        left -= lengths[window]
        size = symbol & 15
        if size == 0 and symbol != 0xF0:
            return
        place += (symbol >> 4) + 1
        if size:
            left -= size
            value = word >> left & (1 << size) - 1
            yield place, value if value >> size - 1 else value - (1 << size) + 1
