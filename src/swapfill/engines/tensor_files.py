"""Where the tensors of a safetensors file lie, for a runtime that reads them there itself."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from swapfill.engines import onnx_file
from swapfill.errors import BundleError

_KINDS = {
    "F64": onnx_file.DOUBLE,
    "F32": onnx_file.FLOAT,
    "F16": onnx_file.FLOAT16,
    "BF16": onnx_file.BFLOAT16,
    "I64": onnx_file.INT64,
}


class Stored(NamedTuple):
    """One tensor of a file; `kind` is ONNX's number of its type."""

    shape: tuple[int, ...]
    kind: int
    offset: int
    length: int


def stored_tensors(path: Path) -> dict[str, Stored]:
    """Tell where each tensor of a file lies, by its name.

    Raises:
        BundleError: the file is missing or damaged, or a tensor is of a type no network has.
    """
    header, start = _header(path)
    found = {}
    for name, told in header.items():
        if name == "__metadata__":
            continue
        if told["dtype"] not in _KINDS:
            kinds = ", ".join(_KINDS)
            raise BundleError(f"{path}: tensor {name} is {told['dtype']}, want one of {kinds}")
        first, last = told["data_offsets"]
        kind = _KINDS[told["dtype"]]
        found[name] = Stored(tuple(told["shape"]), kind, start + first, last - first)
    return found


def _header(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """Read the header of a file that `safetensors` itself finds whole, and where it ends."""
    try:
        with safe_open(path, framework="numpy"):  # every offset, size and type is checked
            pass
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            return json.loads(file.read(size)), 8 + size
    except FileNotFoundError:
        raise BundleError(f"{path}: no such weights file") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise BundleError(f"{path}: not a whole safetensors file: {error}") from None
