import numpy as np
import pytest

from swapfill.jpeg_huffman import (
    NO_CODE,
    HuffmanTable,
    Tokens,
    bit_length,
    read_tables,
    running_total,
    step_tables,
    table_bytes,
)

# Codes 00, 010, 011, 100, then 16 bits for the last one.
TABLE = HuffmanTable((0, 1, 3, *[0] * 12, 1), bytes([0x00, 0x01, 0x12, 0xF0, 0x03]))


def test_codes_of_one_length_follow_each_other() -> None:
    codes, lengths = TABLE.codes
    found = {s: (int(codes[s]), int(lengths[s])) for s in TABLE.symbols}
    last = 0b101 << 13
    expected = {0x00: (0, 2), 0x01: (2, 3), 0x12: (3, 3), 0xF0: (4, 3), 0x03: (last, 16)}
    assert found == expected
    assert lengths.sum() == 2 + 3 * 3 + 16


def test_a_code_is_found_whatever_comes_behind_it() -> None:
    symbol, length = TABLE.lookup
    for window, expected in ((0x0000, (0x00, 2)), (0x3FFF, (0x00, 2)), (0x7FFF, (0x12, 3))):
        assert (symbol[window], length[window]) == expected
    assert (symbol[0xA000], length[0xA000]) == (0x03, 16)
    assert length[0xA001] == 0


def test_new_symbols_leave_every_code_as_it_is() -> None:
    longer = TABLE.with_symbols([0x55, 0x01, 0x44, 0x55])
    assert longer is not None
    for symbol in TABLE.symbols:
        assert [part[symbol] for part in longer.codes] == [part[symbol] for part in TABLE.codes]
    last = 0b101 << 13
    assert [longer.codes[0][s] for s in (0x44, 0x55)] == [last + 1, last + 2]
    assert TABLE.with_symbols([0x00, 0xF0]) == TABLE


def test_the_code_of_ones_alone_is_never_given_away() -> None:
    full = HuffmanTable((1,) * 16, bytes(range(16)))  # 0, 10, 110, ...: only 16 ones are left
    assert full.with_symbols([3]) == full
    assert full.with_symbols([99]) is None
    with_room = HuffmanTable((*(1,) * 15, 0), bytes(range(15)))
    assert with_room.with_symbols([99]) is not None
    assert with_room.with_symbols([99, 98]) is None


def test_tables_are_read_as_they_are_written() -> None:
    tables = {0x00: TABLE, 0x11: HuffmanTable((2, *[0] * 15), b"ab")}
    assert read_tables(table_bytes(tables)) == tables


def test_steps_count_code_and_value() -> None:
    lengths, goings = step_tables(TABLE)
    found = [(lengths[w], goings[w]) for w in (0x0000, 0x4000, 0x6000, 0x8000, 0xA001)]
    assert found == [(2, 63), (4, 1), (5, 2), (3, 16), (1, NO_CODE)]


@pytest.mark.parametrize("value", [0, 1, -1, 2, 3, -4, 7, 8, 1023, -1024])
def test_bit_length_is_that_of_python(value: int) -> None:
    assert bit_length(np.array([value]))[0] == value.bit_length()


def test_a_total_begins_afresh() -> None:
    total = running_total(np.array([5, 1, 2, 7, -3, 4]), np.array([0, 3, 4]))
    assert total.tolist() == [5, 6, 8, 7, -3, 1]


def test_blocks_become_the_symbols_of_the_standard() -> None:
    rest = np.zeros((2, 64), np.int32)
    rest[0, [1, 20, 60]] = 2, -1, 3  # 18 and 39 zeros between
    rest[1, 63] = 1  # no end of block behind the last place
    keys = np.array([0, 0]), np.array([16, 17])
    tokens = Tokens.of(np.array([-3, 0]), rest, *keys)
    first = [0x02, 0x02, 0xF0, 0x21, 0xF0, 0xF0, 0x72, 0x00]
    assert tokens.symbols.tolist() == [*first, 0x00, 0xF0, 0xF0, 0xF0, 0xE1]
    assert tokens.blocks.tolist() == [0] * len(first) + [1] * 5
    assert tokens.keys.tolist() == [0] + [16] * 7 + [0] + [17] * 4
    assert tokens.extras.tolist() == [0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 1]


def test_bits_are_codes_and_values_in_turn() -> None:
    rest = np.zeros((2, 64), np.int32)
    rest[0, 2] = -2  # one zero before it: symbol 0x12, bits 01
    tokens = Tokens.of(np.array([1, 0]), rest, np.array([0, 0]), np.array([0, 0]))
    bits, ends = tokens.bits({0: TABLE})
    assert "".join(map(str, bits)) == "010" + "1" + "011" + "01" + "00" + "00" + "00"
    assert ends.tolist() == [11, 15]
