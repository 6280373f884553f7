"""Time ours against the networks of LaMa and MI-GAN, built from their papers with random weights.

    python benchmarks/competitors.py photo.png mask.png

Their weights are not at hand offline, and their time does not depend on them: a network of the
published shape, with random weights, is timed on one pass alone, in the memory layout that is
faster for it, without the resizing, cutting and blending that their tools do around
it. Ours is a whole filling, from a picture to a picture. All in one process, in turn; medians.
`swapfill bench --other` times their real ONNX files where there are some.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from swapfill.inpainter import Inpainter

SIDE = 512


class SpectralTransform(nn.Module):
    """LaMa's global branch: a 1x1 convolution of the Fourier transform, between two others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.narrow = normed(nn.Conv2d(channels, half, 1, bias=False), half)
        self.spectrum = normed(nn.Conv2d(2 * half, 2 * half, 1, bias=False), 2 * half)
        self.widen = nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the size."""
        x = self.narrow(x)
        waves = torch.fft.rfft2(x, norm="ortho")
        found = self.spectrum(torch.cat([waves.real, waves.imag], dim=1))
        real, imaginary = found.chunk(2, dim=1)
        back = torch.fft.irfft2(torch.complex(real, imaginary), s=x.shape[2:], norm="ortho")
        answer: Tensor = self.widen(x + back)
        return answer


class FourierConvolution(nn.Module):
    """LaMa's fast Fourier convolution: a quarter of the channels local, the others global."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.local = channels // 4
        wide = channels - self.local
        sizes = [(self.local, self.local), (wide, self.local), (self.local, wide)]
        self.within, self.to_local, self.to_global = (
            nn.Conv2d(i, o, 3, padding=1, bias=False, padding_mode="reflect") for i, o in sizes
        )
        self.spectral = SpectralTransform(wide)
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (self.local, wide))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the size; local channels first."""
        near, far = x[:, : self.local], x[:, self.local :]
        local = self.norms[0](self.within(near) + self.to_local(far))
        wide = self.norms[1](self.to_global(near) + self.spectral(far))
        return F.relu(torch.cat([local, wide], dim=1))


class Residual(nn.Module):
    """Two Fourier convolutions and a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(FourierConvolution(channels), FourierConvolution(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the size."""
        answer: Tensor = x + self.body(x)
        return answer


def lama(blocks: int) -> nn.Module:
    """LaMa's generator (Suvorov et al., 2022): 9 blocks, LaMa-Fourier; 18, Big-LaMa.

    What leads to the global channels in the last downsampling is one convolution here, for both
    kinds of channels come from local ones.
    """
    widths = [64, 128, 256, 512]
    down = [normed(nn.Conv2d(4, 64, 7, padding=3, bias=False, padding_mode="reflect"), 64)]
    for c_in, c_out in pairwise(widths):
        conv = nn.Conv2d(c_in, c_out, 3, 2, padding=1, bias=False, padding_mode="reflect")
        down.append(normed(conv, c_out))
    up: list[nn.Module] = []
    for c_in, c_out in pairwise(reversed(widths)):
        grow = nn.ConvTranspose2d(c_in, c_out, 3, 2, padding=1, output_padding=1)
        up.append(normed(grow, c_out))
    last = nn.Conv2d(64, 3, 7, padding=3, padding_mode="reflect")
    middle = [Residual(512) for _ in range(blocks)]
    return nn.Sequential(*down, *middle, *up, last, nn.Sigmoid())


def normed(layer: nn.Module, channels: int) -> nn.Sequential:
    """Follow a layer by batch normalisation and a ReLU."""
    return nn.Sequential(layer, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class Separable(nn.Module):
    """MI-GAN's convolution: depthwise 3x3, resampled, pointwise, each followed by a leaky ReLU."""

    def __init__(self, c_in: int, c_out: int, *, down: bool = False, up: bool = False) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(c_in, c_in, 3, padding=1, groups=c_in)
        self.pointwise = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.before = nn.Conv2d(c_in, c_in, 4, 2, 1, groups=c_in, bias=False) if down else None
        self.after = upsampling(c_out) if up else None

    def forward(self, x: Tensor) -> Tensor:
        """Halve, keep or double the size."""
        x = leaky(self.depthwise(x))
        x = self.pointwise(x if self.before is None else self.before(x))
        return leaky(x if self.after is None else self.after(x))


def upsampling(channels: int) -> nn.Module:
    """Zeros between the pixels, then a filter of 4x4: one transposed convolution, which is less."""
    return nn.ConvTranspose2d(channels, channels, 4, 2, padding=1, groups=channels, bias=False)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU with MI-GAN's gain and clamp."""
    return (F.leaky_relu(x, 0.2, inplace=True) * 2**0.5).clamp(-256, 256)


class Migan(nn.Module):
    """MI-GAN's generator at inference (Sargsyan et al., 2023), at 512."""

    def __init__(self, side: int = SIDE) -> None:
        super().__init__()
        sides = [side >> i for i in range(side.bit_length() - 2)]  # down to 4
        widths = [min(32768 // s, 512) for s in sides]
        steps = list(pairwise(widths))
        self.first = nn.Conv2d(4, widths[0], 1)
        self.seen = nn.ModuleList(Separable(c, c) for c in widths)
        self.down = nn.ModuleList(Separable(i, o, down=True) for i, o in steps)
        self.down.append(Separable(widths[-1], widths[-1]))
        self.begin = Separable(widths[-1], widths[-1])
        self.up = nn.ModuleList(Separable(o, i, up=True) for i, o in reversed(steps))
        self.made = nn.ModuleList(Separable(c, c) for c in reversed(widths))
        self.colour = nn.ModuleList(nn.Conv2d(c, 3, 1) for c in reversed(widths))
        self.grown = nn.ModuleList(upsampling(3) for _ in steps)

    def forward(self, x: Tensor) -> Tensor:
        """Answer a picture, [B, 3, S, S], to picture and mask, [B, 4, S, S]."""
        x = leaky(self.first(x))
        skips: list[Tensor] = []
        for seen, down in zip(self.seen, self.down, strict=True):
            skips.append(seen(x))
            x = down(skips[-1])
        x = self.made[0](self.begin(x) + skips.pop())
        image = self.colour[0](x)
        for up, made, colour, grown in zip(
            self.up, self.made[1:], self.colour[1:], self.grown, strict=True
        ):
            x = made(up(x) + skips.pop())
            image = grown(image) + colour(x)
        return image  # type: ignore[no-any-return]


def networks() -> dict[str, nn.Module]:
    """Build the competitors, in evaluation mode."""
    found = {"Big-LaMa": lama(18), "LaMa-Fourier": lama(9), "MI-GAN 512": Migan()}
    return {name: network.eval() for name, network in found.items()}


def fastest(network: nn.Module, repeat: int) -> list[float]:
    """Time one pass in each memory layout; give the times of the faster."""
    x = torch.rand(1, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        network.to(memory_format=layout)  # type: ignore[call-overload]
        found.append(seconds(partial(network, x.contiguous(memory_format=layout)), repeat))
    return min(found, key=statistics.median)


def seconds(work: Callable[[], object], repeat: int) -> list[float]:
    """Time `work`, after once that is not counted."""
    work()
    found = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


@torch.inference_mode()
def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photo", help=f"{SIDE} x {SIDE}")
    parser.add_argument("mask")
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    torch.set_flush_denormal(True)  # random weights make them, trained ones do not
    picture = np.asarray(Image.open(asked.photo).convert("RGB"))
    hole = np.asarray(Image.open(asked.mask).convert("L")) > 127
    if picture.shape[:2] != (SIDE, SIDE):
        parser.error(f"{asked.photo}: {picture.shape[1]} x {picture.shape[0]}, want {SIDE}")
    rows: dict[str, list[float]] = {}
    for name, settings in OURS.items():
        rows[name] = seconds(partial(Inpainter.load(**settings), picture, hole), asked.repeat)
    for name, network in networks().items():
        rows[f"{name}, one pass"] = fastest(network, asked.repeat)
    tell(rows)


OURS: dict[str, dict[str, Any]] = {
    "swapfill, onnx, int8": {"engine": "onnx", "precision": "int8"},
    "swapfill, onnx, fp32": {"engine": "onnx", "precision": "fp32"},
    "swapfill, torch, fp32": {"engine": "torch", "precision": "fp32"},
}


def tell(rows: dict[str, list[float]]) -> None:
    """Print a table of medians."""
    base = statistics.median(next(iter(rows.values())))
    print("| | seconds | least, most | times the first |\n|---|--:|--:|--:|")
    for name, times in rows.items():
        middle = statistics.median(times)
        print(
            f"| {name} | {middle:.2f} | {min(times):.2f}, {max(times):.2f} | {middle / base:.1f} |"
        )


if __name__ == "__main__":
    main()
