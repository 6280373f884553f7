"""Pictures that are arrays or tensors: checked, and filled as such."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swapfill.errors import ImageError, MaskError
from swapfill.images import Photograph
from swapfill.mask_kinds import Mask, hole_of, holes_of
from swapfill.masks import Hole

if TYPE_CHECKING:
    from torch import Tensor

Pixels: TypeAlias = NDArray[Any]

# Floating point pictures may leave [0, 1] by this much, as resampling makes them; what the
# networks see is clipped. Further out it is a picture in 0 to 255, or one with high dynamic range.
_OVERSHOOT = 0.1


class Painter(Protocol):
    """What fills an array [H, W, 3], or a photograph (`inpainter.Inpainter`)."""

    def fill(self, pixels: Pixels, hole: Hole) -> Pixels:
        """Fill an array."""
        ...

    def changed(self, hole: Hole) -> Hole:
        """Tell which pixels change."""
        ...

    def fill_photograph(self, photo: Photograph, hole: Hole, *, opaque: bool = False) -> Photograph:
        """Fill a photograph."""
        ...


def fill_array(painter: Painter, pixels: Pixels, mask: Mask | None) -> Pixels:
    """Fill an array [H, W], [H, W, 3] or [H, W, 4] of any number type; gives one alike."""
    photo = Photograph.from_array(pixels)
    hole = photo.hole_from_alpha() if mask is None else hole_of(mask, photo.size)
    filled = painter.fill_photograph(photo, hole, opaque=mask is None).to_array()
    changed = painter.changed(hole)
    result = pixels.copy()  # not `filled`: that is float32 where this is float64
    result[changed] = filled.reshape(pixels.shape)[changed]
    return result


def fill_tensor(painter: Painter, pictures: Tensor, mask: Mask | None) -> Tensor:
    """Fill a tensor [3, H, W] or [B, 3, H, W]; gives one alike, on its device.

    Raises:
        ImageError: it has another shape or type.
        MaskError: the mask does not fit, or is missing.
    """
    import torch

    shape = pictures.shape
    if pictures.ndim not in (3, 4) or shape[-3] != 3 or not pictures.is_floating_point():
        wanted = "floating point [3, H, W] or [B, 3, H, W]"
        raise ImageError(f"the picture is {pictures.dtype} {tuple(shape)}, want {wanted}")
    batch = pictures.detach().reshape(-1, *shape[-3:]).permute(0, 2, 3, 1).float().cpu().numpy()
    if mask is None:
        raise MaskError("a tensor has no alpha channel to take the hole from; give a mask")
    holes = holes_of(mask, len(batch), (shape[-2], shape[-1]))
    filled = [painter.fill(pixels, hole) for pixels, hole in zip(batch, holes, strict=True)]
    changed = torch.from_numpy(np.stack([painter.changed(hole) for hole in holes]))
    result = torch.from_numpy(np.stack(filled)).permute(0, 3, 1, 2).reshape(shape)
    inside = changed[:, None].expand(len(batch), *shape[-3:]).reshape(shape)
    return torch.where(inside.to(pictures.device), result.to(pictures), pictures)


def check_picture(pixels: Pixels) -> None:
    """Refuse with an `ImageError` what is no picture [H, W, 3]: uint8, uint16, or 0 to 1."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ImageError(f"the picture has the shape {pixels.shape}, want [height, width, 3]")
    if pixels.dtype not in (np.uint8, np.uint16) and pixels.dtype.kind != "f":
        raise ImageError(f"the picture is {pixels.dtype}, want uint8, uint16 or floating point")
    if pixels.dtype.kind == "f":
        low, high = float(pixels.min()), float(pixels.max())  # either is NaN if any sample is
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ImageError("the picture holds NaN or infinity, want finite numbers")
        if low < -_OVERSHOOT or high > 1 + _OVERSHOOT:
            raise ImageError(f"the picture holds {low:g} to {high:g}, want numbers from 0 to 1")
