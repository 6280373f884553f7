"""A discriminator that looks at a frozen network's features (Sauer et al., 2021)."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from swapfill.config import DiscriminatorConfig
from swapfill.quiet import SilentConv2d

# VGG-19's layers that are looked at: channels, and how often the map is halved to a quarter's size.
LOOKED_AT = {"relu1_2": (64, 2), "relu2_2": (128, 1), "relu3_1": (256, 0)}
_SCALE = 0.5  # on photographs the root mean square of each is 2.1 to 2.3
_STRIDE = 4  # pixels of a logit
_NEAR = 8.0  # logits: the deviation of the Gaussian that says what is around


class ProjectedDiscriminator(nn.Module):
    """Is a patch of a picture real, judged by VGG-19's features of it? Differs from the paper.

    A small discriminator of pixels has to learn what texture is while it teaches; one on features
    that know texture starts with it. There is a head for each of three layers: a 1x1 convolution,
    convolutions of stride 2 down to a quarter of the picture's side, one more, and the logit; one
    sees 30, 36 and 40 pixels.

    A conditional one is also told what the known side around a patch is like (`surroundings`), by
    the inner product with a projection of it (Miyato and Koyama, 2018): one streak is no longer as
    good as another. That starts at nothing.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        w = config.width
        self.heads = nn.ModuleDict(
            {name: _head(channels, w, halved) for name, (channels, halved) in LOOKED_AT.items()}
        )
        self.told = nn.ModuleDict()
        if config.conditional:
            for name, (channels, _) in LOOKED_AT.items():
                self.told[name] = SilentConv2d(channels, 4 * w, 1, bias=False)

    def forward(
        self, layers: Mapping[str, Tensor], around: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Give logits, positive for real, a channel for each layer.

        Args:
            layers: activations of a picture [B, 3, H, W], by name (`encoder.VGG19.layers`).
            around: what a conditional one is told, by name, [B, C, H/4, W/4] (`surroundings`).

        Returns:
            [B, 3, H/4, W/4].

        Raises:
            ValueError: a conditional one is not told anything.
        """
        if self.told and not around:
            raise ValueError("around is empty, want the surroundings for a conditional judge")
        found = []
        for name, head in self.heads.items():
            x = head[:-1](layers[name] * _SCALE)  # type: ignore[index]
            logit = head[-1](x)  # type: ignore[index]
            if self.told and around:
                told = self.told[name](around[name] * _SCALE)
                logit = logit + (x * told).mean(dim=1, keepdim=True)
            found.append(logit)
        return torch.cat(found, dim=1)  # of one size: pools and strides of 2 round down alike


def surroundings(layers: Mapping[str, Tensor], hole: Tensor) -> dict[str, Tensor]:
    """Say what is known around each place: the means of features, a Gaussian's, of known cells.

    Args:
        layers: activations of a picture [B, 3, H, W], by name; what the hole shows does not count,
            but known cells near it see some of it.
        hole: [B, 1, H, W], bool; H and W multiples of 4.

    Returns:
        By name, [B, C, H/4, W/4]; zeros for a picture of which nothing is known.
    """
    h, w = hole.shape[2] // _STRIDE, hole.shape[3] // _STRIDE
    known = 1 - F.max_pool2d(hole.float(), _STRIDE)
    rows, columns = (_nearness(side, hole.device) for side in (h, w))
    weight = (rows @ known @ columns).clamp(min=1e-30)
    means = {}
    for name, layer in layers.items():
        cells = F.adaptive_avg_pool2d(layer.float(), (h, w))
        means[name] = rows @ (cells * known) @ columns / weight
    return means


def _nearness(side: int, device: torch.device) -> Tensor:
    """Weigh each place for each other along one axis: [side, side]."""
    places = torch.arange(side, device=device, dtype=torch.float32)
    return torch.exp(-0.5 * ((places[:, None] - places) / _NEAR).square())


def _head(channels: int, width: int, halved: int) -> nn.Sequential:
    c_out = width << (2 - halved)
    layers: list[nn.Module] = [spectral_norm(nn.Conv2d(channels, c_out, 1)), nn.LeakyReLU(0.2)]
    for _ in range(halved):
        c_in, c_out = c_out, 2 * c_out
        layers += [spectral_norm(nn.Conv2d(c_in, c_out, 4, 2, 1)), nn.LeakyReLU(0.2)]
    layers += [spectral_norm(nn.Conv2d(c_out, c_out, 3, padding=1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(c_out, 1, 3, padding=1))
