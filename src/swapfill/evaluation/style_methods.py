"""What the paper's Fig. 10 is compared with: styles by optimisation of the pixels.

Both use the layers that the weights have. Those of the articles that they lack are named in the
settings that come with a picture.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill.encoder import STRIDE, VGG19
from swapfill.evaluation.pixel_solver import solve, variation
from swapfill.evaluation.settings import GatysSettings, StyleSwapSettings
from swapfill.patch_swap import match_between, paste_between

_STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")  # of [13]
_CONTENT_LAYER = "relu4_2"  # of [13]
_SWAPPED_LAYER = "relu3_1"  # of [7]
_LEAST_SIDE = 16  # pixels: four cells of relu3_1


class Styled(NamedTuple):
    """A picture, [3, H, W] in [0, 1], and all that it was made with, as JSON has it."""

    picture: Tensor
    settings: dict[str, Any]


def gatys(
    content: Tensor, style: Tensor, vgg: VGG19, settings: GatysSettings | None = None
) -> Styled:
    """Give the content the style's Gram matrices (Gatys et al., 2015; [13]).

    From the content, minimise the relative squared error of the features at the deepest layer (to
    its own) and of the Gram matrices at all layers (to the style's).

    Args:
        content: [3, H, W] in [0, 1].
        style: [3, h, w] in [0, 1], of any size.
        vgg: frozen, up to relu3_1 at least.
        settings: weights, iterations.

    Raises:
        ValueError: a picture is no such tensor, or has less than 16 pixels a side.
    """
    settings = settings or GatysSettings()
    start, model = _checked(content, "content", vgg), _checked(style, "style", vgg)
    layers = _layers_of(vgg)
    with torch.no_grad():
        kept = vgg.layers(start, layers)[vgg.layer]
        grams = {name: gram(found) for name, found in vgg.layers(model, layers).items()}

    def energy(image: Tensor) -> Tensor:
        found = vgg.layers(image, layers)
        away = [relative_error(gram(found[name]), wanted) for name, wanted in grams.items()]
        apart = relative_error(found[vgg.layer], kept)
        return settings.content * apart + settings.style * torch.stack(away).mean()

    picture = solve(start, energy, iterations=settings.iterations, history=settings.history)[0]
    missing = [name for name in (*_STYLE_LAYERS, _CONTENT_LAYER) if name not in layers]
    used = {"style layers": list(layers), "content layer": vgg.layer, "missing layers": missing}
    return Styled(picture, {"method": "gatys"} | used | settings.model_dump(mode="json"))


def style_swap(
    content: Tensor, style: Tensor, vgg: VGG19, settings: StyleSwapSettings | None = None
) -> Styled:
    """Swap each patch of the content for the style's nearest (Chen and Schmidt, 2016; [7]).

    3x3 patches of relu3_1, by normalised cross-correlation, overlaps averaged; then, from the
    content, pixels whose features are those. (Of their two ways to invert features, the one by
    optimisation; the paper's own is Feature2Image.)

    Args:
        content: [3, H, W] in [0, 1].
        style: [3, h, w] in [0, 1], of any size.
        vgg: frozen, up to relu3_1 at least.
        settings: iterations, smoothness.

    Raises:
        ValueError: a picture is no such tensor, or has less than 16 pixels a side.
    """
    settings = settings or StyleSwapSettings()
    start, model = _checked(content, "content", vgg), _checked(style, "style", vgg)
    swapped = swapped_features(_swapped_layer(vgg, start), _swapped_layer(vgg, model))
    everywhere = torch.ones_like(start[:, :1], dtype=torch.bool)

    def energy(image: Tensor) -> Tensor:
        gap = relative_error(_swapped_layer(vgg, image), swapped)
        return gap + settings.variation * variation(image, everywhere)

    picture = solve(start, energy, iterations=settings.iterations, history=settings.history)[0]
    used = {"method": "style-swap", "layer": _SWAPPED_LAYER, "missing layers": []}
    return Styled(picture, used | settings.model_dump(mode="json"))


@torch.no_grad()
def swapped_features(asked: Tensor, offered: Tensor) -> Tensor:
    """Build a map [1, C, h, w] from the patches of another one, [1, C, H, W]."""
    height, width = (side - 2 for side in asked.shape[2:])
    found = match_between(asked[0], offered[0])
    return paste_between(offered[0], found.candidate.view(height, width, 2))[None]


def relative_error(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared difference over the mean square of what is wanted."""
    return F.mse_loss(found, wanted) / wanted.square().mean().clamp(min=1e-8)


def gram(features: Tensor) -> Tensor:
    """Give the products of channels, averaged over the cells: [1, C, h, w] to [C, C]."""
    cells = features[0].flatten(1)
    return cells @ cells.T / cells.shape[1]


def _swapped_layer(vgg: VGG19, image: Tensor) -> Tensor:
    return vgg.layers(image, (_SWAPPED_LAYER,))[_SWAPPED_LAYER]


def _layers_of(vgg: VGG19) -> tuple[str, ...]:
    return tuple(name for name in _STYLE_LAYERS if name <= vgg.layer)


def _checked(picture: Tensor, name: str, vgg: VGG19) -> Tensor:
    """Check a picture and a network; give the picture on the network's device, [1, 3, H, W]."""
    if STRIDE[vgg.layer] < STRIDE[_SWAPPED_LAYER]:
        raise ValueError(f"vgg ends at {vgg.layer}, want {_SWAPPED_LAYER} at least")
    shape = tuple(picture.shape)
    if picture.ndim != 3 or shape[0] != 3 or min(shape[1:]) < _LEAST_SIDE:
        raise ValueError(
            f"{name} is {shape}, want [3, H, W] of {_LEAST_SIDE} pixels a side or more"
        )
    return picture.detach()[None].to(vgg.mean)
