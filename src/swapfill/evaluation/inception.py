"""Inception v3 as FID means it: the network of 2015 that Heusel et al. (2017) took.

It differs from torchvision's: averages leave the padding out, the last block pools by maximum, and
a picture is resized as TensorFlow 1 did. torch-fidelity has it too, but asks for torchvision.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
_SIDE = 299


class _Unit(nn.Module):
    """A convolution without bias, batch normalisation, ReLU."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        pad: bool = True,
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if pad else (0, 0)
        self.conv = nn.Conv2d(c_in, c_out, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


def _reduction(c_in: int, c_out: int) -> _Unit:
    return _Unit(c_in, c_out, 3, stride=2, pad=False)


def _average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _Block(nn.Module):
    """Units under the names of the weights file; a subclass says how they are joined."""

    def __init__(self, **units: _Unit) -> None:
        super().__init__()
        for name, unit in units.items():
            self.add_module(name, unit)

    def chain(self, x: Tensor, *names: str) -> Tensor:
        for name in names:
            x = self.get_submodule(name)(x)
        return x


class _A(_Block):
    def __init__(self, c: int, pooled: int) -> None:
        super().__init__(
            branch1x1=_Unit(c, 64, 1),
            branch5x5_1=_Unit(c, 48, 1),
            branch5x5_2=_Unit(48, 64, 5),
            branch3x3dbl_1=_Unit(c, 64, 1),
            branch3x3dbl_2=_Unit(64, 96, 3),
            branch3x3dbl_3=_Unit(96, 96, 3),
            branch_pool=_Unit(c, pooled, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [
                self.chain(x, "branch1x1"),
                self.chain(x, "branch5x5_1", "branch5x5_2"),
                self.chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
                self.chain(_average(x), "branch_pool"),
            ],
            dim=1,
        )


class _B(_Block):
    def __init__(self, c: int) -> None:
        super().__init__(
            branch3x3=_reduction(c, 384),
            branch3x3dbl_1=_Unit(c, 64, 1),
            branch3x3dbl_2=_Unit(64, 96, 3),
            branch3x3dbl_3=_reduction(96, 96),
        )

    def forward(self, x: Tensor) -> Tensor:
        double = self.chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
        return torch.cat([self.chain(x, "branch3x3"), double, F.max_pool2d(x, 3, 2)], dim=1)


class _C(_Block):
    def __init__(self, c7: int) -> None:
        across, down, c = (1, 7), (7, 1), 768
        super().__init__(
            branch1x1=_Unit(c, 192, 1),
            branch7x7_1=_Unit(c, c7, 1),
            branch7x7_2=_Unit(c7, c7, across),
            branch7x7_3=_Unit(c7, 192, down),
            branch7x7dbl_1=_Unit(c, c7, 1),
            branch7x7dbl_2=_Unit(c7, c7, down),
            branch7x7dbl_3=_Unit(c7, c7, across),
            branch7x7dbl_4=_Unit(c7, c7, down),
            branch7x7dbl_5=_Unit(c7, 192, across),
            branch_pool=_Unit(c, 192, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [
                self.chain(x, "branch1x1"),
                self.chain(x, *(f"branch7x7_{i}" for i in range(1, 4))),
                self.chain(x, *(f"branch7x7dbl_{i}" for i in range(1, 6))),
                self.chain(_average(x), "branch_pool"),
            ],
            dim=1,
        )


class _D(_Block):
    def __init__(self) -> None:
        super().__init__(
            branch3x3_1=_Unit(768, 192, 1),
            branch3x3_2=_reduction(192, 320),
            branch7x7x3_1=_Unit(768, 192, 1),
            branch7x7x3_2=_Unit(192, 192, (1, 7)),
            branch7x7x3_3=_Unit(192, 192, (7, 1)),
            branch7x7x3_4=_reduction(192, 192),
        )

    def forward(self, x: Tensor) -> Tensor:
        single = self.chain(x, "branch3x3_1", "branch3x3_2")
        long = self.chain(x, *(f"branch7x7x3_{i}" for i in range(1, 5)))
        return torch.cat([single, long, F.max_pool2d(x, 3, 2)], dim=1)


class _E(_Block):
    def __init__(self, c: int, *, by_maximum: bool) -> None:
        super().__init__(
            branch1x1=_Unit(c, 320, 1),
            branch3x3_1=_Unit(c, 384, 1),
            branch3x3_2a=_Unit(384, 384, (1, 3)),
            branch3x3_2b=_Unit(384, 384, (3, 1)),
            branch3x3dbl_1=_Unit(c, 448, 1),
            branch3x3dbl_2=_Unit(448, 384, 3),
            branch3x3dbl_3a=_Unit(384, 384, (1, 3)),
            branch3x3dbl_3b=_Unit(384, 384, (3, 1)),
            branch_pool=_Unit(c, 192, 1),
        )
        self._by_maximum = by_maximum

    def forward(self, x: Tensor) -> Tensor:
        single = self.chain(x, "branch3x3_1")
        double = self.chain(x, "branch3x3dbl_1", "branch3x3dbl_2")
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self._by_maximum else _average(x)
        return torch.cat(
            [
                self.chain(x, "branch1x1"),
                self.chain(single, "branch3x3_2a"),
                self.chain(single, "branch3x3_2b"),
                self.chain(double, "branch3x3dbl_3a"),
                self.chain(double, "branch3x3dbl_3b"),
                self.chain(pooled, "branch_pool"),
            ],
            dim=1,
        )


class Inception(nn.Module):
    """From pictures to the 2048 features of the last pool, under the names of the weights file."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _reduction(3, 32)
        self.Conv2d_2a_3x3 = _Unit(32, 32, 3, pad=False)
        self.Conv2d_2b_3x3 = _Unit(32, 64, 3)
        self.Conv2d_3b_1x1 = _Unit(64, 80, 1)
        self.Conv2d_4a_3x3 = _Unit(80, 192, 3, pad=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _A(192, 32), _A(256, 64), _A(288, 64)
        self.Mixed_6a = _B(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = map(_C, (128, 160, 160, 192))
        self.Mixed_7a = _D()
        self.Mixed_7b = _E(1280, by_maximum=False)
        self.Mixed_7c = _E(2048, by_maximum=True)

    def forward(self, pictures: Tensor) -> Tensor:
        """Give features [B, 2048] of pictures [B, 3, H, W], 0 to 255, of any number type."""
        x = (resize_as_tensorflow_1(pictures.float(), _SIDE) - 128) / 128
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = F.max_pool2d(x, 3, 2)
        for name, block in self.named_children():
            x = block(x) if name.startswith("Mixed") else x
        return x.mean(dim=(2, 3))


def resize_as_tensorflow_1(pictures: Tensor, side: int) -> Tensor:
    """Resize [B, C, H, W] to side x side, bilinearly from the top left pixel on.

    TensorFlow 1 took pixel i of the result from i * H / side, not from the middle of the pixel.
    """
    for axis in (3, 2):
        size = pictures.shape[axis]
        places = torch.arange(side, device=pictures.device) * (size / side)
        lower = places.long()
        share = (places - lower).view(-1, *[1] * (3 - axis))
        low = pictures.index_select(axis, lower)
        high = pictures.index_select(axis, (lower + 1).clamp(max=size - 1))
        pictures = low + (high - low) * share
    return pictures
