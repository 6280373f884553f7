"""Distances of features: of VGG-19, unit-normalised (no learnt weights), and LPIPS."""

import hashlib
from importlib import resources
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swapfill.encoder import STRIDE, VGG19
from swapfill.errors import BundleError
from swapfill.evaluation.crops import crop_of
from swapfill.evaluation.methods.interface import Pixels
from swapfill.evaluation.published import fitted, published
from swapfill.masks import Hole
from swapfill.vgg_weights import cached_file, official_vgg19
from swapfill.weights import load_into

LAYERS = ("relu1_2", "relu2_2", "relu3_1")
ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"

# torchvision's `alexnet().features` up to its last ReLU, of which each one's output is compared.
_CONVOLUTIONS = (
    ("0", 3, 64, 11, 4, 2),
    ("3", 64, 192, 5, 1, 2),
    ("6", 192, 384, 3, 1, 1),
    ("8", 384, 256, 3, 1, 1),
    ("10", 256, 256, 3, 1, 1),
)
_POOLED = ("3", "6")  # after a pool of 3, stride 2
_LPIPS_MEAN, _LPIPS_SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of [-1, 1]


class VggDistance:
    """Squared distance of unit-normalised features, over the hole and the layers: lower is better.

    Attributes:
        source: the file of the weights and its SHA-256: distances by others do not compare.
    """

    def __init__(self, network: VGG19, source: dict[str, str], device: torch.device) -> None:
        self._network, self.source = network.to(device), source
        self._device = device

    @classmethod
    def load(cls, path: Path | None, device: torch.device) -> "VggDistance":
        """Load a safetensors file of VGG-19 up to relu3_1; without one, torchvision's own.

        Raises:
            BundleError: the file is missing or damaged; without one: torchvision's is not in
                torch's cache.
        """
        if path is not None:
            network = VGG19(LAYERS[-1])
            load_into(network, path)
        else:
            path = cached_file()
            if not path.exists():
                raise BundleError(
                    f"{path} is not there, want --vgg FILE (VGG-19 up to relu3_1, safetensors)"
                )
            network = official_vgg19(LAYERS[-1])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(network, {"file": path.name, "sha256": digest}, device)

    @torch.inference_mode()
    def __call__(self, truth: Pixels, filled: Pixels, hole: Hole) -> float:
        """Compare pictures [H, W, 3]; a cell of a layer counts by the share of it that is hole."""
        around = _around(hole)
        pair = torch.stack([_planes(p[around]) for p in (truth, filled)]).to(self._device)
        missing = torch.from_numpy(hole[around])[None, None].float().to(self._device)
        distances = []
        for features in self._network.layers(pair, LAYERS).values():
            there, here = F.normalize(features, dim=1)
            share = F.interpolate(missing, features.shape[2:], mode="area")[0, 0]
            distances.append(((there - here).square().sum(dim=0) * share).sum() / share.sum())
        return float(torch.stack(distances).mean())


class Lpips(nn.Module):
    """LPIPS (Zhang et al., 2018), version 0.1, AlexNet.

    torchmetrics has the learnt heads in its package, and asks torchvision for the network below
    them; this is that network.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleDict(
            {key: nn.Conv2d(i, o, k, stride, pad) for key, i, o, k, stride, pad in _CONVOLUTIONS}
        )
        self.heads = nn.ParameterList(torch.zeros(1, o, 1, 1) for _, _, o, *_ in _CONVOLUTIONS)

    @classmethod
    def load(cls) -> "Lpips":
        """Load AlexNet's weights and the heads.

        Raises:
            BundleError: a file cannot be had.
        """
        network = cls()
        tensors = published(ALEXNET_URL)
        heads = resources.files("torchmetrics.functional.image") / "lpips_models" / "alex.pth"
        with resources.as_file(heads) as path:
            learnt = torch.load(path, map_location="cpu", weights_only=True)
        found = {f"heads.{i}": learnt[f"lin{i}.model.1.weight"] for i in range(len(network.heads))}
        fitted(network, tensors | found, ALEXNET_URL)
        return network

    def forward(self, truth: Tensor, filled: Tensor) -> Tensor:
        """Give the distance of pictures [B, 3, H, W] in [0, 1], at least 35 pixels a side: [B]."""
        pairs = zip(self._layers(truth), self._layers(filled), self.heads, strict=True)
        return torch.stack(
            [F.conv2d((a - b).square(), head).mean(dim=(1, 2, 3)) for a, b, head in pairs]
        ).sum(dim=0)

    def distance(self, truth: Pixels, filled: Pixels) -> float:
        """Give the distance of two pictures [H, W, 3]."""
        device = self.heads[0].device
        with torch.inference_mode():
            return float(self(*(_planes(x)[None].to(device) for x in (truth, filled))))

    def _layers(self, picture: Tensor) -> list[Tensor]:
        mean, scale = (picture.new_tensor(v).view(3, 1, 1) for v in (_LPIPS_MEAN, _LPIPS_SCALE))
        x = (2 * picture - 1 - mean) / scale
        kept = []
        for key, *_ in _CONVOLUTIONS:
            x = F.max_pool2d(x, 3, 2) if key in _POOLED else x
            x = F.relu(self.features[key](x))
            kept.append(x / (x.square().sum(dim=1, keepdim=True) + 1e-8).sqrt())
        return kept


def _around(hole: Hole) -> tuple[slice, slice]:
    """Give the rows and columns that the distance depends on; all, where cells would be cut."""
    if any(side % STRIDE[LAYERS[-1]] for side in hole.shape):
        return slice(None), slice(None)
    rows, columns = (crop_of(np.asarray(hole.any(axis=1 - axis)), LAYERS[-1]) for axis in (0, 1))
    return rows, columns


def _planes(picture: Pixels) -> Tensor:
    """Give [3, H, W] in [0, 1]."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
