"""What a guess sees of the whole picture: attention among cells, added to the U-Net of G_1."""

import torch.nn.functional as F
from torch import Tensor, nn

from swapfill.quiet import QuietConv2d, SilentConv2d

_HEAD = 64  # channels of an attention head


class Context(nn.Module):
    """Let each cell of a map ask all others, and add what they answer (differs from the paper).

    A U-Net carries what is far off through a bottleneck of a few cells. Here a cell of the hole
    sees every cell of the picture by attention, and its neighbours by a convolution, in `blocks`
    turns. What comes of it is added to the map; it starts at nothing, so that a trained network
    can be given a context and goes on from where it was.
    """

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.before = nn.Conv2d(channels, width, 1)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.after = SilentConv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Add to a map, [B, C, h, w]."""
        seen = self.before(x)
        for block in self.blocks:
            seen = block(seen)
        return x + self.after(seen)  # type: ignore[no-any-return]


class _Block(nn.Module):
    """Attention, then a 3x3 convolution and a 1x1; normalised before, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(width // _HEAD, 1)
        self.norm_all, self.norm_near = ChannelNorm(width), ChannelNorm(width)
        self.asked = nn.Conv2d(width, 3 * width, 1)
        self.answer = QuietConv2d(width, width, 1)
        self.near = nn.Conv2d(width, width, 3, padding=1)
        self.mixed = QuietConv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.answer(self._attend(self.asked(self.norm_all(x))))
        return x + self.mixed(F.relu(self.near(self.norm_near(x))))  # type: ignore[no-any-return]

    def _attend(self, asked: Tensor) -> Tensor:
        height, width = asked.shape[2:]
        query, key, value = (
            part.unflatten(1, (self.heads, -1)).flatten(3).transpose(2, 3)  # [B, heads, cells, C]
            for part in asked.chunk(3, dim=1)
        )
        found = F.scaled_dot_product_attention(query, key, value)
        return found.transpose(2, 3).flatten(1, 2).unflatten(2, (height, width))  # type: ignore[no-any-return]


class ChannelNorm(nn.LayerNorm):
    """Normalise each cell of a map [B, C, h, w] over its channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a map."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
