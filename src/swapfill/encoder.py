"""From a picture to features: VGG-19, frozen, and a compact student of its relu3_1."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swapfill.config import FEATURE_CHANNELS, EncoderConfig

# torchvision's index of each convolution in `vgg19().features`, with its channels; "M" is a pool.
_VGG19: list[tuple[str, int, int] | str] = [
    ("0", 3, 64),
    ("2", 64, 64),
    "M",
    ("5", 64, 128),
    ("7", 128, 128),
    "M",
    ("10", 128, 256),
    ("12", 256, 256),
    ("14", 256, 256),
    ("16", 256, 256),
    "M",
    ("19", 256, 512),
]
_LAST = {"relu1_1": "0", "relu1_2": "2", "relu2_1": "5", "relu2_2": "7", "relu3_1": "10"} | {
    "relu4_1": "19"
}
STRIDE = {"relu2_1": 2, "relu3_1": 4, "relu4_1": 8}
CHANNELS = {"relu2_1": 128, "relu3_1": 256, "relu4_1": 512}


class VGG19(nn.Module):
    """VGG-19 up to `layer`, under torchvision's names; frozen.

    Reflection padding: zeros would tell the features where the border is.
    """

    mean: Tensor
    std: Tensor

    reach = 64  # pixels beside a cell that its feature sees, at most

    def __init__(self, layer: str = "relu3_1") -> None:
        super().__init__()
        self.layer = layer
        self.features = nn.ModuleDict()
        for entry in _VGG19:
            if isinstance(entry, tuple):
                key, c_in, c_out = entry
                self.features[key] = nn.Conv2d(c_in, c_out, 3)
                if key == _LAST[layer]:
                    break
        for name, value in (("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225))):
            self.register_buffer(name, torch.tensor(value).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> Tensor:
        """Encode [B, 3, H, W] in [0, 1] as [B, C, H/stride, W/stride], never negative."""
        return self.layers(image, (self.layer,))[self.layer]

    def layers(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Give the activations of several layers, `relu1_1` to this network's own, by name."""
        wanted = {_LAST[name]: name for name in names}
        kept: dict[str, Tensor] = {}
        x = (image - self.mean) / self.std
        for entry in _VGG19:
            if isinstance(entry, str):
                x = F.max_pool2d(x, 2)
                continue
            x = F.relu(self.features[entry[0]](F.pad(x, (1, 1, 1, 1), mode="reflect")))
            if entry[0] in wanted:
                kept[wanted[entry[0]]] = x
            if entry[0] == _LAST[self.layer] or len(kept) == len(wanted):
                return kept
        return kept


class CompactEncoder(nn.Module):
    """A student of VGG-19 relu3_1: six convolutions, half of the teacher's arithmetic.

    Stride-2 convolutions stand in for the teacher's pools, so that most work is done at a quarter
    of the resolution; 4x4, since an odd window of stride 2 would lean by half a pixel.
    """

    reach = 16  # pixels beside a cell that its feature sees, at most

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        w = width
        spec = [(3, w, 3), (w, 2 * w, 4), (2 * w, 2 * w, 3), (2 * w, 4 * w, 4), (4 * w, 4 * w, 3)]
        self.layers = nn.ModuleList(
            nn.Conv2d(c_in, c_out, k, stride=2 if k == 4 else 1) for c_in, c_out, k in spec
        )
        self.last = nn.Conv2d(4 * w, FEATURE_CHANNELS, 3)

    def forward(self, image: Tensor) -> Tensor:
        """Encode [B, 3, H, W] in [0, 1] as [B, 256, H/4, W/4], never negative."""
        x = image * 2 - 1
        for layer in (*self.layers, self.last):
            x = F.relu(layer(F.pad(x, (1, 1, 1, 1), mode="reflect")))
        return x


def build_encoder(config: EncoderConfig) -> VGG19 | CompactEncoder:
    """Build the encoder of a config, with random weights."""
    return VGG19(config.layer) if config.kind == "vgg19" else CompactEncoder(config.width)
