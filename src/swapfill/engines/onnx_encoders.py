"""The encoders as ONNX graphs: twins of those in `encoder`, operator by operator."""

from pathlib import Path

import numpy as np

from swapfill.config import FEATURE_CHANNELS, EncoderConfig
from swapfill.engines import onnx_blocks as blocks
from swapfill.engines.onnx_convolutions import floats
from swapfill.engines.onnx_graph import Graph
from swapfill.engines.onnx_numbers import FLOATS, Numbers

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB
# torchvision's index of each convolution, its channels, and whether a pool comes before it.
_VGG = [
    (0, 3, 64, False),
    (2, 64, 64, False),
    (5, 64, 128, True),
    (7, 128, 128, False),
    (10, 128, 256, True),
    (12, 256, 256, False),
    (14, 256, 256, False),
    (16, 256, 256, False),
    (19, 256, 512, True),
]
_VGG_LAST = {"relu2_1": 5, "relu3_1": 10, "relu4_1": 19}


def encoder(config: EncoderConfig, weights: Path | None = None, numbers: Numbers = FLOATS) -> Graph:
    """`image` [B, 3, H, W] in [0, 1] to `features` [B, C, H/stride, W/stride].

    Raises:
        BundleError: the weights are damaged or do not fit.
    """
    graph = Graph("encoder", weights, numbers)
    image = graph.input("image", "batch", 3, "height", "width")
    vgg = config.kind == "vgg19"
    x, channels = _vgg19(graph, image, config.layer) if vgg else _compact(graph, image, config)
    graph.output("features", x, "batch", channels, "rows", "columns")
    return graph


def _compact(graph: Graph, image: str, config: EncoderConfig) -> tuple[str, int]:
    w, x = config.width, blocks.from_unit(graph, image)
    spec = [(3, w, 3), (w, 2 * w, 4), (2 * w, 2 * w, 3), (2 * w, 4 * w, 4), (4 * w, 4 * w, 3)]
    names = [f"layers.{i}" for i in range(len(spec))]
    for at, (c_in, c_out, k) in zip(
        [*names, "last"], [*spec, (4 * w, FEATURE_CHANNELS, 3)], strict=True
    ):
        stride = 2 if k == 4 else 1
        shape = (c_in, c_out, k)
        x = blocks.conv(graph, x, at, *shape, stride=stride, margin=1, padding="reflect", relu=True)
    return floats(graph, x), FEATURE_CHANNELS


def _vgg19(graph: Graph, image: str, layer: str) -> tuple[str, int]:
    mean, std = (graph.constant(np.reshape(part, (1, 3, 1, 1))) for part in (MEAN, STD))
    x = graph.op("Div", graph.op("Sub", image, mean), std)
    for index, c_in, c_out, pooled in _VGG:
        if pooled:
            x = graph.op("MaxPool", floats(graph, x), kernel_shape=[2, 2], strides=[2, 2])
        at = f"features.{index}"
        x = blocks.conv(graph, x, at, c_in, c_out, 3, margin=1, padding="reflect", relu=True)
        if index == _VGG_LAST[layer]:
            break
    return floats(graph, x), c_out
