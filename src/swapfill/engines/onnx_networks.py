"""The graphs of a whole bundle."""

from collections.abc import Mapping
from pathlib import Path

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

    def weights(part: str) -> Path | None:
        return None if bundle is None else bundle.weights(part)

    def counts(part: str) -> Numbers:
        return FLOATS if numbers is None else numbers.get(part, FLOATS)

    graphs = {
        "encoder": encoder(config.encoder, weights("encoder"), counts("encoder")),
        "image2feature": image2feature(config.image2feature, weights("image2feature")),
    }
    for side, translator in config.feature2image.items():
        part = part_of(side)
        graphs[part] = feature2image(translator, weights(part), counts(part))
    return graphs
