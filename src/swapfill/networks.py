"""What is learned: the two translators and their discriminators (section 3.3).

Each is one class with a config. A block is, as in pix2pix, activation, convolution, normalisation.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from swapfill.config import (
    FEATURE_CHANNELS,
    DiscriminatorConfig,
    Image2FeatureConfig,
    Norm,
    Upsampling,
)
from swapfill.context import Context
from swapfill.quiet import QuietConv2d

_GROUPS = 8
# A component of a unit vector of 256 is about this: He's deviation starts the head at length 1.
_HEAD_SCALE = FEATURE_CHANNELS**-0.5


class Guess(NamedTuple):
    """What Image2Feature infers.

    `image` is [B, 3, H, W] in [0, 1] (the literal network: the half-size centre alone);
    `features` is [B, 256, H/4, W/4] or None without that head: for each cell the expected *unit*
    feature vector, whose length says how sure it is (see `losses.expected_direction`).
    """

    image: Tensor
    features: Tensor | None


def norm_of(kind: Norm, channels: int, size: int) -> nn.Module:
    """Build the normalisation of a map of `size` cells a side."""
    # A single value normalised over its own map is 0: none where the map is 1x1.
    if kind == "none" or size == 1:
        return nn.Identity()
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(math.gcd(_GROUPS, channels), channels)


class Down(nn.Sequential):
    """Leaky ReLU (but for the first), 4x4 convolution of stride 2, normalisation."""

    def __init__(self, c_in: int, c_out: int, norm: Norm, size: int, *, first: bool) -> None:
        super().__init__(
            nn.Identity() if first else nn.LeakyReLU(0.2),
            nn.Conv2d(c_in, c_out, 4, stride=2, padding=1),
            nn.Identity() if first else norm_of(norm, c_out, size),
        )


class Up(nn.Sequential):
    """ReLU, then twice the size by deconvolution or resize-convolution, normalisation."""

    def __init__(
        self, c_in: int, c_out: int, norm: Norm, upsampling: Upsampling, size: int
    ) -> None:
        grow: list[nn.Module] = (
            [nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1)]
            if upsampling == "deconvolution"
            else [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(c_in, c_out, 3, padding=1)]
        )
        super().__init__(nn.ReLU(), *grow, norm_of(norm, c_out, size))


def to_unit(x: Tensor) -> Tensor:
    """Squash raw values into [0, 1]: the paper's tanh, at this project's range."""
    return torch.tanh(x) * 0.5 + 0.5


class Image2Feature(nn.Module):
    """G_1: infer the coarse content of a hole (section 3.3.1).

    At `side` 256 and literal: eight stride-2 convolutions 256 -> 1, seven deconvolutions 1 -> 128,
    which make the half-size centre alone; a skip joins maps of equal size (2 to 64). Mask-aware
    (this project's default; differs from the paper): the hole is a fourth channel and one more
    deconvolution makes the whole picture, so that skips are aligned and any hole is native. With
    `membrane` the network sees the hole filled smoothly from its rim, and answers the difference:
    it starts where diffusion ends, instead of at grey. With `context` cells of a sixteenth of the
    side see all others by attention on the way up (differs from the paper, too).
    """

    def __init__(self, config: Image2FeatureConfig) -> None:
        super().__init__()
        self.config = config
        depth = config.side.bit_length() - 1  # 8 at 256
        widths = [min(config.width << i, config.max_width) for i in range(depth)]
        c_in = [4 if config.mask_aware else 3, *widths]
        sizes = [config.side >> (i + 1) for i in range(depth)]
        self.encoder = nn.ModuleList(
            Down(c_in[i], widths[i], config.norm, sizes[i], first=i == 0) for i in range(depth)
        )
        blocks = depth if config.mask_aware else depth - 1
        self.decoder = nn.ModuleList()
        joined = widths[-1]  # channels that the next block takes
        for i in range(blocks):
            last, level = i == blocks - 1, depth - 2 - i
            c_out = 3 if last else widths[level]
            size = 2 << i
            norm: Norm = "none" if last else config.norm
            self.decoder.append(Up(joined, c_out, norm, config.upsampling, size))
            joined = c_out if last else c_out + widths[level]
        self.head = _feature_head(widths[1] * 2) if config.feature_head else None
        self.context = None
        if config.context:
            self.context = Context(2 * widths[3], widths[3], config.context)

    def forward(self, incomplete: Tensor, hole: Tensor) -> Guess:
        """Guess the hole.

        Args:
            incomplete: I_0, [B, 3, H, W] in [0, 1]; what lies in the hole does not matter.
            hole: [B, 1, H, W], bool.
        """
        x = torch.where(hole, 0.0, incomplete * 2 - 1)
        start = None
        if self.config.membrane:
            x = smooth_fill(incomplete, hole) * 2 - 1
            start = torch.atanh(x.float().clamp(-0.995, 0.995))
        if self.config.mask_aware:
            x = torch.cat([x, hole.to(x)], dim=1)
        skips: list[Tensor] = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
        features = None
        for i, block in enumerate(self.decoder):
            x = block(x)
            if i < len(self.decoder) - 1:
                x = torch.cat([x, skips[len(skips) - 2 - i]], dim=1)
            if self.head is not None and i == len(self.decoder) - 3:  # a quarter of the side
                features = self.head(x) * _HEAD_SCALE
            if self.context is not None and i == len(self.decoder) - 5:  # a sixteenth
                x = self.context(x)
        return Guess(to_unit(x if start is None else x + start), features)


def place_centre(image: Tensor, around: Tensor) -> Tensor:
    """Put the literal network's half-size centre into the picture; a whole picture stays as is."""
    if image.shape == around.shape:
        return image
    margin = [
        (whole - part) // 2 for whole, part in zip(around.shape[2:], image.shape[2:], strict=True)
    ]
    pads = (margin[1], margin[1], margin[0], margin[0])
    inside = F.pad(torch.ones_like(image[:, :1]), pads) > 0
    return torch.where(inside, F.pad(image, pads), around)


def smooth_fill(image: Tensor, hole: Tensor) -> Tensor:
    """Continue the known pixels smoothly into the hole: a pyramid of their averages.

    Args:
        image: [B, C, S, S], S a power of two; what lies in the hole does not matter.
        hole: [B, 1, S, S], bool.

    Returns:
        [B, C, S, S]: `image` where it is known; 0 everywhere if nothing is.
    """
    share = (~hole).to(image.dtype)
    total = torch.where(hole, 0.0, image)
    totals, shares = [total], [share]
    while total.shape[2] > 1:
        total, share = F.avg_pool2d(total, 2), F.avg_pool2d(share, 2)
        totals.append(total)
        shares.append(share)
    coarse = totals[-1] / shares[-1].clamp(min=1e-8)
    for total, share in zip(totals[-2::-1], shares[-2::-1], strict=True):
        grown = F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        coarse = torch.where(share > 0, total / share.clamp(min=1e-8), grown)
    return coarse


def _feature_head(c_in: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(c_in, FEATURE_CHANNELS, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(FEATURE_CHANNELS, FEATURE_CHANNELS, 1),
    )


def judge_block(c_in: int, c_out: int, stride: int, norm: str) -> list[nn.Module]:
    """Build a block of a discriminator: 4x4 convolution, normalisation, leaky ReLU."""
    conv = nn.Conv2d(c_in, c_out, 4, stride=stride, padding=1)
    if norm == "spectral":
        return [spectral_norm(conv), nn.LeakyReLU(0.2)]
    if norm == "batch":
        return [conv, nn.BatchNorm2d(c_out), nn.LeakyReLU(0.2)]
    return [conv, nn.LeakyReLU(0.2)]


class ImagePairDiscriminator(nn.Module):
    """D_1: does a picture go with its incomplete version? 30x30 logits at 256 (eq. 4).

    Five blocks, C64-C128-C256 of stride 2, C512 and 1 of stride 1; a logit sees 70x70 pixels.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        w, norm = config.width, config.norm
        self.layers = nn.Sequential(
            nn.Conv2d(6, w, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            *judge_block(w, 2 * w, 2, norm),
            *judge_block(2 * w, 4 * w, 2, norm),
            *judge_block(4 * w, 8 * w, 1, norm),
            nn.Conv2d(8 * w, 1, 4, padding=1),
        )

    def forward(self, incomplete: Tensor, image: Tensor) -> Tensor:
        """Give logits, positive for real: two [B, 3, H, W] in [0, 1] to [B, 1, H/8-2, W/8-2]."""
        pair = torch.cat([incomplete, image], dim=1) * 2 - 1
        return self.layers(pair)  # type: ignore[no-any-return]


class FeatureImageDiscriminator(nn.Module):
    """D_2: does a picture go with a feature map? 30x30 logits at 256 (section 3.3.3).

    Two convolutions of stride 2 bring the picture to the map's size; joined to the map, three more.
    """

    def __init__(self, config: DiscriminatorConfig, in_channels: int = FEATURE_CHANNELS) -> None:
        super().__init__()
        w, norm = config.width, config.norm
        self.image = nn.Sequential(
            nn.Conv2d(3, w, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            *judge_block(w, 2 * w, 2, norm),
        )
        self.joint = nn.Sequential(
            *judge_block(2 * w + in_channels, 4 * w, 2, norm),
            *judge_block(4 * w, 8 * w, 1, norm),
            nn.Conv2d(8 * w, 1, 4, padding=1),
        )

    def forward(self, features: Tensor, image: Tensor) -> Tensor:
        """Give logits: features [B, C, H/4, W/4], image [B, 3, H, W] to [B, 1, H/8-2, W/8-2]."""
        seen = self.image(image * 2 - 1)
        if seen.shape[2:] != features.shape[2:]:  # relu2_1 and relu4_1 have other strides
            features = F.interpolate(features, size=seen.shape[2:], mode="nearest")
        return self.joint(torch.cat([seen, features.to(seen.dtype)], dim=1))  # type: ignore[no-any-return]


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights: He's deviation for what a (leaky) ReLU feeds, zero biases.

    Differs from the paper's ancestors (N(0, 0.02)): without normalisation that starves deep layers.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            weight = module.weight
            fan_in = weight[0].numel() if isinstance(module, nn.Conv2d) else weight.shape[0] * 4
            with torch.no_grad():
                if is_parametrized(module):
                    _start_spectral(module, generator)
                else:
                    scale = module.start if isinstance(module, QuietConv2d) else 1.0
                    weight.normal_(0.0, scale * (2.0 / fan_in) ** 0.5, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()


def _start_spectral(module: nn.Module, generator: torch.Generator) -> None:
    """Draw what lies behind a spectral norm: `module.weight` is only computed from it.

    The deviation does not matter, the norm takes it out; the singular vectors, which the
    constructor drew from the global generator, do.
    """
    behind = module.get_submodule("parametrizations.weight")
    for tensor in (*behind.parameters(), *behind.buffers()):
        tensor.normal_(generator=generator)
    for _ in range(15):  # as torch does: each look is one power iteration
        _ = module.weight
