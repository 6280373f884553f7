"""The blocks that the networks are made of, as ONNX operators: twins of those in `networks`.

`at` is the name of a block's module in the weights file, with its dot.
"""

import math
from typing import Literal

import numpy as np

from swapfill.config import Norm, Upsampling
from swapfill.engines.onnx_convolutions import convolve
from swapfill.engines.onnx_graph import Graph

_GROUPS = 8
# How three rows (or columns) of a kernel become two: the two that fall together are summed.
_IN_TWO = (np.array([[1.0, 0, 0], [0, 1, 1]]), np.array([[1.0, 1, 0], [0, 0, 1]]))
_EPSILON = 1e-5  # of every normalisation, torch's default
Padding = Literal["zero", "reflect"]


def conv(
    graph: Graph,
    x: str,
    at: str,
    c_in: int,
    c_out: int,
    size: int,
    *,
    stride: int = 1,
    margin: int = 0,
    padding: Padding = "zero",
    relu: bool = False,
    fine: bool = False,
) -> str:
    """Convolve by a kernel of `size` x `size`, with a bias.

    `relu` is as `convolve` has it; what is `fine` never counts in bytes.
    """
    weight = graph.weight(f"{at}.weight", c_out, c_in, size, size)
    kernel, steps = (weight, graph.weight(f"{at}.bias", c_out)), [stride, stride]
    name = "" if fine else at
    if padding == "reflect":
        return convolve(graph, x, kernel, name, mirrored=margin, relu=relu, strides=steps)
    return convolve(graph, x, kernel, name, relu=relu, strides=steps, pads=[margin] * 4)


def deconv(
    graph: Graph, x: str, at: str, c_in: int, c_out: int, *, stride: int = 2, margin: int = 1
) -> str:
    """Convolve backwards by a kernel of 4 x 4, with a bias."""
    weight = graph.weight(f"{at}.weight", c_in, c_out, 4, 4)
    bias = graph.weight(f"{at}.bias", c_out)
    steps, pads = [stride, stride], [margin] * 4
    return graph.op("ConvTranspose", x, weight, bias, strides=steps, pads=pads)


def doubled_conv(graph: Graph, x: str, at: str, c_in: int, c_out: int) -> str:
    """Double the size by repeating pixels, then convolve by 3 x 3: four kernels of 2 x 2 do both.

    Of the three rows that a pixel of the doubled map sees, two are the same row of the map itself:
    their weights are summed once, when the graph is loaded, and four ninths of the products stay.
    """
    weight = graph.weight(f"{at}.weight", c_out, c_in, 3, 3)
    bias = graph.weight(f"{at}.bias", c_out)
    flat = graph.op("Reshape", weight, graph.constant([c_out * c_in, 9]))
    quarters = []
    for down in (0, 1):
        rows = graph.op("MatMul", flat, graph.constant(np.kron(_IN_TWO[down], np.eye(3)).T))
        for right in (0, 1):
            summed = graph.op("MatMul", rows, graph.constant(np.kron(np.eye(2), _IN_TWO[right]).T))
            summed = graph.op("Reshape", summed, graph.constant([c_out, c_in, 2, 2]))
            pads, name = [1 - down, 1 - right, down, right], f"{at}.{down}{right}"
            quarters.append(
                convolve(graph, x, (summed, bias), name, pads=pads, kernel_shape=[2, 2])
            )
    # [4 C, h, w], the place in the 2 x 2 pixels slowest: as DepthToSpace's mode DCR wants it.
    return graph.op("DepthToSpace", graph.op("Concat", *quarters, axis=1), blocksize=2, mode="DCR")


def norm(graph: Graph, x: str, at: str, kind: Norm, channels: int, size: int) -> str:
    """Normalise a map of `size` cells a side; as `networks.norm_of`, nothing where it is 1 x 1."""
    if kind == "none" or size == 1:
        return x
    weight = graph.weight(f"{at}.weight", channels)
    bias = graph.weight(f"{at}.bias", channels)
    if kind == "batch":
        mean = graph.weight(f"{at}.running_mean", channels)
        var = graph.weight(f"{at}.running_var", channels)
        graph.leave(f"{at}.num_batches_tracked")
        return graph.op("BatchNormalization", x, weight, bias, mean, var, epsilon=_EPSILON)
    groups = math.gcd(_GROUPS, channels)
    flat = graph.op("Reshape", x, graph.constant([0, groups, -1]))
    ones, zeros = graph.constant([1.0] * groups), graph.constant([0.0] * groups)
    even = graph.op("InstanceNormalization", flat, ones, zeros, epsilon=_EPSILON)
    even = graph.op("Reshape", even, graph.op("Shape", x))
    tall = graph.constant([channels, 1, 1])
    scaled = graph.op("Mul", even, graph.op("Reshape", weight, tall))
    return graph.op("Add", scaled, graph.op("Reshape", bias, tall))


def down(
    graph: Graph, x: str, at: str, c_in: int, c_out: int, kind: Norm, size: int, *, first: bool
) -> str:
    """Leaky ReLU (but for the first), 4x4 convolution of stride 2, normalisation."""
    if not first:
        x = leaky(graph, x)
    x = conv(graph, x, f"{at}.1", c_in, c_out, 4, stride=2, margin=1)
    return x if first else norm(graph, x, f"{at}.2", kind, c_out, size)


def up(
    graph: Graph,
    x: str,
    at: str,
    c_in: int,
    c_out: int,
    kind: Norm,
    upsampling: Upsampling,
    size: int,
) -> str:
    """ReLU, then twice the size by deconvolution or resize-convolution, normalisation."""
    x = graph.op("Relu", x)
    if upsampling == "deconvolution":
        x = deconv(graph, x, f"{at}.1", c_in, c_out)
        return norm(graph, x, f"{at}.2", kind, c_out, size)
    x = doubled_conv(graph, x, f"{at}.2", c_in, c_out)
    return norm(graph, x, f"{at}.3", kind, c_out, size)


def leaky(graph: Graph, x: str) -> str:
    """Leaky ReLU."""
    return graph.op("LeakyRelu", x, alpha=0.2)


def to_unit(graph: Graph, x: str) -> str:
    """Squash raw values into [0, 1]."""
    half = graph.constant(0.5)
    return graph.op("Add", graph.op("Mul", graph.op("Tanh", x), half), half)


def from_unit(graph: Graph, x: str) -> str:
    """Bring [0, 1] to [-1, 1]."""
    return graph.op("Sub", graph.op("Mul", x, graph.constant(2.0)), graph.constant(1.0))


def raw_of(graph: Graph, x: str) -> str:
    """Undo the tanh of `to_unit` for values in [-1, 1]."""
    held = graph.op("Clip", x, graph.constant(-0.995), graph.constant(0.995))
    return graph.op("Atanh", held)


def cells_of(graph: Graph, x: str, channels: int, size: int) -> str:
    """Lay each cell's `size` x `size` pixels along the channels, as torch's pixel_unshuffle."""
    # ONNX lays the place in the cell slowest, torch the channel.
    apart = graph.op("SpaceToDepth", x, blocksize=size)
    order = [place * channels + c for c in range(channels) for place in range(size**2)]
    return graph.op("Gather", apart, graph.constant(order), axis=1)


def pixels_of(graph: Graph, x: str, size: int) -> str:
    """Undo `cells_of`, as torch's pixel_shuffle."""
    return graph.op("DepthToSpace", x, blocksize=size, mode="CRD")
