"""One picture in one call."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from PIL import Image

from swapfill.inpainter import Inpainter, Pixels
from swapfill.mask_kinds import Mask, Source
from swapfill.style import Picture, Stylist

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


@overload
def stylize(
    content: "Source | Image.Image",
    styles: "Picture | Sequence[Picture]",
    mask: "Mask | None" = None,
    *,
    weights: Sequence[float] | None = None,
    model: str | Path = "default",
    **options: Any,
) -> Image.Image: ...
@overload
def stylize(
    content: Pixels,
    styles: "Picture | Sequence[Picture]",
    mask: "Mask | None" = None,
    *,
    weights: Sequence[float] | None = None,
    model: str | Path = "default",
    **options: Any,
) -> Pixels: ...
@overload
def stylize(
    content: "Tensor",
    styles: "Picture | Sequence[Picture]",
    mask: "Mask | None" = None,
    *,
    weights: Sequence[float] | None = None,
    model: str | Path = "default",
    **options: Any,
) -> "Tensor": ...


def stylize(
    content: "Picture",
    styles: "Picture | Sequence[Picture]",
    mask: "Mask | None" = None,
    *,
    weights: Sequence[float] | None = None,
    model: str | Path = "default",
    **options: Any,
) -> "Image.Image | Pixels | Tensor":
    """Give one picture the style of others; for many, keep a `Stylist`.

    Args:
        content: a path or a Pillow image (gives a Pillow image), an array [H, W] or [H, W, 1 to 4],
            or a tensor [3, H, W] in [0, 1] (each gives its own kind).
        styles: one such picture, or several; each at least 12 pixels a side.
        mask: where to work: white, or true. None: everywhere.
        weights: how much of each style; equal unless given.
        model: the name of a packaged bundle, or the folder of one.
        **options: those of `Stylist.load`: `device`, `precision`, and any field of `StyleSettings`
            (`strength`, `keep_colours`, `coarsest`, `style_scale`, `tone`, `detail`).

    Returns:
        The picture; outside the mask it is equal to `content`.

    Raises:
        SwapfillError: one of its children, with one line that names the input at fault.
    """
    return Stylist.load(model, **options)(content, styles, mask, weights=weights)
