"""Convolutions whose answer is added to something that is near already."""

from torch import nn


class QuietConv2d(nn.Conv2d):
    """A convolution whose answer starts near nothing."""

    start = 0.1  # of the deviation that `networks.initialise` gives others


class SilentConv2d(QuietConv2d):
    """A convolution whose answer starts at nothing."""

    start = 0.0
