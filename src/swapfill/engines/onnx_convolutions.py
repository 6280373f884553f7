"""Convolutions as ONNX operators, in floats or in bytes.

In bytes they take a third of the time where the processor multiplies bytes (VNNI on x86, dot
products on ARM).
"""

from collections.abc import Mapping

from swapfill.engines import onnx_file
from swapfill.engines.onnx_file import Attribute
from swapfill.engines.onnx_graph import Graph
from swapfill.engines.onnx_numbers import Range

# A weight in bytes is a whole number up to this, times a scale of its channel. A processor that
# does not multiply bytes adds two products in 16 bits, where 2 * 255 * 127 would not fit.
_LARGEST = 63
_TINY = 1e-12


def convolve(
    graph: Graph,
    x: str,
    kernel: tuple[str, str],
    at: str,
    *,
    mirrored: int = 0,
    relu: bool = False,
    **attributes: Attribute,
) -> str:
    """Convolve by weights and biases, in the numbers that `graph.numbers` tells for a name.

    Args:
        graph: is added to.
        x: floats, or bytes that came of this.
        kernel: weights and biases.
        at: the name; none, and it counts in floats.
        mirrored: pixels that are mirrored at each side before.
        relu: cut off what is below 0. What is given may then be bytes: for the next convolution, or
            for `floats`.
        attributes: of the operator.
    """
    ranges = graph.numbers.ranges.get(at)
    if ranges is not None:
        x = _bytes(graph, x, ranges.sees)
        seen = mirror(graph, x, mirrored) if mirrored else x
        y = _convolve_bytes(graph, seen, graph.held[x], kernel, ranges.answers, attributes)
        return y if relu else floats(graph, y)
    seen = mirror(graph, x, mirrored) if mirrored else x
    y = graph.op("Conv", seen, *kernel, **attributes)
    y = graph.op("Relu", y) if relu else y
    if graph.numbers.watched and at:
        for verb, value in (("sees", x), ("answers", y)):
            graph.output(f"{verb} {at}", value, *(f"{verb} {at} {i}" for i in range(4)))
    return y


def mirror(graph: Graph, x: str, margin: int) -> str:
    """Mirror `margin` pixels at each side, without repeating the edge."""
    pads = graph.constant([0, 0, margin, margin, 0, 0, margin, margin])
    return graph.op("Pad", x, pads, mode="reflect")


def floats(graph: Graph, x: str) -> str:
    """Give what may be bytes in floats."""
    its = graph.held.get(x)
    return x if its is None else graph.op("DequantizeLinear", x, *_told(graph, its))


def _bytes(graph: Graph, x: str, its: Range) -> str:
    if x in graph.held:
        return x
    held = graph.op("QuantizeLinear", x, *_told(graph, its))
    graph.held[held] = its
    return held


def _convolve_bytes(
    graph: Graph,
    x: str,
    sees: Range,
    kernel: tuple[str, str],
    answers: Range,
    attributes: Mapping[str, Attribute],
) -> str:
    weight, scales = _whole(graph, kernel[0])
    # The sums are whole numbers times both scales; a bias is added to them as one.
    unit = graph.op("Mul", scales, graph.constant(sees.scale))
    shift = graph.op("Round", graph.op("Div", kernel[1], unit))
    shift = graph.op("Cast", shift, to=onnx_file.INT32)
    weights = (weight, scales, graph.constant(0, "int8"))
    y = graph.op(
        "QLinearConv",
        *(x, *_told(graph, sees), *weights, *_told(graph, answers), shift),
        **attributes,
    )
    graph.held[y] = answers
    return y


def _told(graph: Graph, its: Range) -> tuple[str, str]:
    return graph.constant(its.scale), graph.constant(its.zero, "uint8")


def _whole(graph: Graph, weight: str) -> tuple[str, str]:
    """Give weights in whole numbers, and each channel's scale: once, when the graph is loaded."""
    most = graph.op("ReduceMax", graph.op("Abs", weight), axes=[1, 2, 3], keepdims=0)
    held = graph.op("Max", most, graph.constant(_TINY))
    scales = graph.op("Div", held, graph.constant(float(_LARGEST)))
    tall = graph.op("Reshape", scales, graph.constant([-1, 1, 1, 1]))
    rounded = graph.op("Round", graph.op("Div", weight, tall))
    return graph.op("Cast", rounded, to=onnx_file.INT8), scales
