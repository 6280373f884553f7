"""The networks that guess as ONNX graphs: twins of `Image2Feature` and `ContextEncoder`."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from swapfill.config import FEATURE_CHANNELS, Image2FeatureConfig, Norm
from swapfill.engines import onnx_blocks as blocks
from swapfill.engines.onnx_context import context
from swapfill.engines.onnx_encoders import MEAN
from swapfill.engines.onnx_file import BOOL, FLOAT
from swapfill.engines.onnx_graph import Graph

_HEAD_SCALE = FEATURE_CHANNELS**-0.5
_LEVELS = 10  # of the pyramid: sides up to 1024
_SMALLEST = 4  # cells a side of the context encoder's last map before its bottleneck


def image2feature(config: Image2FeatureConfig, weights: Path | None = None) -> Graph:
    """`incomplete` [B, 3, S, S] and `hole` to `image` and, with that head, `features`.

    `incomplete` and `image` are in [0, 1], `hole` [B, 1, S, S] is bool, true = missing; S is the
    config's side or, of networks of any side, twice as much, four times and so on. `image` is the
    guess, the whole picture; `features` [B, 256, S/4, S/4] are the expected unit features.

    Raises:
        BundleError: the weights are damaged or do not fit.
    """
    graph = Graph("image2feature", weights)
    side, cells = ("side", "cells") if config.any_side else (config.side, config.side // 4)
    incomplete = graph.input("incomplete", "batch", 3, side, side)
    hole = graph.input("hole", "batch", 1, side, side, kind=BOOL)
    if config.kind == "context_encoder":
        image, features = _context_encoder(graph, incomplete, hole, config), None
    else:
        image, features = _guesser(graph, incomplete, hole, config)
    graph.output("image", image, "batch", 3, side, side)
    if features is not None:
        graph.output("features", features, "batch", FEATURE_CHANNELS, cells, cells)
    return graph


def _guesser(
    graph: Graph, incomplete: str, hole: str, config: Image2FeatureConfig
) -> tuple[str, str | None]:
    start = None
    if config.membrane:
        x = blocks.from_unit(graph, _smooth_fill(graph, incomplete, hole))
        start = blocks.raw_of(graph, x)
    else:
        zero = graph.constant(0.0)
        x = graph.op("Where", hole, zero, blocks.from_unit(graph, incomplete))
    if config.mask_aware:
        x = graph.op("Concat", x, graph.op("Cast", hole, to=FLOAT), axis=1)
    x, features = _down_and_up(graph, x, config)
    image = blocks.to_unit(graph, x if start is None else graph.op("Add", x, start))
    if not config.mask_aware:
        image = _place_centre(graph, image, incomplete, config.side)
    return image, features


def _down_and_up(graph: Graph, x: str, config: Image2FeatureConfig) -> tuple[str, str | None]:
    depth = config.side.bit_length() - 1
    widths = [min(config.width << i, config.max_width) for i in range(depth)]
    c_in = [4 if config.mask_aware else 3, *widths]
    skips = []
    for i in range(depth):
        size = config.side >> (i + 1)
        x = blocks.down(
            graph, x, f"encoder.{i}", c_in[i], widths[i], config.norm, size, first=i == 0
        )
        skips.append(x)
    count = depth if config.mask_aware else depth - 1
    joined, features = widths[-1], None
    for i in range(count):
        last, level = i == count - 1, depth - 2 - i
        c_out = 3 if last else widths[level]
        kind: Norm = "none" if last else config.norm
        x = blocks.up(graph, x, f"decoder.{i}", joined, c_out, kind, config.upsampling, 2 << i)
        if not last:
            x = graph.op("Concat", x, skips[level], axis=1)
        joined = c_out + widths[level]
        if config.feature_head and i == count - 3:  # a quarter of the side
            features = _feature_head(graph, x, widths[1] * 2)
        if config.context and i == count - 5:  # a sixteenth
            x = context(graph, x, "context", 2 * widths[3], widths[3], config.context)
    return x, features


def _feature_head(graph: Graph, x: str, c_in: int) -> str:
    x = blocks.conv(graph, graph.op("Relu", x), "head.1", c_in, FEATURE_CHANNELS, 3, margin=1)
    x = graph.op("Relu", x)
    x = blocks.conv(graph, x, "head.3", FEATURE_CHANNELS, FEATURE_CHANNELS, 1)
    return graph.op("Mul", x, graph.constant(_HEAD_SCALE))


def _context_encoder(graph: Graph, incomplete: str, hole: str, config: Image2FeatureConfig) -> str:
    levels = (config.side // _SMALLEST).bit_length() - 1
    narrowing = [max(config.width, 8 * config.width >> i) for i in range(levels)]
    widths = [min(w, config.max_width) for w in reversed(narrowing)]
    colour = graph.constant(np.reshape(MEAN, (1, 3, 1, 1)))
    x = blocks.from_unit(graph, graph.op("Where", hole, colour, incomplete))
    x = blocks.conv(graph, x, "encoder.0", 3, widths[0], 4, stride=2, margin=1)
    at = 1
    for level, (c_in, c_out) in enumerate(pairwise(widths), 2):
        x = blocks.leaky(graph, x)
        x = blocks.conv(graph, x, f"encoder.{at + 1}", c_in, c_out, 4, stride=2, margin=1)
        size = config.side >> level
        x = blocks.norm(graph, x, f"encoder.{at + 2}", config.norm, c_out, size)
        at += 3
    x = blocks.leaky(graph, x)
    x = blocks.conv(graph, x, f"encoder.{at + 1}", widths[-1], config.bottleneck, _SMALLEST)
    x = blocks.norm(graph, x, f"encoder.{at + 2}", config.norm, config.bottleneck, _SMALLEST)
    centre = blocks.to_unit(graph, _from_bottleneck(graph, x, widths, config))
    around = _smooth_fill(graph, incomplete, hole)
    return _place_centre(graph, centre, around, config.side)


def _from_bottleneck(graph: Graph, x: str, widths: list[int], config: Image2FeatureConfig) -> str:
    x = blocks.leaky(graph, x)
    bottom = config.bottleneck
    x = blocks.deconv(graph, x, "decoder.1", bottom, widths[-1], stride=1, margin=0)
    channels = [*reversed(widths[1:]), 3]
    for level, (c_in, c_out) in enumerate(pairwise(channels)):
        at = 2 + 3 * level
        x = blocks.norm(graph, x, f"decoder.{at}", config.norm, c_in, _SMALLEST << level)
        x = graph.op("Relu", x)
        x = blocks.deconv(graph, x, f"decoder.{at + 2}", c_in, c_out)
    return x


def _place_centre(graph: Graph, centre: str, around: str, side: int) -> str:
    margin = side // 4
    inside = np.zeros((1, 1, side, side), np.bool_)
    inside[:, :, margin:-margin, margin:-margin] = True
    pads = graph.constant([0, 0, margin, margin, 0, 0, margin, margin])
    return graph.op("Where", graph.truths(inside), graph.op("Pad", centre, pads), around)


def _smooth_fill(graph: Graph, image: str, hole: str) -> str:
    """Continue the known pixels into the hole by a pyramid of their averages."""
    zero, tiny = graph.constant(0.0), graph.constant(1e-8)
    share = graph.op("Cast", graph.op("Not", hole), to=FLOAT)
    total = graph.op("Where", hole, zero, image)
    levels = [(total, share)]
    for _ in range(_LEVELS):  # for sides below the largest the last ones are one pixel, as it is
        total, share = (
            graph.op("AveragePool", part, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
            for part in levels[-1]
        )
        levels.append((total, share))
    means = [graph.op("Div", t, graph.op("Max", s, tiny)) for t, s in levels]
    coarse = means[-1]
    for mean, (_, share) in zip(means[-2::-1], levels[-2::-1], strict=True):
        grown = graph.op("Resize", coarse, "", "", graph.op("Shape", mean), mode="linear")
        coarse = graph.op("Where", graph.op("Greater", share, zero), mean, grown)
    return coarse
