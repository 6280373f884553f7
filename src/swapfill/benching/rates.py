"""What the machine can do: operations and bytes a second, and how many a piece of work needs."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from swapfill.benching.clock import fastest

_MATRIX = 1024  # rows and columns
_COPIED = 1 << 26  # bytes, more than a cache holds
_REPEAT = 9


def copy_rate() -> float:
    """Copy memory; give bytes a second, read and written."""
    source, target = np.ones(_COPIED, np.uint8), np.zeros(_COPIED, np.uint8)
    return 2 * _COPIED / fastest(lambda: np.copyto(target, source), _REPEAT)


def numpy_rate() -> float:
    """Multiply matrices in fp32 by NumPy; give operations a second."""
    one = np.random.default_rng(0).random((_MATRIX, _MATRIX), np.float32)
    return 2 * _MATRIX**3 / fastest(lambda: one @ one, _REPEAT)


def bytes_rate() -> float:
    """Multiply matrices of bytes by ONNX Runtime; give operations a second."""
    from swapfill.engines.onnx_file import INT32, UINT8
    from swapfill.engines.onnx_graph import Graph
    from swapfill.engines.onnx_runtime import choose_provider, open_session

    graph, one = Graph("product"), np.ones((_MATRIX, _MATRIX), np.uint8)
    x = graph.input("x", _MATRIX, _MATRIX, kind=UINT8)
    product = graph.op("MatMulInteger", x, graph.constant(one, "int8"))
    graph.output("product", product, _MATRIX, _MATRIX, kind=INT32)
    session = open_session(graph.to_bytes(), Path.cwd(), choose_provider("cpu"))
    return 2 * _MATRIX**3 / fastest(lambda: session.run(x=one), _REPEAT)


def torch_rate(precision: str) -> float:
    """Multiply matrices by PyTorch; give operations a second.

    Args:
        precision: `fp32` or `bf16`.
    """
    import torch
    import torch.nn.functional as F

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one = torch.rand(_MATRIX, _MATRIX).to(dtype)
    image = one[None].reshape(1, _MATRIX, 32, -1).contiguous(memory_format=torch.channels_last)
    weight = one[:, :, None, None]
    # Two libraries multiply: MKL in `@`, oneDNN in convolutions. The faster one is the machine's.
    ways: list[Callable[[], object]] = [lambda: one @ one, lambda: F.conv2d(image, weight)]
    with torch.inference_mode():
        return 2 * _MATRIX**3 / min(fastest(way, _REPEAT) for way in ways)


class Counter:
    """Counts the operations of convolutions and matrix products in PyTorch, by name."""

    def __init__(self) -> None:
        self.operations: dict[str, int] = defaultdict(int)

    def __call__(self, name: str) -> AbstractContextManager[None]:
        """Give a context; what runs in it is counted under `name`."""
        return self._counting(name)

    @contextmanager
    def _counting(self, name: str) -> Iterator[None]:
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counted:
            yield
        self.operations[name] += counted.get_total_flops()
