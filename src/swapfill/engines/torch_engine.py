"""The engine on PyTorch: CPU (bf16 where it pays), CUDA, MPS."""

import platform
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swapfill.architectures import (
    Guesser,
    Translator,
    build_feature2image,
    build_image2feature,
)
from swapfill.beside import beside, look_of
from swapfill.bundle import SHARED, Bundle
from swapfill.coherent_maps import at_once, swap_maps_coherently
from swapfill.config import COARSEST, FillSettings
from swapfill.devices import choose_device
from swapfill.encoder import VGG19, CompactEncoder, build_encoder
from swapfill.engines import numpy_images as images
from swapfill.engines.interface import Part, Places, Query, Swapped
from swapfill.errors import BundleError, DeviceError
from swapfill.feature2image import Guide
from swapfill.fused_swap import swap_maps
from swapfill.matching import apart, swap_coherently, with_pixels
from swapfill.networks import place_centre
from swapfill.weights import load_into

_ROWS = 512  # of a picture that are encoded at once
PRECISIONS = ("auto", "fp32", "bf16")


class TorchEngine:
    """Networks on one device: a bundle's, or those that a training run has at hand.

    Args:
        encoder: pictures to features.
        image2feature: guesses at the side of its config.
        feature2image: by side in pixels, or under `SHARED` for all; none where nothing is
            translated.
        device: where the networks are.
        dtype: of the convolutions, float32 or bfloat16.
    """

    name = "torch"

    def __init__(
        self,
        encoder: nn.Module,
        image2feature: Guesser,
        feature2image: Mapping[str, Translator],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._device, self._dtype = device, dtype
        self.device = str(device)
        self.precision = "bf16" if dtype == torch.bfloat16 else "fp32"
        self._encoder, self._image2feature = encoder, image2feature
        self._feature2image = feature2image
        self._guesser = image2feature.config

    @classmethod
    def open(
        cls,
        bundle: Bundle,
        device: str = "auto",
        precision: str = "auto",
        *,
        compiled: bool = False,
    ) -> Self:
        """Load a bundle.

        Args:
            bundle: its weights are checked and loaded strictly.
            device: see `choose_device`.
            precision: see `choose_precision`.
            compiled: the networks go through `torch.compile`, once for each shape of a batch: it
                takes minutes, and pays where shapes stay. Answers differ by rounding.

        Raises:
            DeviceError: no such device or precision here.
            BundleError: a weights file is damaged or does not fit.
        """
        place, config = choose_device(device), bundle.config
        dtype = choose_precision(precision, place)
        encoder = build_encoder(config.encoder)
        guesser = build_image2feature(config.image2feature)
        translators = {key: build_feature2image(c) for key, c in config.feature2image.items()}
        named: dict[str, nn.Module] = {"encoder": encoder, "image2feature": guesser}
        named |= {f"feature2image{_suffix(key)}": part for key, part in translators.items()}
        for part, network in named.items():
            load_into(network, bundle.weights(part))
            network.eval().requires_grad_(False)
            network.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
            if compiled:
                network.compile(dynamic=False)
        return cls(encoder, guesser, translators, place, dtype)

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
        return _filtered(image, _bicubic(image.shape[2], side, image.device)).clamp(0, 1)

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
        side = self._guesser.side_for(incomplete.shape[2])
        small, missing = self.resize(incomplete, side), self.shrink(hole, side)
        with self._autocast():
            guess = self._image2feature(small, missing)
        image = place_centre(guess.image.float(), small)
        if image.shape != incomplete.shape:
            return torch.where(hole, self.resize(image, incomplete.shape[2]), incomplete), None
        return torch.where(hole, image, incomplete), guess.features

    @torch.inference_mode()
    def encode(self, image: Tensor) -> Tensor:
        """vgg: give the features, [B, C, S/stride, S/stride], float32."""
        reach = cast(VGG19 | CompactEncoder, self._encoder).reach
        parts, height = [], image.shape[2]
        for top in range(0, height, _ROWS):  # the first maps of 2,048 rows take 1.3 GB
            first = max(top - reach, 0)
            seen = image[:, :, first : top + _ROWS + reach]
            with self._autocast():
                features = self._encoder(seen.contiguous(memory_format=torch.channels_last))
            stride = seen.shape[2] // features.shape[2]
            begin, rows = (top - first) // stride, min(_ROWS, height - top) // stride
            parts.append(features[:, :, begin : begin + rows].float())
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)

    @torch.inference_mode()
    def swap(self, query: Query[Tensor], settings: FillSettings) -> Swapped[Tensor]:
        """Patch-swap: copy the most similar known pieces into the hole."""
        cells = self.shrink(query.hole, query.features.shape[2])
        values = with_pixels(query.features, query.picture)
        matched: Any = None
        if settings.matching == "coherent":
            values, matched = _swap_coherently(query, cells, values, settings)
        else:
            asked = query.features if query.keys is None else query.keys
            values = swap_maps(asked, cells, values)
        features, pixels = apart(values, query.picture, query.hole)
        return Swapped(features, pixels, matched)

    def matches(self, swapped: Swapped[Tensor]) -> list[Places | None]:
        """Tell what coherent matching found, [N, 4] of each map."""
        return [
            None if its is None else torch.cat([its.query, its.candidate], dim=1).cpu().numpy()
            for its in swapped.matched[1]
        ]

    def span(self, side: int) -> int:
        """Give what the sides of a part of a window of `side` pixels are a multiple of."""
        network = self._feature2image.get(SHARED)
        if network is None or not network.config.guided or str(side) in self._feature2image:
            return side
        return network.config.side

    def cut(self, images: Tensor, parts: Sequence[Part]) -> Tensor:
        """Cut parts of one size out of images [B, C, H, W]: [N, C, h, w]."""
        return torch.stack([images[part.image][:, *part.box.slices] for part in parts])

    def put_back(self, images: Tensor, filled: Tensor, parts: Sequence[Part]) -> Tensor:
        """Give the images with `filled`, [N, C, h, w], in the place of some parts."""
        images = images.clone()
        for part, its in zip(parts, filled, strict=True):
            images[part.image][:, *part.box.slices] = its
        return images

    @torch.inference_mode()
    def translate(self, swapped: Swapped[Tensor], guess: Tensor, hole: Tensor) -> Tensor:
        """G_2: give the picture of swapped features, [B, 3, S, S], float32."""
        side = swapped.pixels.shape[2]
        network = self._feature2image.get(str(side)) or self._feature2image.get(SHARED)
        if network is None:
            sides = ", ".join(self._feature2image)
            raise BundleError(f"the model has no Feature2Image for {side} px, want {sides}")
        features = swapped.features.contiguous(memory_format=torch.channels_last)
        with self._autocast():
            image = network(features, Guide(swapped.pixels, guess, hole))
        return image.float()  # type: ignore[no-any-return]

    @torch.inference_mode()
    def align_tone(self, filled: Tensor, reference: Tensor, sigma: float) -> Tensor:
        """Give `filled` the tone of `reference`: its content coarser than `sigma` pixels of 128."""
        side = min(COARSEST, filled.shape[2])
        gap = F.interpolate(reference - filled, size=(side, side), mode="area")
        grown = _filtered(gap, _blurring(side, filled.shape[2], sigma, filled.device))
        return grown.add_(filled).clamp_(0, 1)


