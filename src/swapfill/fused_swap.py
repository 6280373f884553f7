"""Patch-swap on CUDA: one product of cells for each map, one kernel for all that follows it.

The answer is that of `patch_swap`, but for candidates whose cosines differ by less than 1e-4: there
either may be taken. A number is written as the sum of two of bf16, and of the four products of two
such sums the three large ones are added up in fp32 by the matrix units. What is left out is at most
3 x 2^-16 of a product of norms, 4.6e-5 of cosine, and twice that between two candidates. (bf16
alone loses up to 6e-3.)
"""

import math
from importlib.util import find_spec
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill.patch_swap import PATCH, candidates, patch_swap, touching

# Products that are held at once: 256 MB.
_BLOCK = 1 << 26


class _Box(NamedTuple):
    """Patches of a map: from row `top` to before row `bottom`, likewise columns."""

    top: int
    bottom: int
    left: int
    right: int


def swap_maps(features: Tensor, hole: Tensor, values: Tensor) -> Tensor:
    """Do what `patch_swap` does, with the kernel where the device has one.

    Args:
        features: ask and answer, [B, C, h, w], float.
        hole: r, [B, 1, h, w], bool.
        values: what is copied, [B, D, h, w].

    Raises:
        NoKnownPatchError: a map has a hole and no candidate.
    """
    if not is_fused(features.device):
        return patch_swap(features, hole, values=values)
    return paste_maps(values, hole, find_places(features, hole))


def is_fused(device: torch.device) -> bool:
    """Tell whether the kernel runs here: it needs CUDA, Triton, and products of bf16 into fp32."""
    there = torch.__version__ >= "2.8" and find_spec("triton") is not None
    return device.type == "cuda" and there


def find_places(features: Tensor, hole: Tensor) -> Tensor:
    """Find the most similar candidate of every patch that touches the hole; of equals the first.

    The host waits for the device once, for the hole. Memory: 256 MB of products, and three times
    the features.

    Args:
        features: [B, C, h, w], float.
        hole: [B, 1, h, w], bool.

    Returns:
        The candidate's top left cell in reading order, -1 for a patch that does not ask:
        [B, h - 2, w - 2], int32.

    Raises:
        NoKnownPatchError: a map has a hole and no candidate.
    """
    from swapfill.swap_kernel import nearest

    boxes = [_box(one) for one in hole.cpu()]
    features = features.detach().float()
    batch, _, height, width = features.shape
    size = (batch, height - PATCH + 1, width - PATCH + 1)
    places = torch.full(size, -1, dtype=torch.int32, device=hole.device)
    squares = features.square().sum(dim=1).masked_fill_(hole[:, 0], math.inf).contiguous()
    for one, square, place, box in zip(features, squares, places, boxes, strict=True):
        if box is not None:
            asks, offers = split_products(one.flatten(1).T)
            for strip in _strips(box, height * width):
                cells = asks.unflatten(0, (height, width))
                cells = cells[strip.top : strip.bottom + 2, strip.left : strip.right + 2]
                products = multiplied(cells.flatten(0, 1), offers)
                nearest(
                    *(products.unflatten(0, cells.shape[:2]), square, place),
                    *(strip.top, strip.left),
                )
    return places


def _box(hole: Tensor) -> _Box | None:
    """Give the box of the patches that touch a hole [1, h, w] of the host; None for no hole."""
    asked = touching(hole)
    if not bool(asked.any()):
        return None
    candidates(hole)  # refuses a hole that leaves none
    rows, columns = (asked.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
    return _Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def _strips(box: _Box, cells: int) -> list[_Box]:
    """Cut a box into rows whose products with so many cells fit into memory."""
    across = box.right - box.left + PATCH - 1
    step = max(1, _BLOCK // (across * cells) - PATCH + 1)
    return [
        box._replace(top=top, bottom=min(top + step, box.bottom))
        for top in range(box.top, box.bottom, step)
    ]


def split_products(cells: Tensor) -> tuple[Tensor, Tensor]:
    """Write cells [N, C] so that products of bf16 numbers add up to products of theirs in fp32.

    Returns:
        Two tables [N, 3 C], bf16: rows of the first times rows of the second.
    """
    high = cells.bfloat16()
    low = (cells - high.float()).bfloat16()
    return torch.cat([high, high, low], dim=1), torch.cat([high, low, high], dim=1)


def multiplied(asks: Tensor, offers: Tensor) -> Tensor:
    """Multiply each row of `asks` [N, K] with each of `offers` [M, K], bf16: to [N, M], float32."""
    if asks.is_cuda:
        return torch.mm(asks, offers.T, out_dtype=torch.float32)
    return asks.float() @ offers.float().T  # a product of two bf16 numbers is exact in fp32


def paste_maps(values: Tensor, hole: Tensor, places: Tensor) -> Tensor:
    """Copy the chosen patches into the holes of maps; overlaps are averaged.

    What `patch_swap.paste` does, for all cells of all maps at once: no list of cells, whose length
    the host would wait for.

    Args:
        values: [B, D, h, w]; outside the hole they are returned as they are.
        hole: [B, 1, h, w], bool.
        places: as of `find_places`.
    """
    batch, channels, height, width = values.shape
    aside = (PATCH - 1,) * 4
    # Of each cell the nine patches that cover it: [B, h, w, 3, 3], from the upper left on.
    covering = F.pad(places, aside, value=-1).unfold(1, PATCH, 1).unfold(2, PATCH, 1)
    back = torch.arange(PATCH - 1, -1, -1, device=values.device)
    first = torch.arange(0, batch * height * width, height * width, device=values.device)
    taken = covering + (back[:, None] * width + back) + first[:, None, None, None, None]
    copied = (covering >= 0).to(values.dtype).flatten(0, 2).flatten(1)
    share = copied / copied.sum(dim=1, keepdim=True).clamp(min=1)
    table = values.permute(0, 2, 3, 1).reshape(-1, channels)
    bags = taken.clamp(min=0).flatten(0, 2).flatten(1)
    mean = F.embedding_bag(bags, table, mode="sum", per_sample_weights=share)
    return torch.where(hole, mean.view(batch, height, width, -1).permute(0, 3, 1, 2), values)
