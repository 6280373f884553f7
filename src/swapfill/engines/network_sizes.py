"""How many numbers the networks of a config learn, told without building them."""

import math
from collections.abc import Iterable, Mapping

from swapfill.bundle import BundleConfig
from swapfill.config import FEATURE_CHANNELS, DiscriminatorConfig
from swapfill.engines.onnx_networks import graphs_of

_NOT_LEARNED = ("running_mean", "running_var", "num_batches_tracked")


def parameters(config: BundleConfig) -> dict[str, int]:
    """Count each network's parameters by part, and those of the discriminators it learns against.

    The discriminators are those of the paper: D_1 of image pairs, D_2 of features and images.
    """
    counts = {part: _count(graph.wanted) for part, graph in graphs_of(config).items()}
    w = DiscriminatorConfig().width
    pair = [(6, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w), (8 * w, 1)]
    joint = [(3, w), (w, 2 * w), (2 * w + FEATURE_CHANNELS, 4 * w), (4 * w, 8 * w), (8 * w, 1)]
    counts["image pair discriminator"] = _judge(pair)
    counts["feature image discriminator"] = _judge(joint)
    return counts


def _count(tensors: Mapping[str, tuple[int, ...]]) -> int:
    learned = (n for n in tensors if n.rpartition(".")[2] not in _NOT_LEARNED)
    return sum(math.prod(tensors[name]) for name in learned)


def _judge(channels: Iterable[tuple[int, int]]) -> int:
    """Count 4x4 convolutions with biases; all but the first and last have batch norms."""
    first, *inner, last = channels
    convolutions = sum(16 * c_in * c_out + c_out for c_in, c_out in (first, *inner, last))
    return convolutions + sum(2 * c_out for _, c_out in inner)
