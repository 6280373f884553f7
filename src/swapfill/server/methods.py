"""The classical methods of `swapfill.evaluation` that are installed, for a comparison."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from swapfill.errors import ConfigError, MaskError
from swapfill.evaluation.methods import METHODS, classical
from swapfill.evaluation.methods.interface import Method, Wanted
from swapfill.images import Photograph
from swapfill.masks import Hole, grow
from swapfill.server.options import InpaintOptions

# Those that end in seconds whatever the picture: nothing can interrupt them.
_OFFERED = (classical.TELEA, classical.NAVIER_STOKES, classical.MEAN)


def offered() -> dict[str, Method]:
    """Give the methods that can be asked for here, by name."""
    return {method.name: method for method in _OFFERED if _is_installed(method)}


def _is_installed(method: Method) -> bool:
    try:
        method.describe(Wanted(method.name))
    except ConfigError:
        return False
    return method.name in METHODS


def fill_photograph(
    method: Method, photo: Photograph, hole: Hole, options: InpaintOptions, *, opaque: bool
) -> Photograph:
    """Fill a photograph as `swapfill evaluate` has the method do it: in 8 bits, at full size.

    Raises:
        MaskError: nothing is known.
    """
    missing = grow(~hole if options.invert else hole, options.grow or 0)
    if missing.all():
        height, width = photo.size
        raise MaskError(f"the hole covers all {height} x {width} pixels, want known ones")
    if not missing.any():
        return photo
    seen = np.where(missing[..., None], 0, in_bytes(photo.rgb))
    filled = method.load(Wanted(method.name))(np.ascontiguousarray(seen, np.uint8), missing)
    return photo.with_fill(_of_type(filled, photo.rgb.dtype), missing, opaque=opaque)


def in_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Give samples of any type, white as the type has it, as 0 to 255."""
    if pixels.dtype.kind == "u":
        return np.asarray(pixels // (np.iinfo(pixels.dtype).max // 255), np.uint8)
    return np.asarray(np.rint(np.clip(pixels, 0, 1) * 255), np.uint8)


def _of_type(pixels: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "u":
        return np.asarray(pixels * dtype.type(np.iinfo(dtype).max // 255), dtype)
    return np.asarray(pixels / dtype.type(255), dtype)
