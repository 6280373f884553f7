from collections.abc import Mapping

import pytest
from torch import nn

from swapfill.architectures import build_feature2image, build_image2feature
from swapfill.bundle import BundleConfig
from swapfill.config import (
    DiscriminatorConfig,
    EncoderConfig,
    Feature2ImageConfig,
    Image2FeatureConfig,
)
from swapfill.encoder import build_encoder
from swapfill.engines.network_sizes import parameters
from swapfill.networks import FeatureImageDiscriminator, ImagePairDiscriminator
from swapfill.presets import DEFAULT
from swapfill.weights import parameter_count

OTHERS = BundleConfig(
    name="others",
    encoder=EncoderConfig(kind="vgg19", layer="relu4_1"),
    image2feature=Image2FeatureConfig(
        kind="context_encoder", mask_aware=False, width=8, max_width=16, bottleneck=20
    ),
    feature2image={
        "128": Feature2ImageConfig(width=8, max_width=16, stride=8, in_channels=512),
        "256": Feature2ImageConfig(kind="resnet", width=8, stride=8, in_channels=512),
    },
)


def built(config: BundleConfig) -> Mapping[str, int]:
    """Count by building the networks."""
    networks: dict[str, nn.Module] = {
        "encoder": build_encoder(config.encoder),
        "image2feature": build_image2feature(config.image2feature),
        "image pair discriminator": ImagePairDiscriminator(DiscriminatorConfig()),
        "feature image discriminator": FeatureImageDiscriminator(DiscriminatorConfig()),
    }
    for side, translator in config.feature2image.items():
        part = "feature2image" if side == "all" else f"feature2image-{side}"
        networks[part] = build_feature2image(translator)
    return {part: parameter_count(network) for part, network in networks.items()}


@pytest.mark.parametrize("config", [DEFAULT, OTHERS], ids=lambda config: config.name)
def test_the_counts_are_those_of_the_networks(config: BundleConfig) -> None:
    import torch

    with torch.device("meta"):
        assert parameters(config) == built(config)
