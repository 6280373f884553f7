"""The 9-block ResNet generator (Johnson et al., 2016), in place of Feature2Image's U-Net.

Section 4.3 tries it and says no more than its name. Its published form brings a picture to 256
channels at a quarter of its side, transforms these in nine blocks, and comes back: relu3_1 *is* 256
channels at a quarter of the side. So the swapped map takes the place of the way down, and the
blocks and the way up are as published.
"""

from torch import Tensor, nn

from swapfill.config import Feature2ImageConfig
from swapfill.networks import Up, norm_of, to_unit

_BLOCKS = 9


class ResNet(nn.Module):
    """G_2 as a ResNet: one convolution, nine residual blocks at the map's own size, up-blocks.

    At stride 4 and width 64: c3s1-256, R256 x 9, u128, u64, c7s1-3. It takes `width`, `max_width`,
    `norm`, `upsampling`, `in_channels` and `stride` of the config; maps of any size fit.
    """

    def __init__(self, config: Feature2ImageConfig) -> None:
        super().__init__()
        self.config = config
        ups, cells = config.stride.bit_length() - 1, config.side // config.stride
        widths = [min(config.width << i, config.max_width) for i in range(ups + 1)]
        trunk = widths[-1]
        self.stem = nn.Sequential(
            nn.Conv2d(config.in_channels, trunk, 3, padding=1, padding_mode="reflect"),
            norm_of(config.norm, trunk, cells),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(*(_Block(config, trunk, cells) for _ in range(_BLOCKS)))
        up: list[nn.Module] = []
        for i in reversed(range(ups)):
            size = config.side >> i
            _, *rest = Up(widths[i + 1], widths[i], config.norm, config.upsampling, size)
            up += [*rest, nn.ReLU()]  # here the activation comes last
        self.up = nn.Sequential(*up)
        self.last = nn.Conv2d(widths[0], 3, 7, padding=3, padding_mode="reflect")

    def forward(self, swapped: Tensor, guide: object = None) -> Tensor:
        """Translate F' [B, C, h, w], 4 cells a side or more, into I [B, 3, 4h, 4w] in [0, 1].

        `guide` has no part in it; it is here as it is in `Feature2Image`.
        """
        return to_unit(self.last(self.up(self.blocks(self.stem(swapped)))))


class _Block(nn.Module):
    """Two 3x3 convolutions whose answer is added to what they were given."""

    def __init__(self, config: Feature2ImageConfig, width: int, cells: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            norm_of(config.norm, width, cells),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            norm_of(config.norm, width, cells),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)  # type: ignore[no-any-return]
