"""The Huffman codes of a JPEG: read from its tables, extended, and written with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Signed = NDArray[np.signedinteger[Any]]

_LONGEST = 16  # bits of a code
_ZERO_RUN, _END_OF_BLOCK = 0xF0, 0x00
_TOKENS_AT_ONCE = 1 << 16  # each takes some 100 bytes while it is spread to bits


@dataclass(frozen=True)
class HuffmanTable:
    """Codes for symbols, as a DHT segment gives them.

    Attributes:
        counts: how many codes have 1, 2, ... 16 bits.
        symbols: those they stand for, shorter codes first.
    """

    counts: tuple[int, ...]
    symbols: bytes

    @cached_property
    def codes(self) -> tuple[Ints, Ints]:
        """Code and its length for each of 256 symbols; the length is 0 for one without a code."""
        codes, lengths = np.zeros(256, np.int64), np.zeros(256, np.int64)
        code, symbols = 0, iter(self.symbols)
        for length, count in enumerate(self.counts, start=1):
            for _, symbol in zip(range(count), symbols, strict=False):
                codes[symbol], lengths[symbol] = code, length
                code += 1
            code <<= 1
        return codes, lengths

    @cached_property
    def lookup(self) -> tuple[Bytes, Bytes]:
        """Symbol and length of the code at the start of each 16 bits; length 0: no code."""
        found, found_length = np.zeros(1 << _LONGEST, np.uint8), np.zeros(1 << _LONGEST, np.uint8)
        codes, lengths = self.codes
        for symbol in self.symbols:
            spare = _LONGEST - int(lengths[symbol])
            span = slice(int(codes[symbol]) << spare, (int(codes[symbol]) + 1) << spare)
            found[span], found_length[span] = symbol, lengths[symbol]
        return found, found_length

    def with_symbols(self, wanted: Iterable[int]) -> "HuffmanTable | None":
        """Give a table that has these symbols too; None when there is no room.

        Every code stays as it is, so what was written with them is still right: the new ones are
        made of the 16 bits behind the last code, of which only ones alone are not allowed.
        """
        missing = [symbol for symbol in sorted(set(wanted)) if self.codes[1][symbol] == 0]
        used = sum(
            count << (_LONGEST - length) for length, count in enumerate(self.counts, start=1)
        )
        if len(missing) > (1 << _LONGEST) - 1 - used:
            return None
        counts = (*self.counts[:-1], self.counts[-1] + len(missing))
        return HuffmanTable(counts, self.symbols + bytes(missing))


def read_tables(content: bytes) -> dict[int, HuffmanTable]:
    """Read a DHT segment: class (0 is DC, 1 is AC) times 16 and number, and the table."""
    tables: dict[int, HuffmanTable] = {}
    while content:
        counts = tuple(content[1:17])
        end = 17 + sum(counts)
        tables[content[0]] = HuffmanTable(counts, content[17:end])
        content = content[end:]
    return tables


def table_bytes(tables: dict[int, HuffmanTable]) -> bytes:
    """Give the content of a DHT segment."""
    parts = (bytes([key, *table.counts]) + table.symbols for key, table in tables.items())
    return b"".join(parts)


def bit_length(values: NDArray[Any]) -> Ints:
    """Give the number of bits of each absolute value: 0 for 0, 3 for -4."""
    return np.asarray(np.frexp(np.abs(values).astype(np.float64))[1], np.int64)


_KINDS = (np.int32, np.uint8, np.uint8, np.uint16)  # of a token: large pictures have millions


@dataclass(frozen=True)
class Tokens:
    """What blocks are written as, in order: a symbol, then some bits.

    Attributes:
        blocks: the block that each belongs to, from 0, [T].
        keys: the table that its symbol is of, [T].
        symbols: [T], 0 to 255.
        extras: [T], the bits behind the symbol, as many as its lower half says.
    """

    blocks: NDArray[np.int32]
    keys: Bytes
    symbols: Bytes
    extras: NDArray[np.uint16]

    @classmethod
    def of(cls, steps: Ints, rest: Signed, dc_keys: Ints, ac_keys: Ints) -> "Tokens":
        """Turn blocks to tokens.

        Args:
            steps: what the DC coefficient is above the one before, [B].
            rest: the coefficients in zigzag order, [B, 64]; column 0 is not read.
            dc_keys: the table of each block for `steps`, [B].
            ac_keys: that for `rest`, [B].
        """
        block, place = np.nonzero(rest[:, 1:])
        place += 1
        before = np.where(np.diff(block, prepend=-1) != 0, 0, np.roll(place, 1))
        run = place - before - 1
        value = rest[block, place].astype(np.int64)
        size = bit_length(value)
        zero_runs = np.repeat(np.arange(len(run)), run >> 4)
        open_end = np.flatnonzero(rest[:, 63] == 0)

        blocks = [np.arange(len(steps)), block[zero_runs], block, open_end]
        places = [np.zeros(len(steps)), 2 * place[zero_runs], 2 * place + 1]
        places.append(np.full(len(open_end), 200))
        keys = [dc_keys, *(ac_keys[some] for some in blocks[1:])]
        symbols = [bit_length(steps), np.full(len(zero_runs), _ZERO_RUN), (run & 15) << 4 | size]
        symbols.append(np.full(len(open_end), _END_OF_BLOCK))
        extras = [_extra(steps), zero_runs * 0, _extra(value), open_end * 0]
        order = np.lexsort((np.concatenate(places), np.concatenate(blocks)))
        told = (
            np.concatenate(part)[order].astype(kind)
            for part, kind in zip((blocks, keys, symbols, extras), _KINDS, strict=True)
        )
        return cls(*told)

    def symbols_of(self, key: int) -> set[int]:
        """Give the symbols that a table is to have a code for."""
        return set(np.flatnonzero(np.bincount(self.symbols[self.keys == key])).tolist())

    def bits(self, tables: dict[int, HuffmanTable]) -> tuple[Bytes, Ints]:
        """Write all: the bits, each 0 or 1, and how many there are up to the end of each block."""
        codes, lengths = np.zeros(len(self.keys), np.int64), np.zeros(len(self.keys), np.int64)
        for key, table in tables.items():
            mine = self.keys == key
            codes[mine], lengths[mine] = (part[self.symbols[mine]] for part in table.codes)
        size = self.symbols.astype(np.int64) & 15
        value, lengths = codes << size | self.extras, lengths + size
        starts = range(0, max(len(value), 1), _TOKENS_AT_ONCE)
        some = [slice(start, start + _TOKENS_AT_ONCE) for start in starts]
        bits = np.concatenate([_spread(value[part], lengths[part]) for part in some])
        last = np.flatnonzero(np.diff(self.blocks, append=-1) != 0)
        return bits, np.cumsum(lengths)[last]


def with_codes(
    tables: dict[int, HuffmanTable], tokens: Sequence[Tokens]
) -> dict[int, HuffmanTable] | None:
    """Give tables, extended by the symbols that are missing; None without room for them."""
    extended = dict(tables)
    for key, table in tables.items():
        longer = table.with_symbols(set().union(*(some.symbols_of(key) for some in tokens)))
        if longer is None:
            return None
        extended[key] = longer
    return extended


def _spread(values: Ints, lengths: Ints) -> Bytes:
    """Give the bits of values one after the other, of each as many as its length says."""
    left = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(lengths.sum())
    return np.asarray(np.repeat(values, lengths) >> left & 1, np.uint8)


def _extra(values: Ints) -> Ints:
    """Give the bits that tell a value from the others of its length."""
    return np.asarray(np.where(values < 0, values + (1 << bit_length(values)) - 1, values))


def step_tables(table: HuffmanTable) -> tuple[Bytes, Bytes]:
    """Give, for any 16 bits, how many bits a coefficient takes and how many places it goes on.

    What is no code goes on by `NO_CODE`, the end of a block by 63.
    """
    symbol, length = table.lookup
    size = symbol & 15
    going = np.where(size > 0, (symbol >> 4) + 1, np.where(symbol == _ZERO_RUN, 16, 63))
    going = np.where(length == 0, NO_CODE, going)
    return np.maximum(length + size, 1), going.astype(np.uint8)


NO_CODE = 200  # more than the 63 + 62 places that any codes of a block can go on


def running_total(values: Ints, firsts: Ints) -> Ints:
    """Sum up from each of `firsts` (ascending, from 0) to the next: [N] of [N]."""
    total = np.cumsum(values)
    base = total[firsts] - values[firsts]
    counts = np.diff(firsts, append=len(values))
    return np.asarray(total - np.repeat(base, counts))
