"""Patch-swap as an ONNX graph, for programs that have no patch-swap of their own.

The engine here does not run it: it holds the similarities of all patches with all at once, 4 MB at
32 x 32 cells and 64 MB at 64 x 64.
"""

from swapfill.engines.onnx_file import BOOL, FLOAT, INT64
from swapfill.engines.onnx_graph import Graph

_PATCH = 3
_END = 2**31 - 1
_NEVER = -1e30


def patch_swap() -> Graph:
    """Section 3.3.2: each 3x3 patch that touches the hole becomes its most similar known one.

    Inputs: `asks` and `keys` [1, C, h, w], whose patches are compared by cosine; `values`
    [1, D, h, w], which are copied; `hole` [1, 1, h, w] bool, true = missing.

    Outputs: `swapped` [1, D, h, w], in the hole the mean of the copies that cover a cell, elsewhere
    `values`; `candidates` [h - 2, w - 2] int64, the patch that each patch takes, in reading order.
    A hole that leaves no known patch gives what is there.
    """
    graph = Graph("patch_swap")
    asks, keys = (graph.input(name, 1, "channels", "rows", "columns") for name in ("asks", "keys"))
    values = graph.input("values", 1, "depth", "rows", "columns")
    hole = graph.input("hole", 1, 1, "rows", "columns", kind=BOOL)
    missing = graph.op("Cast", hole, to=FLOAT)
    pooled = graph.op("MaxPool", missing, kernel_shape=[_PATCH, _PATCH])
    touched = graph.op("Squeeze", pooled, graph.constant([0, 1]))  # [h - 2, w - 2]
    chosen = _chosen(graph, _similarities(graph, asks, keys), touched)
    swapped = _paste(graph, values, hole, chosen, touched)
    graph.output("swapped", swapped, 1, "depth", "rows", "columns")
    graph.output("candidates", chosen, "patch_rows", "patch_columns", kind=INT64)
    return graph


def _similarities(graph: Graph, asks: str, keys: str) -> str:
    """Cosines but for the norm of what asks: [h - 2, w - 2, h - 2, w - 2]."""
    flat = graph.constant([0, 0, -1])
    columns = graph.op("Transpose", graph.op("Reshape", asks, flat), perm=[0, 2, 1])
    gram = graph.op("MatMul", columns, graph.op("Reshape", keys, flat))  # [1, h w, h w]
    size = graph.op("Slice", graph.op("Shape", keys), *_numbers(graph, 2, 4, 0))
    cells = graph.op("Reshape", gram, graph.op("Concat", size, size, axis=0))
    products = _box_sum(graph, cells, ((1, 3), (0, 2)))
    squared = graph.op("ReduceSum", graph.op("Mul", keys, keys), graph.constant([0, 1]), keepdims=0)
    norms = graph.op("Sqrt", _box_sum(graph, squared, ((1,), (0,))))
    return graph.op("Div", products, graph.op("Max", norms, graph.constant(1e-20)))


def _numbers(graph: Graph, *values: int) -> list[str]:
    return [graph.constant([value]) for value in values]


def _box_sum(graph: Graph, x: str, passes: tuple[tuple[int, ...], ...]) -> str:
    """Sum three neighbours along the axes of each pass, all of a pass at once."""
    for axes in passes:
        n = len(axes)
        parts = [
            graph.op(
                "Slice", x, *(graph.constant(part) for part in ([i] * n, [end] * n, list(axes)))
            )
            for i, end in enumerate((-2, -1, _END))
        ]
        x = graph.op("Add", graph.op("Add", parts[0], parts[1]), parts[2])
    return x


def _chosen(graph: Graph, similarity: str, touched: str) -> str:
    """The best known candidate of every patch, [h - 2, w - 2]; ties go to the first."""
    known = graph.op("Less", touched, graph.constant(0.5))
    allowed = graph.op("Where", known, similarity, graph.constant(_NEVER))
    size = graph.op("Concat", graph.op("Shape", touched), graph.constant([-1]), axis=0)
    return graph.op("ArgMax", graph.op("Reshape", allowed, size), axis=2, keepdims=0)


def _paste(graph: Graph, values: str, hole: str, chosen: str, touched: str) -> str:
    """Lay the copies of all patches that touch the hole over each other, and take their mean."""
    width = graph.op("Slice", graph.op("Shape", values), *_numbers(graph, 3, 4, 0))
    across = graph.op("Sub", width, graph.constant([_PATCH - 1]))
    row, column = graph.op("Div", chosen, across), graph.op("Mod", chosen, across)
    table = graph.op("Reshape", values, graph.constant([0, 0, -1]))  # [1, D, h w]
    totals, counts = [], []
    for dy in range(_PATCH):
        for dx in range(_PATCH):
            rows = graph.op("Mul", graph.op("Add", row, graph.constant(dy)), width)
            place = graph.op("Add", graph.op("Add", rows, column), graph.constant(dx))
            copies = graph.op("Gather", table, place, axis=2)  # [1, D, h - 2, w - 2]
            before, after = (dy, dx), (_PATCH - 1 - dy, _PATCH - 1 - dx)
            pads = graph.constant([0, 0, *before, 0, 0, *after])
            totals.append(graph.op("Pad", graph.op("Mul", copies, touched), pads))
            counts.append(graph.op("Pad", touched, graph.constant([*before, *after])))
    mean = graph.op("Div", graph.op("Sum", *totals), graph.op("Sum", *counts))
    return graph.op("Where", hole, mean, values)
