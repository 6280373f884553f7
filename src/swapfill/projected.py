"""A discriminator that looks at a frozen network's features (Sauer et al., 2021)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from swapfill.config import DiscriminatorConfig

# VGG-19's layers that are looked at: channels, and how often the map is halved to a quarter's size.
LOOKED_AT = {"relu1_2": (64, 2), "relu2_2": (128, 1), "relu3_1": (256, 0)}
_SCALE = 0.5  # on photographs the root mean square of each is 2.1 to 2.3


class ProjectedDiscriminator(nn.Module):
    """Is a patch of a picture real, judged by VGG-19's features of it? Differs from the paper.

    A small discriminator of pixels has to learn what texture is while it teaches; one on features
    that know texture starts with it. There is a head for each of three layers: a 1x1 convolution,
    convolutions of stride 2 down to a quarter of the picture's side, one more, and the logit; one
    sees 30, 36 and 40 pixels.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        w = config.width
        self.heads = nn.ModuleDict(
            {name: _head(channels, w, halved) for name, (channels, halved) in LOOKED_AT.items()}
        )

    def forward(self, layers: Mapping[str, Tensor]) -> Tensor:
        """Give logits, positive for real, a channel for each layer.

        Args:
            layers: activations of a picture [B, 3, H, W], by name (`encoder.VGG19.layers`).

        Returns:
            [B, 3, H/4, W/4].
        """
        found = [head(layers[name] * _SCALE) for name, head in self.heads.items()]
        return torch.cat(found, dim=1)  # of one size: pools and strides of 2 round down alike


def _head(channels: int, width: int, halved: int) -> nn.Sequential:
    c_out = width << (2 - halved)
    layers: list[nn.Module] = [spectral_norm(nn.Conv2d(channels, c_out, 1)), nn.LeakyReLU(0.2)]
    for _ in range(halved):
        c_in, c_out = c_out, 2 * c_out
        layers += [spectral_norm(nn.Conv2d(c_in, c_out, 4, 2, 1)), nn.LeakyReLU(0.2)]
    layers += [spectral_norm(nn.Conv2d(c_out, c_out, 3, padding=1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(c_out, 1, 3, padding=1))
