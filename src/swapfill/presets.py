"""Presets: the two sets of networks that this project names, `paper` and `default`."""

from swapfill.bundle import SHARED, BundleConfig
from swapfill.config import (
    EncoderConfig,
    Feature2ImageConfig,
    FillSettings,
    Image2FeatureConfig,
)

_PAPER_SCALES = (128, 256, 512)

# The networks as sections 3.3 and 3.4 give them. No weights of them are packaged: VGG-19 is not
# this project's to ship.
PAPER = BundleConfig(
    name="paper",
    description="the networks of Song et al. (2018), one Feature2Image for each scale",
    encoder=EncoderConfig(kind="vgg19", layer="relu3_1"),
    image2feature=Image2FeatureConfig(side=128, mask_aware=False),
    feature2image={str(side): Feature2ImageConfig(side=side) for side in _PAPER_SCALES},
    fill=FillSettings(scales=_PAPER_SCALES, matching="literal"),
)

# The networks of the packaged bundle; small enough to come with the package.
DEFAULT = BundleConfig(
    name="default",
    description="compact networks with our own encoder, distilled from VGG-19 relu3_1",
    encoder=EncoderConfig(kind="compact", width=32),
    image2feature=Image2FeatureConfig(
        side=128, width=32, max_width=320, norm="batch", membrane=True, feature_head=True
    ),
    feature2image={
        SHARED: Feature2ImageConfig(side=128, width=96, max_width=256, norm="none", guided=True)
    },
    fill=FillSettings(tone=3.0, bonus=1.5, colour=8.0, distance=2.0, border=12.0),
)

PRESETS = {preset.name: preset for preset in (DEFAULT, PAPER)}
