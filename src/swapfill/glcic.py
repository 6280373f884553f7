"""GLCIC (Iizuka et al., 2017; [16]): the completion network, and its global and local judges.

The layers are those of the paper's tables 1 and 2. What differs: the hole is filled with the mean
colour of ImageNet (theirs: of their pictures), a fully connected layer is written as the
convolution that it is on a 4x4 map, and the weights start as this project's others do
(`networks.initialise`).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from swapfill.config import DiscriminatorConfig, GlcicConfig
from swapfill.networks import norm_of

_MEAN_COLOUR = (0.485, 0.456, 0.406)
_DILATIONS = (2, 4, 8, 16)
_SMALLEST = 4  # cells a side of a judge's last map
_JUDGED = 16  # a judge's answer has this many times `width` numbers: 1024


class CompletionNetwork(nn.Module):
    """From an incomplete picture and its hole to the whole picture, without a bottleneck.

    At a quarter of the resolution four dilated convolutions (2, 4, 8, 16) widen what a cell sees to
    307 pixels. Fully convolutional: any side that 4 divides.
    """

    mean: Tensor

    def __init__(self, config: GlcicConfig) -> None:
        super().__init__()
        self.config = config
        w = config.width
        down = [(4, w, 5, 1, 1), (w, 2 * w, 3, 2, 1), (2 * w, 2 * w, 3, 1, 1)]
        down += [(2 * w, 4 * w, 3, 2, 1), (4 * w, 4 * w, 3, 1, 1), (4 * w, 4 * w, 3, 1, 1)]
        middle = [(4 * w, 4 * w, 3, 1, dilation) for dilation in (*_DILATIONS, 1, 1)]
        layers: list[nn.Module] = []
        for c_in, c_out, kernel, stride, dilation in down + middle:
            padding = dilation * (kernel // 2)
            conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation)
            layers += [conv, norm_of(config.norm, c_out, _SMALLEST), nn.ReLU()]
        half = max(w // 2, 1)
        for c_in, c_out in ((4 * w, 2 * w), (2 * w, w)):
            last = c_out if c_out > w else half
            layers += [
                nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1),
                norm_of(config.norm, c_out, _SMALLEST),
                nn.ReLU(),
                nn.Conv2d(c_out, last, 3, padding=1),
                norm_of(config.norm, last, _SMALLEST),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(half, 3, 3, padding=1), nn.Sigmoid())
        colour = torch.tensor(_MEAN_COLOUR).view(1, 3, 1, 1)
        self.register_buffer("mean", colour, persistent=False)

    def forward(self, incomplete: Tensor, hole: Tensor) -> Tensor:
        """Complete a picture.

        Args:
            incomplete: [B, 3, H, W] in [0, 1], sides that 4 divides; what lies in the hole does not
                matter.
            hole: [B, 1, H, W], bool.

        Returns:
            [B, 3, H, W] in [0, 1]; only what lies in the hole was ever trained.
        """
        shown = torch.where(hole, 0.0, incomplete - self.mean.to(incomplete))
        return self.layers(torch.cat([shown, hole.to(shown)], dim=1))  # type: ignore[no-any-return]


class GlobalLocalJudge(nn.Module):
    """Is a picture real? One logit, from the whole of it and from a square around its hole.

    The global judge sees `side` pixels and the local one half of them: convolutions of 5x5 and
    stride 2, 64-128-256-512-512(-512), each down to 4x4 cells and a vector of 1024; both vectors
    together make the answer.
    """

    def __init__(self, config: DiscriminatorConfig, side: int) -> None:
        super().__init__()
        self.side = side
        self.whole, self.part = _judge(config, side), _judge(config, side // 2)
        self.answer = nn.Conv2d(2 * _JUDGED * config.width, 1, 1)

    def forward(self, image: Tensor, around: Tensor) -> Tensor:
        """Give logits, positive for real.

        Args:
            image: [B, 3, S, S] in [0, 1], S the judge's side.
            around: [B, 1, S, S], bool: a picture's local square is centred on what is true in it.

        Returns:
            [B, 1, 1, 1].
        """
        near = local_squares(image, around)
        both = torch.cat([self.whole(image * 2 - 1), self.part(near * 2 - 1)], dim=1)
        return self.answer(both)  # type: ignore[no-any-return]


def local_squares(image: Tensor, around: Tensor) -> Tensor:
    """Cut a square of half the side out of each picture, centred on its hole where that fits.

    Args:
        image: [B, C, S, S].
        around: [B, 1, S, S], bool; at least one is true in each.
    """
    side = image.shape[2]
    squares = []
    for picture, hole in zip(image, around[:, 0], strict=True):
        starts = [_start(hole.any(dim=1 - axis), side) for axis in (0, 1)]
        rows, columns = (slice(start, start + side // 2) for start in starts)
        squares.append(picture[:, rows, columns])
    return torch.stack(squares)


def _start(line: Tensor, side: int) -> int:
    """Where a square of half the side starts that has the middle of what is true in its own."""
    found = line.nonzero()[:, 0]
    middle = (int(found[0]) + int(found[-1]) + 1) // 2
    return min(max(middle - side // 4, 0), side - side // 2)


def _judge(config: DiscriminatorConfig, side: int) -> nn.Sequential:
    """From a picture of `side` pixels to a vector, [B, 1024, 1, 1]."""
    levels = (side // _SMALLEST).bit_length() - 1  # 6 at 256, 5 at 128
    widths = [3, *(config.width * min(1 << level, 8) for level in range(levels))]
    layers: list[nn.Module] = []
    for c_in, c_out in pairwise(widths):
        conv: nn.Module = nn.Conv2d(c_in, c_out, 5, stride=2, padding=2)
        if config.norm == "spectral":
            conv = spectral_norm(conv)
        normed = nn.BatchNorm2d(c_out) if config.norm == "batch" else nn.Identity()
        layers += [conv, normed, nn.ReLU()]
    squeeze = nn.Conv2d(widths[-1], _JUDGED * config.width, _SMALLEST)
    return nn.Sequential(*layers, squeeze, nn.ReLU())
