"""The networks that translate as ONNX graphs: twins of `Feature2Image` and `ResNet`."""

from pathlib import Path

from swapfill.config import Feature2ImageConfig, Norm
from swapfill.engines import onnx_blocks as blocks
from swapfill.engines.onnx_file import BOOL, FLOAT
from swapfill.engines.onnx_graph import Graph
from swapfill.engines.onnx_numbers import FLOATS, Numbers

_HALF_CHANNELS = 48
_RESIDUAL_BLOCKS = 9


def feature2image(
    config: Feature2ImageConfig, weights: Path | None = None, numbers: Numbers = FLOATS
) -> Graph:
    """`features` [B, C, h, w], and what guides a guided network, to `image` [B, 3, H, W].

    `image`, `pixels` and `guess` [B, 3, H, W] are in [0, 1]; `hole` [B, 1, H, W] is bool.

    Raises:
        BundleError: the weights are damaged or do not fit.
    """
    graph = Graph("feature2image", weights, numbers)
    features = graph.input("features", "batch", config.in_channels, "rows", "columns")
    if config.kind == "resnet":
        raw = _resnet(graph, features, config)
    elif config.guided:
        raw = _guided(graph, features, config)
    else:
        x, joined = _joined(graph, features, config.in_channels, config)
        raw = _beyond(graph, x, joined, config)
    graph.output("image", blocks.to_unit(graph, raw), "batch", 3, "height", "width")
    return graph


def _joined(graph: Graph, x: str, c_in: int, config: Feature2ImageConfig) -> tuple[str, int]:
    """Down to one cell for each of the config's sides, and up again: the map and its channels."""
    top = config.side // config.stride
    downs = top.bit_length() - 1
    widths = [min(config.width << i, config.max_width) for i in range(downs + 1)]
    x = blocks.conv(graph, x, "stem", c_in, widths[0], 3, margin=1)
    skips = [x]
    for i in range(downs):
        pair, size = (widths[i], widths[i + 1]), top >> (i + 1)
        x = blocks.down(graph, x, f"encoder.{i}", *pair, config.norm, size, first=False)
        skips.append(x)
    joined = widths[-1]
    for i, level in enumerate(reversed(range(downs))):
        pair, size = (joined, widths[level]), top >> level
        x = blocks.up(graph, x, f"decoder.{i}", *pair, config.norm, config.upsampling, size)
        x = graph.op("Concat", x, skips[level], axis=1)
        joined = 2 * widths[level]
    return x, joined


def _beyond(graph: Graph, x: str, joined: int, config: Feature2ImageConfig) -> str:
    """From the map's own size to the picture's: up-blocks without a skip."""
    top, c_out = config.side // config.stride, min(config.width, config.max_width)
    downs = top.bit_length() - 1
    for i in range(config.stride.bit_length() - 1):
        size = top << (i + 1)
        last = size == config.side
        c_out = 3 if last else max(c_out // 2, 16)
        kind: Norm = "none" if last else config.norm
        at = f"decoder.{downs + i}"
        x = blocks.up(graph, x, at, joined, c_out, kind, config.upsampling, size)
        joined = c_out
    return x


def _guided(graph: Graph, features: str, config: Feature2ImageConfig) -> str:
    stride = config.stride
    seen = graph.input("pixels", "batch", 3, "height", "width")
    guess = graph.input("guess", "batch", 3, "height", "width")
    hole = graph.input("hole", "batch", 1, "height", "width", kind=BOOL)
    pixels = blocks.from_unit(graph, seen)
    mean_of = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
    beside = (
        blocks.cells_of(graph, pixels, 3, stride),
        graph.op("AveragePool", blocks.from_unit(graph, guess), **mean_of),
        graph.op("AveragePool", graph.op("Cast", hole, to=FLOAT), **mean_of),
    )
    x = graph.op("Concat", features, *beside, axis=1)
    x, joined = _joined(graph, x, config.in_channels + 3 * stride**2 + 4, config)
    return graph.op("Add", blocks.raw_of(graph, pixels), _correction(graph, x, joined, pixels))


def _correction(graph: Graph, x: str, c_in: int, pixels: str) -> str:
    """From features of stride 4 to a correction of every pixel: two sub-pixel convolutions."""
    half = _HALF_CHANNELS
    x = graph.op("Relu", x)
    x = blocks.conv(graph, x, "tail.to_half", c_in, 4 * half, 3, margin=1)
    x = graph.op("Relu", blocks.pixels_of(graph, x, 2))
    x = graph.op("Concat", x, blocks.cells_of(graph, pixels, 3, 2), axis=1)
    # What these two answer is seen as it is: they count in floats.
    x = blocks.conv(graph, x, "tail.at_half", half + 12, half, 3, margin=1, fine=True)
    x = graph.op("Relu", x)
    x = blocks.conv(graph, x, "tail.to_full", half, 12, 3, margin=1, fine=True)
    return blocks.pixels_of(graph, x, 2)


def _resnet(graph: Graph, features: str, config: Feature2ImageConfig) -> str:
    ups, cells = config.stride.bit_length() - 1, config.side // config.stride
    widths = [min(config.width << i, config.max_width) for i in range(ups + 1)]
    trunk, kind = widths[-1], config.norm
    x = _mirrored(graph, features, "stem.0", config.in_channels, trunk)
    x = graph.op("Relu", blocks.norm(graph, x, "stem.1", kind, trunk, cells))
    for i in range(_RESIDUAL_BLOCKS):
        at = f"blocks.{i}.layers"
        y = _mirrored(graph, x, f"{at}.0", trunk, trunk)
        y = graph.op("Relu", blocks.norm(graph, y, f"{at}.1", kind, trunk, cells))
        y = _mirrored(graph, y, f"{at}.3", trunk, trunk)
        x = graph.op("Add", x, blocks.norm(graph, y, f"{at}.4", kind, trunk, cells))
    resizing = config.upsampling == "resize"
    for step, i in enumerate(reversed(range(ups))):
        grow = blocks.doubled_conv if resizing else blocks.deconv
        place = 4 * step + 1 if resizing else 3 * step
        x = grow(graph, x, f"up.{place}", widths[i + 1], widths[i])
        x = blocks.norm(graph, x, f"up.{place + 1}", kind, widths[i], config.side >> i)
        x = graph.op("Relu", x)
    return blocks.conv(graph, x, "last", widths[0], 3, 7, margin=3, padding="reflect", fine=True)


def _mirrored(graph: Graph, x: str, at: str, c_in: int, c_out: int) -> str:
    return blocks.conv(graph, x, at, c_in, c_out, 3, margin=1, padding="reflect")
