"""High-resolution inpainting by multi-scale neural patch synthesis (Yang et al., 2017; [35]).

From a coarse guess, at one scale after the other, the hole's pixels minimise (eq. 1 there)

    content * |x - guess|^2  +  texture * sum_layers |F(x) - F'|^2  +  variation * |grad x|^2.

The texture term of the article adds up, over the patches of the hole, squared distances to each
one's nearest known patch. With the matches held fixed, as their published code does at each scale,
the patches that cover a cell pull it to the mean of what they hold there, and their code divides
that pull by their number: it is the gradient of |F(x) - F'|^2 / 2 where F' is *patch-swap* of the
features that the scale starts from. So the term is written with that. (Their code samples every
second patch; here every one counts.)
"""

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill.encoder import STRIDE, VGG19
from swapfill.engines.interface import Engine
from swapfill.errors import NoKnownPatchError
from swapfill.evaluation.crops import crop_of
from swapfill.evaluation.guessing import small_guess
from swapfill.evaluation.pixel_solver import solve, variation
from swapfill.evaluation.settings import NeuralPatchSettings
from swapfill.inpainter import Floats
from swapfill.masks import Hole
from swapfill.patch_swap import feature_hole, patch_swap

_LAYERS = ("relu3_1", "relu4_1")


def synthesise_squares(
    engine: Engine[Any],
    vgg: VGG19,
    settings: NeuralPatchSettings,
    incomplete: Floats,
    hole: Hole,
) -> Floats:
    """Fill windows.

    Args:
        engine: its first network makes the guess.
        vgg: on the engine's device; its deepest layer is relu3_1 or relu4_1.
        settings: of the energy.
        incomplete: I_0, [B, S, S, 3] in [0, 1], 0 in the hole.
        hole: R, [B, S, S].

    Returns:
        [B, S, S, 3]: outside the hole `incomplete`.
    """
    guesses = small_guess(engine, incomplete, hole)
    picture, missing = engine.put(incomplete, hole)
    filled = [
        _synthesised(vgg, settings, picture[i : i + 1], missing[i : i + 1], guesses[i : i + 1])
        for i in range(len(incomplete))
    ]
    pixels = torch.cat(filled).permute(0, 2, 3, 1).cpu().numpy()
    return np.where(hole[..., None], pixels, incomplete)


def _synthesised(
    vgg: VGG19, settings: NeuralPatchSettings, picture: Tensor, hole: Tensor, guess: Tensor
) -> Tensor:
    """Fill one window, [1, 3, S, S], at the scales up to its own; larger ones are enlarged."""
    side = picture.shape[2]
    for scale in [scale for scale in settings.scales if scale <= side] or [side]:
        known = F.interpolate(picture, size=(scale, scale), mode="area")
        missing = feature_hole(hole, scale)
        start = torch.where(missing, _bilinear(guess, scale), known)
        guess = minimise(vgg, settings, start, missing)
    return torch.where(hole, _bilinear(guess, side), picture)


def _bilinear(image: Tensor, side: int) -> Tensor:
    return F.interpolate(image, size=(side, side), mode="bilinear", align_corners=False)


class Target(NamedTuple):
    """What one layer's features are to be in the hole of a crop, and the term's scale."""

    wanted: Tensor  # F', [1, C, h, w]
    hole: Tensor  # r, [1, 1, h, w], bool
    strength: float  # mean square of the known features


def minimise(vgg: VGG19, settings: NeuralPatchSettings, start: Tensor, hole: Tensor) -> Tensor:
    """Minimise the energy of one scale over the pixels of the hole.

    Only a crop around the hole is encoded in each iteration: what lies further than the features of
    the hole see changes nothing. Matches are looked for in the whole window.

    Args:
        vgg: frozen.
        settings: weights, iterations.
        start: the guess in the hole, known pixels around it: [1, 3, S, S] in [0, 1].
        hole: [1, 1, S, S], bool.

    Returns:
        [1, 3, S, S] in [0, 1]: outside the hole `start`. Where nothing known is left to match, that
        layer has no term.
    """
    layers = tuple(name for name in _LAYERS if STRIDE[name] <= STRIDE[vgg.layer])
    lines = (hole[0, 0].any(dim=1 - axis).cpu().numpy() for axis in (0, 1))
    rows, columns = (crop_of(line, vgg.layer) for line in lines)
    targets = _targets(vgg, start, hole, layers, (rows, columns))
    picture, here = start[:, :, rows, columns], hole[:, :, rows, columns]
    inside = here.expand_as(picture)
    guess = picture[inside]

    def energy(pixels: Tensor) -> Tensor:
        x = picture.masked_scatter(inside, pixels)
        total = settings.content * (pixels - guess).square().mean()
        total = total + settings.variation * variation(x, here)
        found = vgg.layers(x, tuple(targets)) if targets and settings.texture else {}
        for name, features in found.items():
            total = total + settings.texture * texture(features, targets[name])
        return total

    pixels = solve(guess, energy, iterations=settings.iterations, history=settings.history)
    result = start.clone()
    result[:, :, rows, columns] = picture.masked_scatter(inside, pixels)
    return result


def texture(features: Tensor, target: Target) -> Tensor:
    """Mean squared distance of features to their matches over the hole, relative to the known."""
    gap = (features - target.wanted).square() * target.hole
    cells = target.hole.sum() * features.shape[1]
    return gap.sum() / (cells * target.strength)


@torch.no_grad()
def _targets(
    vgg: VGG19,
    start: Tensor,
    hole: Tensor,
    layers: tuple[str, ...],
    crop: tuple[slice, slice],
) -> dict[str, Target]:
    """Match the features of the start at each layer, and cut out what the crop needs."""
    found: dict[str, Target] = {}
    for name, features in vgg.layers(start, layers).items():
        cells, stride = feature_hole(hole, features.shape[2]), STRIDE[name]
        try:
            swapped = patch_swap(features, cells)
        except NoKnownPatchError:
            continue
        known = features.square().mean(dim=1, keepdim=True)[~cells]
        rows, columns = (slice(edge.start // stride, edge.stop // stride) for edge in crop)
        strength = max(float(known.mean()), 1e-8)
        found[name] = Target(swapped[:, :, rows, columns], cells[:, :, rows, columns], strength)
    return found
