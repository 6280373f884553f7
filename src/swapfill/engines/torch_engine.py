"""The engine on PyTorch: CPU (bf16 where it pays), CUDA, MPS."""

import platform
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swapfill.bundle import SHARED, Bundle
from swapfill.config import COARSEST, FillSettings
from swapfill.encoder import build_encoder
from swapfill.engines.interface import Query
from swapfill.errors import BundleError, DeviceError
from swapfill.matching import swap_coherently
from swapfill.networks import Feature2Image, Image2Feature, place_centre
from swapfill.patch_swap import patch_swap
from swapfill.weights import load_into

PRECISIONS = ("auto", "fp32", "bf16")


class TorchEngine:
    """A bundle's networks on one device."""

    name = "torch"

    def __init__(self, bundle: Bundle, device: str = "auto", precision: str = "auto") -> None:
        self._device = choose_device(device)
        self._dtype = choose_precision(precision, self._device)
        self.device = str(self._device)
        self.precision = "bf16" if self._dtype == torch.bfloat16 else "fp32"
        config = bundle.config
        self._encoder = self._ready(build_encoder(config.encoder), bundle, "encoder")
        guesser = Image2Feature(config.image2feature)
        self._image2feature = self._ready(guesser, bundle, "image2feature")
        self._side = config.image2feature.side
        self._feature2image = {
            key: self._ready(Feature2Image(c), bundle, f"feature2image{_suffix(key)}")
            for key, c in config.feature2image.items()
        }
        self._stride = next(iter(config.feature2image.values())).stride

    def _ready(self, network: nn.Module, bundle: Bundle, part: str) -> nn.Module:
        load_into(network, bundle.weights(part))
        network.eval().requires_grad_(False)
        network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def _autocast(self) -> torch.autocast:
        on = self._dtype == torch.bfloat16
        return torch.autocast(self._device.type, torch.bfloat16, enabled=on)

    def put(
        self, pictures: npt.NDArray[np.float32], holes: npt.NDArray[np.bool_]
    ) -> tuple[Tensor, Tensor]:
        """Take windows [B, S, S, 3] and their holes [B, S, S] onto the device."""
        picture = torch.from_numpy(np.ascontiguousarray(pictures, dtype=np.float32))
        hole = torch.from_numpy(np.ascontiguousarray(holes))[:, None]
        return picture.permute(0, 3, 1, 2).to(self._device), hole.to(self._device)

    def get(self, image: Tensor) -> npt.NDArray[np.float32]:
        """Bring an image back as [B, S, S, 3], float32 in [0, 1]."""
        return image.float().permute(0, 2, 3, 1).cpu().numpy()

    def resize(self, image: Tensor, side: int) -> Tensor:
        """Resample an image: area average down, bicubic up."""
        if image.shape[2] == side:
            return image
        if side < image.shape[2]:
            return F.interpolate(image, size=(side, side), mode="area")
        grown = F.interpolate(image, size=(side, side), mode="bicubic", align_corners=False)
        return grown.clamp(0, 1)

    def shrink(self, hole: Tensor, side: int) -> Tensor:
        """Shrink a hole: missing if any pixel is."""
        if hole.shape[2] == side:
            return hole
        if side < hole.shape[2]:
            return F.adaptive_max_pool2d(hole.float(), side) > 0
        return F.interpolate(hole.float(), size=(side, side), mode="nearest") > 0

    def composite(self, hole: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
        """Take `inside` in the hole and `outside` elsewhere."""
        return torch.where(hole, inside, outside)

    @torch.inference_mode()
    def infer(self, incomplete: Tensor, hole: Tensor) -> tuple[Tensor, Tensor | None]:
        """G_1: give the guess, known pixels as they were, and the expected features."""
        small, missing = self.resize(incomplete, self._side), self.shrink(hole, self._side)
        with self._autocast():
            guess = self._image2feature(small, missing)
        image = place_centre(guess.image.float(), small)
        if image.shape != incomplete.shape:
            return torch.where(hole, self.resize(image, incomplete.shape[2]), incomplete), None
        return torch.where(hole, image, incomplete), guess.features

    @torch.inference_mode()
    def encode(self, image: Tensor) -> Tensor:
        """vgg: give the features, [B, C, S/stride, S/stride], float32."""
        with self._autocast():
            features = self._encoder(image.contiguous(memory_format=torch.channels_last))
        return features.float()  # type: ignore[no-any-return]

    @torch.inference_mode()
    def swap(self, query: Query[Tensor], settings: FillSettings) -> tuple[Tensor, Any]:
        """Patch-swap: give F'_1, and what was matched, for the next call."""
        cells = self.shrink(query.hole, query.features.shape[2])
        if settings.matching != "coherent":
            asked = query.features if query.keys is None else query.keys
            return patch_swap(asked, cells, values=query.features), None
        swapped, found = [], []
        side = cells.shape[2]
        before, matches = query.matched or (side, [None] * len(cells))
        factor = side // before
        for i, coarse in enumerate(matches):
            expected = None if query.expected is None else query.expected[i]
            one, its = swap_coherently(
                query.features[i], cells[i], expected, coarse, factor, settings.bonus
            )
            swapped.append(one)
            found.append(its)
        return torch.stack(swapped), (side, found)

    @torch.inference_mode()
    def translate(self, swapped: Tensor) -> Tensor:
        """G_2: give the picture of a swapped feature map, [B, 3, S, S], float32."""
        side = swapped.shape[2] * self._stride
        network = self._feature2image.get(str(side)) or self._feature2image.get(SHARED)
        if network is None:
            sides = ", ".join(self._feature2image)
            raise BundleError(f"the model has no Feature2Image for {side} px, want {sides}")
        with self._autocast():
            image = network(swapped.contiguous(memory_format=torch.channels_last))
        return image.float()  # type: ignore[no-any-return]

    @torch.inference_mode()
    def align_tone(self, filled: Tensor, reference: Tensor, sigma: float) -> Tensor:
        """Give `filled` the tone of `reference`: its content coarser than `sigma` pixels of 128."""
        side = min(COARSEST, filled.shape[2])
        gap = F.interpolate(reference - filled, size=(side, side), mode="area")
        gap = _blur(gap, sigma)
        size = (filled.shape[2], filled.shape[3])
        grown = F.interpolate(gap, size=size, mode="bicubic", align_corners=False)
        return (filled + grown).clamp(0, 1)


def _blur(x: Tensor, sigma: float) -> Tensor:
    """Blur by a Gaussian of `sigma` pixels, borders repeated."""
    radius = max(1, round(3 * sigma))
    steps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1)
    x = F.pad(x, (radius,) * 4, mode="replicate")
    x = F.conv2d(x, kernel[..., None], groups=x.shape[1])
    return F.conv2d(x, kernel[:, :, None], groups=x.shape[1])


def _suffix(key: str) -> str:
    return "" if key == SHARED else f"-{key}"


def choose_device(device: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda`, `cuda:N` or `mps` into a device that is here.

    Raises:
        DeviceError: it is unknown or not here.
    """
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if device == "auto":
        device = "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    kind = device.partition(":")[0]
    if kind not in there:
        raise DeviceError(f"device {device!r} is unknown, want auto, {', '.join(there)}")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise DeviceError(f"device {device!r} is unknown, want e.g. cuda:0") from None
    if not there[kind] or (kind == "cuda" and (chosen.index or 0) >= torch.cuda.device_count()):
        here = ", ".join(name for name, found in there.items() if found)
        raise DeviceError(f"device {device!r} is not on this machine, want one of {here}")
    return chosen


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """Turn `auto`, `fp32` or `bf16` into a dtype; `auto` is bf16 where the hardware has it.

    Raises:
        DeviceError: it is unknown.
    """
    if precision not in PRECISIONS:
        raise DeviceError(f"precision {precision!r} is unknown, want {', '.join(PRECISIONS)}")
    if precision == "auto":
        return torch.bfloat16 if _has_bf16(device) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device.type != "cpu" or platform.system() != "Linux":
        return False
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
