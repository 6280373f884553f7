"""The graphs of a whole bundle."""

from collections.abc import Mapping

from swapfill.bundle import SHARED, Bundle, BundleConfig
from swapfill.engines.onnx_encoders import encoder
from swapfill.engines.onnx_graph import Graph
from swapfill.engines.onnx_guessers import image2feature
from swapfill.engines.onnx_numbers import FLOATS, Numbers
from swapfill.engines.onnx_translators import feature2image


def part_of(side: str) -> str:
    """Name the part of a bundle that translates at a key of its `feature2image`."""
    return "feature2image" if side == SHARED else f"feature2image-{side}"


def graphs_of(
    config: BundleConfig,
    bundle: Bundle | None = None,
    numbers: Mapping[str, Numbers] | None = None,
) -> dict[str, Graph]:
    """Build the graph of every network of a config, by part; over a bundle's weights, if given.

    `numbers` tells in what a part counts that need not count in floats; a guess always does.

    Raises:
        BundleError: a weights file is missing or damaged, or does not fit its network.
    """
    parts = ("encoder", "image2feature", *(part_of(side) for side in config.feature2image))
    return {part: graph_of(part, config, bundle, numbers) for part in parts}


def graph_of(
    part: str,
    config: BundleConfig,
    bundle: Bundle | None = None,
    numbers: Mapping[str, Numbers] | None = None,
) -> Graph:
    """Build the graph of one network, as `graphs_of` does."""
    weights = None if bundle is None else bundle.weights(part)
    counts = FLOATS if numbers is None else numbers.get(part, FLOATS)
    if part == "encoder":
        return encoder(config.encoder, weights, counts)
    if part == "image2feature":
        return image2feature(config.image2feature, weights)
    translators = {part_of(side): one for side, one in config.feature2image.items()}
    return feature2image(translators[part], weights, counts)
