"""Context Encoder (Pathak et al., 2016) in place of Image2Feature (section 4.3).

The layers are those of its authors' code. What differs: the hole is filled with the mean colour of
ImageNet in RGB order, the weights start as this project's others do (`networks.initialise`), and
any hole can be asked for, see `ContextEncoder`.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swapfill.config import DiscriminatorConfig, Image2FeatureConfig
from swapfill.networks import Guess, judge_block, norm_of, place_centre, smooth_fill, to_unit

_MEAN_COLOUR = (0.485, 0.456, 0.406)
_SMALLEST = 4  # cells a side of the last map before the bottleneck


class ContextEncoder(nn.Module):
    """From an incomplete picture to its half-size centre, through a bottleneck, without skips.

    At `side` 128: convolutions of 4x4 and stride 2, 64-64-128-256-512, down to 4x4 cells; one valid
    convolution to 4000 numbers, and the same way up, 512-256-128-64-3, to 64 x 64 pixels. It takes
    `width`, `max_width`, `norm` and `bottleneck` of the config.

    As published it knows centre holes alone, and it is trained on these. A hole elsewhere is
    answered too: what of it lies in the centre half is the network's, the rest is continued
    smoothly from the known pixels.
    """

    mean: Tensor

    def __init__(self, config: Image2FeatureConfig) -> None:
        super().__init__()
        self.config = config
        levels = (config.side // _SMALLEST).bit_length() - 1  # 5 at 128
        narrowing = [max(config.width, 8 * config.width >> i) for i in range(levels)]
        widths = [min(w, config.max_width) for w in reversed(narrowing)]
        bottom, norm = config.bottleneck, config.norm
        down: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, stride=2, padding=1)]
        for level, (c_in, c_out) in enumerate(pairwise(widths), 2):
            down += [
                nn.LeakyReLU(0.2),
                nn.Conv2d(c_in, c_out, 4, stride=2, padding=1),
                norm_of(norm, c_out, config.side >> level),
            ]
        # Many channels over a batch: no single value is normalised, whatever the map's size.
        squeezed = norm_of(norm, bottom, _SMALLEST)
        self.encoder = nn.Sequential(
            *down, nn.LeakyReLU(0.2), nn.Conv2d(widths[-1], bottom, _SMALLEST), squeezed
        )
        up: list[nn.Module] = [nn.LeakyReLU(0.2), nn.ConvTranspose2d(bottom, widths[-1], _SMALLEST)]
        channels = [*reversed(widths[1:]), 3]
        for level, (c_in, c_out) in enumerate(pairwise(channels)):
            up += [
                norm_of(norm, c_in, _SMALLEST << level),
                nn.ReLU(),
                nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1),
            ]
        self.decoder = nn.Sequential(*up)
        colour = torch.tensor(_MEAN_COLOUR).view(1, 3, 1, 1)
        self.register_buffer("mean", colour, persistent=False)

    def forward(self, incomplete: Tensor, hole: Tensor) -> Guess:
        """Guess the hole.

        Args:
            incomplete: I_0, [B, 3, S, S] in [0, 1], S the config's side; what lies in the hole does
                not matter.
            hole: [B, 1, S, S], bool.

        Returns:
            The whole picture: the network's centre half, around it the known pixels and, in the
            hole, their smooth continuation.
        """
        x = torch.where(hole, self.mean.to(incomplete), incomplete)
        centre = to_unit(self.decoder(self.encoder(x * 2 - 1)))
        around = smooth_fill(incomplete, hole)
        return Guess(place_centre(centre.to(around), around), None)


class CentreDiscriminator(nn.Module):
    """Context Encoder's adversary: is the half-size centre real? One logit a picture.

    It sees the centre alone: its authors found that one which sees the surroundings too looks at
    nothing but the seam. At `side` 128: 64-128-256-512 of stride 2, then one valid convolution.
    """

    def __init__(self, config: DiscriminatorConfig, side: int) -> None:
        super().__init__()
        blocks = (side // 2 // _SMALLEST).bit_length() - 1  # 4 at 128
        widths = [config.width << i for i in range(blocks)]
        layers: list[nn.Module] = [
            nn.Conv2d(3, widths[0], 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        ]
        for c_in, c_out in pairwise(widths):
            layers += judge_block(c_in, c_out, 2, config.norm)
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, _SMALLEST))

    def forward(self, incomplete: Tensor, image: Tensor) -> Tensor:
        """Give logits, [B, 1, 1, 1], positive for real, of two [B, 3, S, S] in [0, 1].

        `incomplete` has no part in it; it is here as it is in `ImagePairDiscriminator`.
        """
        margin = image.shape[2] // 4
        centre = F.pad(image, (-margin,) * 4)
        return self.layers(centre * 2 - 1)  # type: ignore[no-any-return]
