"""ONNX's file format, written by hand: the few messages of protobuf that a graph of ours needs.

So that a graph costs no package: `onnx` and its dependencies are 60 MB. Field numbers are those of
onnx.proto3; the tests read what is written here with `onnx` itself.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OPSET = 17  # every operator used here is in it, and old runtimes (mobile, browsers) read it
IR_VERSION = 8  # the one that came with that opset
FLOAT, INT64, BOOL, FLOAT16, DOUBLE, BFLOAT16 = 1, 7, 9, 10, 11, 16  # TensorProto.DataType
UINT8, INT8, INT32 = 2, 3, 6
_TYPES = {"float32": FLOAT, "int64": INT64, "bool": BOOL, "uint8": UINT8, "int8": INT8}

Attribute = int | float | str | Sequence[int] | Sequence[float]


class External(NamedTuple):
    """Numbers that lie in another file beside the graph."""

    file: str
    offset: int
    length: int


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are two's complement, ten bytes
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    held = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(held)) + held


def _attribute(name: str, value: Attribute) -> bytes:
    head = _bytes(1, name)
    if isinstance(value, str):
        return head + _bytes(4, value) + _number(20, 3)
    if isinstance(value, int):
        return head + _number(3, value) + _number(20, 2)
    if isinstance(value, float):
        return head + _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, 1)
    if all(isinstance(one, int) for one in value):
        return head + b"".join(_number(8, int(one)) for one in value) + _number(20, 7)
    floats = struct.pack(f"<{len(value)}f", *value)
    return head + _bytes(7, floats) + _number(20, 6)


def node(
    kind: str, inputs: Iterable[str], outputs: Iterable[str], attributes: dict[str, Attribute]
) -> bytes:
    """Write one operator."""
    named = b"".join(_bytes(1, name) for name in inputs)
    named += b"".join(_bytes(2, name) for name in outputs)
    told = (_bytes(5, _attribute(name, value)) for name, value in attributes.items())
    return named + _bytes(4, kind) + b"".join(told)


def tensor(name: str, values: NDArray[np.generic]) -> bytes:
    """Write a constant with its numbers in the graph."""
    return raw_tensor(name, values.shape, _TYPES[values.dtype.name], values.tobytes())


def raw_tensor(name: str, shape: Sequence[int], kind: int, held: bytes | External) -> bytes:
    """Write a constant of a data type, given its bytes or where they lie."""
    head = b"".join(_number(1, size) for size in shape) + _number(2, kind) + _bytes(8, name)
    if isinstance(held, bytes):
        return head + _bytes(9, held)
    entries = {"location": held.file, "offset": str(held.offset), "length": str(held.length)}
    where = (_bytes(13, _bytes(1, key) + _bytes(2, value)) for key, value in entries.items())
    return head + b"".join(where) + _number(14, 1)


def value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    """Write an input or output; a size that is a word is known only when the graph is run."""
    sizes = (_bytes(2, size) if isinstance(size, str) else _number(1, size) for size in shape)
    dims = b"".join(_bytes(1, size) for size in sizes)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims)))


def model(
    name: str,
    nodes: Iterable[bytes],
    constants: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    description: str = "",
) -> bytes:
    """Write a whole file."""
    graph = b"".join(_bytes(1, one) for one in nodes) + _bytes(2, name)
    graph += b"".join(_bytes(5, one) for one in constants) + _bytes(10, description)
    graph += b"".join(_bytes(11, one) for one in inputs)
    graph += b"".join(_bytes(12, one) for one in outputs)
    opset = _bytes(8, _bytes(1, "") + _number(2, OPSET))
    return _number(1, IR_VERSION) + _bytes(2, "swapfill") + _bytes(7, graph) + opset
