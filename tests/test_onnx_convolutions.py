from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F

from onnx_models import run_graph
from swapfill.engines.onnx_convolutions import convolve, floats
from swapfill.engines.onnx_graph import Graph
from swapfill.engines.onnx_numbers import Numbers, Range, Ranges

RNG = np.random.default_rng(0)
SIZES = np.array([1, 2, 8, 0.1, 0], np.float32)  # of each channel
WEIGHT = RNG.normal(size=(5, 3, 3, 3)).astype(np.float32) * SIZES.reshape(5, 1, 1, 1)
BIAS = RNG.normal(size=5).astype(np.float32)
IMAGE = RNG.uniform(-1, 2, (2, 3, 12, 9)).astype(np.float32)
AS_THEY_ARE = {"pads": [1, 1, 1, 1], "strides": [2, 2]}


def graph_of(numbers: Numbers, **how: Any) -> Graph:
    graph = Graph("toy", None, numbers)
    x = graph.input("x", "batch", 3, "height", "width")
    kernel = (graph.constant(WEIGHT), graph.constant(BIAS))
    graph.output("y", floats(graph, convolve(graph, x, kernel, "one", **how)), "b", 5, "h", "w")
    return graph


def answer(ranges: Mapping[str, Ranges], **how: Any) -> np.ndarray:
    return run_graph(graph_of(Numbers(ranges), **how), {"x": IMAGE})[0]


@pytest.mark.parametrize(
    "how", [AS_THEY_ARE, {"mirrored": 1}, {"mirrored": 1, "relu": True}], ids=["0", "1", "relu"]
)
def test_bytes_answer_as_floats_do_but_for_their_steps(how: dict[str, Any]) -> None:
    exact = answer({}, **how)
    ranges = Ranges(Range(-1, 2), Range(float(exact.min()), float(exact.max())))
    step = ranges.answers.scale
    found = answer({"one": ranges}, **how)
    assert 0 < np.abs(found - exact).mean() < step  # half a step, and what weights and pixels lose
    np.testing.assert_allclose(found / step % 1 % 0.999, 0, atol=2e-3)


def test_floats_are_those_of_torch() -> None:
    padded = F.pad(torch.from_numpy(IMAGE), (1, 1, 1, 1), mode="reflect")
    wanted = F.conv2d(padded, torch.from_numpy(WEIGHT), torch.from_numpy(BIAS))
    np.testing.assert_allclose(answer({}, mirrored=1), wanted.numpy(), atol=1e-4)


def test_what_lies_beyond_a_range_is_cut_off() -> None:
    found = answer({"one": Ranges(Range(-1, 2), Range(-1, 3))}, mirrored=1)
    assert (round(float(found.min()), 2), round(float(found.max()), 2)) == (-1, 3)


def test_each_channel_of_weights_has_a_scale_of_its_own() -> None:
    """A common one would leave of the fourth channel, 80 times as small, next to nothing."""
    exact = answer({}, mirrored=1)
    few = Range(float(exact[:, 3].min()), float(exact[:, 3].max()))
    found = answer({"one": Ranges(Range(-1, 2), few)}, mirrored=1)
    np.testing.assert_allclose(found[:, 3], exact[:, 3], atol=4 * few.scale)


def test_between_two_convolutions_bytes_stay_bytes() -> None:
    seen = Ranges(Range(-1, 2), Range(0, 9))
    graph = Graph("toy", None, Numbers({"one": seen, "two": Ranges(Range(0, 9), Range(-9, 9))}))
    x = graph.input("x", "batch", 3, "height", "width")
    bias = graph.constant(BIAS)
    x = convolve(graph, x, (graph.constant(WEIGHT), bias), "one", relu=True, mirrored=1)
    again = graph.constant(RNG.normal(size=(5, 5, 1, 1)).astype(np.float32))
    graph.output("y", convolve(graph, x, (again, bias), "two"), "b", 5, "h", "w")
    kinds = [node.op_type for node in onnx.load_from_string(graph.to_bytes()).graph.node]
    assert [kinds.count(kind) for kind in ("QuantizeLinear", "DequantizeLinear", "Relu")] == [
        1,
        1,
        0,
    ]
    assert kinds.count("QLinearConv") == 2


def test_a_watched_convolution_shows_what_it_sees_and_answers() -> None:
    graph = graph_of(Numbers(watched=True), mirrored=1, relu=True)
    sees, answers, y = run_graph(graph, {"x": IMAGE})
    np.testing.assert_array_equal(sees, IMAGE)
    np.testing.assert_array_equal(answers, y)
    assert y.min() == 0
