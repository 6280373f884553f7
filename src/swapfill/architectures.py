"""Which network a config asks for: the project's own, or one that section 4.3 compares it with."""

from swapfill.config import Feature2ImageConfig, Image2FeatureConfig
from swapfill.context_encoder import ContextEncoder
from swapfill.feature2image import Feature2Image
from swapfill.networks import Image2Feature
from swapfill.resnet import ResNet

Guesser = Image2Feature | ContextEncoder
Translator = Feature2Image | ResNet


def build_image2feature(config: Image2FeatureConfig) -> Guesser:
    """Build the network that guesses, with random weights."""
    return ContextEncoder(config) if config.kind == "context_encoder" else Image2Feature(config)


def build_feature2image(config: Feature2ImageConfig) -> Translator:
    """Build the network that translates, with random weights."""
    return ResNet(config) if config.kind == "resnet" else Feature2Image(config)
