"""One picture in one call."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from PIL import Image

from swapfill.inpainter import Inpainter, Pixels
from swapfill.mask_kinds import Mask, Source

if TYPE_CHECKING:
    from torch import Tensor


@overload
def inpaint(
    picture: "Source | Image.Image",
    hole: "Mask | None" = None,
    *,
    model: str | Path = "default",
    **options: Any,
) -> Image.Image: ...
@overload
def inpaint(
    picture: Pixels, hole: "Mask | None" = None, *, model: str | Path = "default", **options: Any
) -> Pixels: ...
@overload
def inpaint(
    picture: "Tensor", hole: "Mask | None" = None, *, model: str | Path = "default", **options: Any
) -> "Tensor": ...


def inpaint(
    picture: "Source | Image.Image | Pixels | Tensor",
    hole: "Mask | None" = None,
    *,
    model: str | Path = "default",
    **options: Any,
) -> "Image.Image | Pixels | Tensor":
    """Fill the hole of one picture; for many, keep an `Inpainter`.

    Args:
        picture: a path or a Pillow image (gives a Pillow image), an array [H, W], [H, W, 3] or
            [H, W, 4], or a tensor [3, H, W] or [B, 3, H, W] in [0, 1] (each gives its own kind).
        hole: a path, a Pillow image or an array of numbers, at least half white = missing; or a
            bool array or tensor, true = missing. None: where the picture is less than half opaque.
        model: the name of a packaged bundle, or the folder of one.
        **options: those of `Inpainter.load`: `engine`, `device`, `precision`, and any field of
            `FillSettings` (`scales`, `refine`, `matching`, `grow`, `feather`, `invert`, `seed`).

    Returns:
        The filled picture. Outside the hole (and its feather) it is equal to `picture`.

    Raises:
        SwapfillError: one of its children, with one line that names the input at fault.
    """
    return Inpainter.load(model, **options)(picture, hole)