def _swap_coherently(
    query: Query[Tensor], cells: Tensor, values: Tensor, settings: FillSettings
) -> tuple[Tensor, Any]:
    """Swap each map; what is matched is kept with the side it was matched at."""
    side, batch = cells.shape[2], range(len(cells))
    before, matches = query.matched or (side, [None] * len(cells))
    around = None
    costs = (settings.colour, settings.distance)
    if (any(costs) or settings.border) and query.matched is None:
        colours = F.interpolate(query.picture, size=(side, side), mode="area")
        around = [beside(colours[i], cells[i], *costs) for i in batch]
    if around is not None and settings.border:
        looks = look_of(query.picture, side, settings.border)
        around = [one._replace(look=look) for one, look in zip(around, looks, strict=True)]
    asked = (side // before, settings.bonus)
    if at_once(cells.device):
        features, expected = query.features, query.expected
        together, each = swap_maps_coherently(
            features, cells, expected, matches, *asked, values, settings.seed, around
        )
        return together, (side, each)
    swapped, found = [], []
    for i in batch:
        expected = None if query.expected is None else query.expected[i]
        one, its = swap_coherently(
            *(query.features[i], cells[i], expected, matches[i], *asked, values[i], settings.seed),
            beside=None if around is None else around[i],
            copied=query.copied,
        )
        swapped.append(one)
        found.append(its)
    together = torch.stack(swapped) if len(swapped) > 1 else swapped[0][None]
    return together, (side, found)


def _filtered(image: Tensor, matrix: Tensor) -> Tensor:
    """Filter columns and rows, [B, C, s, s] to [B, C, S, S], by [S, s]."""
    with torch.autocast(image.device.type, enabled=False):
        return matrix @ (image.float() @ matrix.T)


@lru_cache(maxsize=16)
def _bicubic(own: int, side: int, device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):  # it is kept, for other modes too
        return torch.from_numpy(images.bicubic(own, side)).to(device)


@lru_cache(maxsize=16)
def _blurring(side: int, own: int, sigma: float, device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):
        return torch.from_numpy(images.blurred_and_grown(side, own, sigma)).to(device)


def _suffix(key: str) -> str:
    return "" if key == SHARED else f"-{key}"


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
        about = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    # Intel's without AMX have the instructions, at 0.6 of the rate of fp32 (a Xeon, measured).
    return "amx_bf16" in about or ("avx512_bf16" in about and "AuthenticAMD" in about)
