"""G_2, the second translator: from a swapped feature map to a picture (section 3.3.3)."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swapfill.config import Feature2ImageConfig, Norm
from swapfill.networks import Down, Up, to_unit
from swapfill.quiet import QuietConv2d

_HALF_CHANNELS = 48  # of the sub-pixel tail at half the picture's resolution


class Guide(NamedTuple):
    """What a guided Feature2Image sees beside swapped features; all at the picture's own size.

    `pixels` [B, 3, H, W] in [0, 1]: the known ones and, in the hole, those of the swapped pieces;
    `guess` [B, 3, H, W] in [0, 1]: the coarse content; `hole` [B, 1, H, W], bool.
    """

    pixels: Tensor
    guess: Tensor
    hole: Tensor


class Feature2Image(nn.Module):
    """G_2: translate a swapped feature map into a sharp picture (section 3.3.3).

    At `side` 256: one convolution of stride 1 and six of stride 2, 64 -> 1; eight up-blocks 1 ->
    256, the first six joined to the encoder maps of 2 to 64. Fully convolutional: any multiple of
    `side` fits.

    Guided (this project's default; differs from the paper): relu3_1 has lost the finest detail, but
    the pixels of a swapped piece are known. They are pasted like its features, and the network
    answers what to correct in them, from the features, the guess and the hole: two sub-pixel
    convolutions take the place of the last two up-blocks.
    """

    def __init__(self, config: Feature2ImageConfig) -> None:
        super().__init__()
        self.config = config
        top = config.side // config.stride  # cells a side
        downs = top.bit_length() - 1
        widths = [min(config.width << i, config.max_width) for i in range(downs + 1)]
        # Guided: a cell's 4x4 pixels, the guess's mean in it, the share that is missing.
        beside = 3 * config.stride**2 + 3 + 1 if config.guided else 0
        self.stem = nn.Conv2d(config.in_channels + beside, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(
            Down(widths[i], widths[i + 1], config.norm, top >> (i + 1), first=False)
            for i in range(downs)
        )
        self.decoder = nn.ModuleList()
        joined = widths[-1]
        for level in reversed(range(downs)):
            c_out, size = widths[level], top >> level
            self.decoder.append(Up(joined, c_out, config.norm, config.upsampling, size))
            joined = 2 * c_out
        if config.guided:
            self.tail = _Correction(joined)
            return
        c_out = widths[0]
        for i in range(config.stride.bit_length() - 1):  # beyond the map's size: no skip
            last = (top << (i + 1)) == config.side
            c_out = 3 if last else max(c_out // 2, 16)
            norm: Norm = "none" if last else config.norm
            self.decoder.append(Up(joined, c_out, norm, config.upsampling, top << (i + 1)))
            joined = c_out

    def forward(self, swapped: Tensor, guide: Guide | None = None) -> Tensor:
        """Translate F' [B, C, h, w] into I [B, 3, 4h, 4w] in [0, 1].

        Args:
            swapped: the features.
            guide: for a guided network; others leave it aside.

        Raises:
            ValueError: the map is not a whole multiple of the config's side, or there is no guide.
        """
        cells = self.config.side // self.config.stride
        if swapped.shape[2] % cells or swapped.shape[3] % cells:
            raise ValueError(f"map is {tuple(swapped.shape[2:])}, want multiples of {cells}")
        if not self.config.guided:
            return to_unit(self._decode(swapped))
        if guide is None:
            raise ValueError("guide is None, want one for a guided network")
        stride, pixels = self.config.stride, guide.pixels * 2 - 1
        beside = (
            F.pixel_unshuffle(pixels, stride),
            F.avg_pool2d(guide.guess * 2 - 1, stride),
            F.avg_pool2d(guide.hole.to(pixels), stride),
        )
        x = self._decode(torch.cat([swapped, *(part.to(swapped) for part in beside)], dim=1))
        start = torch.atanh(pixels.float().clamp(-0.995, 0.995))
        return to_unit(start + self.tail(x, pixels))

    def _decode(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        skips = [x]
        for block in self.encoder:
            x = block(x)
            skips.append(x)
        for i, block in enumerate(self.decoder):
            x = block(x)
            if i < len(self.encoder):
                x = torch.cat([x, skips[len(skips) - 2 - i]], dim=1)
        return x


class _Correction(nn.Module):
    """From features of stride 4 to a correction of every pixel: two sub-pixel convolutions."""

    def __init__(self, c_in: int) -> None:
        super().__init__()
        half = _HALF_CHANNELS
        self.to_half = nn.Conv2d(c_in, 4 * half, 3, padding=1)
        self.at_half = nn.Conv2d(half + 12, half, 3, padding=1)
        self.to_full = QuietConv2d(half, 12, 3, padding=1)

    def forward(self, x: Tensor, pixels: Tensor) -> Tensor:
        x = F.relu(F.pixel_shuffle(self.to_half(F.relu(x)), 2))
        x = torch.cat([x, F.pixel_unshuffle(pixels, 2).to(x)], dim=1)
        x = F.relu(self.at_half(x))
        return F.pixel_shuffle(self.to_full(x), 2).float()
