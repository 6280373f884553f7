"""A graph being built, operator by operator, over weights that stay in their safetensors file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapfill.engines import onnx_file
from swapfill.engines.onnx_file import FLOAT, Attribute, External
from swapfill.engines.onnx_numbers import FLOATS, Numbers, Range
from swapfill.engines.tensor_files import Stored, stored_tensors
from swapfill.errors import BundleError


class Graph:
    """Values are named by strings, as ONNX does; each operator here gives one.

    Args:
        name: of the network.
        weights: its safetensors file, checked tensor by tensor as they are asked for. Without one
            a graph that asks for any is only good for telling which it wants.
        numbers: in what its convolutions count.
    """

    def __init__(self, name: str, weights: Path | None = None, numbers: Numbers = FLOATS) -> None:
        self.name, self.numbers = name, numbers
        self.held: dict[str, Range] = {}  # of the values that are bytes
        self.wanted: dict[str, tuple[int, ...]] = {}
        self._path = weights
        self._stored: Mapping[str, Stored] = {} if weights is None else stored_tensors(weights)
        self._nodes: list[bytes] = []
        self._constants: dict[str, bytes] = {}
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._widened: dict[str, str] = {}

    def input(self, name: str, *shape: int | str, kind: int = FLOAT) -> str:
        """Declare an input; sizes that are words are free."""
        self._inputs.append(onnx_file.value(name, kind, shape))
        return name

    def output(self, name: str, value: str, *shape: int | str, kind: int = FLOAT) -> None:
        """Declare a value to be an output, under a name of its own."""
        self._nodes.append(onnx_file.node("Identity", [value], [name], {}))
        self._outputs.append(onnx_file.value(name, kind, shape))

    def op(self, kind: str, *inputs: str, **attributes: Attribute) -> str:
        """Add an operator, and give the value that it makes."""
        value = f"{kind}_{len(self._nodes)}"
        self._nodes.append(onnx_file.node(kind, inputs, [value], attributes))
        return value

    def constant(self, values: ArrayLike, dtype: str = "") -> str:
        """Add numbers: whole ones as int64, others as float32, unless another type is given."""
        held = np.asarray(values)
        own = "int64" if held.dtype.kind in "iu" else "float32"
        return self._keep(held.astype(dtype or own))

    def truths(self, values: ArrayLike) -> str:
        """Add a mask."""
        return self._keep(np.asarray(values, np.bool_))

    def _keep(self, held: NDArray[np.generic]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants[name] = onnx_file.tensor(name, held)
        return name

    def weight(self, name: str, *shape: int) -> str:
        """Use a tensor of the file, widened to float32.

        Raises:
            BundleError: the file does not have it, or in another shape.
        """
        stored = self._want(name, shape)
        if stored is None or self._path is None:
            return name
        if name not in self._constants:
            where = External(self._path.name, stored.offset, stored.length)
            self._constants[name] = onnx_file.raw_tensor(name, shape, stored.kind, where)
            if stored.kind != FLOAT:
                self._widened[name] = self.op("Cast", name, to=FLOAT)
        return self._widened.get(name, name)

    def leave(self, name: str, *shape: int) -> None:
        """Tell that the file has a tensor which has no part in inference."""
        self._want(name, shape)

    def _want(self, name: str, shape: tuple[int, ...]) -> Stored | None:
        self.wanted[name] = shape
        if self._path is None:
            return None
        if name not in self._stored:
            raise BundleError(f"{self._path}: tensor {name} is missing, want {shape}")
        stored = self._stored[name]
        if stored.shape != shape:
            raise BundleError(f"{self._path}: tensor {name} is {stored.shape}, want {shape}")
        return stored

    def to_bytes(self, *, whole: bool = False, description: str = "") -> bytes:
        """Give the ONNX file: `whole` has the weights in it, otherwise they stay where they are.

        Raises:
            BundleError: the weights file has a tensor that no part of the network asked for.
        """
        left_over = sorted(self._stored.keys() - self.wanted.keys())
        if left_over:
            raise BundleError(
                f"{self._path}: tensor {left_over[0]} belongs to another architecture"
            )
        constants = {**self._constants, **(self._embedded() if whole else {})}
        return onnx_file.model(
            self.name, self._nodes, constants.values(), self._inputs, self._outputs, description
        )

    def _embedded(self) -> dict[str, bytes]:
        if self._path is None:
            return {}
        held = self._path.read_bytes()
        names = self._constants.keys() & self._stored.keys()
        return {name: _with_numbers(name, self._stored[name], held) for name in names}


def _with_numbers(name: str, stored: Stored, held: bytes) -> bytes:
    numbers = held[stored.offset : stored.offset + stored.length]
    return onnx_file.raw_tensor(name, stored.shape, stored.kind, numbers)
