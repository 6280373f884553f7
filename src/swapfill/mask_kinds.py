"""A mask of any kind as a hole: a path, a Pillow image, an array or a tensor."""

from __future__ import annotations

import sys
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill.errors import MaskError
from swapfill.images import Photograph, read_hole
from swapfill.masks import Hole

if TYPE_CHECKING:
    from torch import Tensor

Source: TypeAlias = "str | PathLike[str]"
Mask: TypeAlias = "Source | Image.Image | NDArray[Any] | Tensor"


def is_tensor(thing: object) -> TypeGuard[Tensor]:
    """Tell a tensor without importing torch: who has one has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.Tensor)


def hole_of(mask: Mask, size: tuple[int, int]) -> Hole:
    """Turn a mask into a hole.

    Args:
        mask: a path, a Pillow image, or an array or a tensor of numbers: what is at least half
            white (of floating point: 0.5) is missing. Of bool: true is missing.
        size: height and width of the picture.

    Returns:
        [H, W], bool.

    Raises:
        MaskError: it cannot be read, is of no such kind, or of another size.
    """
    if isinstance(mask, str | PathLike):
        return read_hole(Path(mask), size)
    if isinstance(mask, Image.Image):
        return read_hole(Photograph.from_pil(mask).to_bytes("PNG"), size)
    hole: Hole = holes_of(mask, 1, size)[0]
    return hole


def holes_of(mask: Mask, count: int, size: tuple[int, int]) -> Hole:
    """Turn a mask into the holes of a batch: [count, H, W]; one mask serves all pictures.

    An array or a tensor may be [H, W], [1, H, W], [B, H, W] or [B, 1, H, W]; see `hole_of`.
    """
    if isinstance(mask, str | PathLike | Image.Image):
        holes = hole_of(mask, size)[None]
    else:
        numbers = _array_of(mask)
        if numbers.ndim == 4 and numbers.shape[1] == 1:
            numbers = numbers[:, 0]
        holes = _missing(numbers[None] if numbers.ndim == 2 else numbers)
    if holes.ndim != 3 or holes.shape[1:] != size or len(holes) not in (1, count):
        wanted = f"{size[0]} x {size[1]} (height x width) for {count} picture(s)"
        raise MaskError(f"the mask is {holes.shape}, want {wanted}")
    return np.broadcast_to(holes, (count, *size))


def _array_of(mask: object) -> NDArray[Any]:
    if is_tensor(mask):
        mask = (mask.detach().float() if mask.is_floating_point() else mask.detach()).cpu().numpy()
    if not isinstance(mask, np.ndarray):
        kinds = "a path, a Pillow image, an array or a tensor"
        raise MaskError(f"the mask is a {type(mask).__name__}, want {kinds}")
    return mask


def _missing(numbers: NDArray[Any]) -> Hole:
    if numbers.dtype == np.bool_:
        return numbers
    if numbers.dtype.kind == "f":
        if not np.isfinite(numbers).all():
            raise MaskError("the mask holds NaN or infinity, want numbers from 0 to 1")
        return np.asarray(numbers >= 0.5)
    if numbers.dtype.kind == "u":
        return np.asarray(numbers >= np.iinfo(numbers.dtype).max / 2)
    raise MaskError(f"the mask is {numbers.dtype}, want bool, uint8, uint16 or floating point")
