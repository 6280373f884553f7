"""Style transfer of pictures of any kind: files, Pillow images, arrays and tensors.

Size, format, mode, depth, profile, EXIF and alpha stay the content's; with a mask, every sample
outside of it too, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill.bundle import Bundle
from swapfill.engines import load_engine
from swapfill.errors import ConfigError, DeviceError, ImageError
from swapfill.images import Photograph, read_hole
from swapfill.mask_kinds import Mask, Source, hole_of, is_tensor
from swapfill.masks import Hole
from swapfill.style_settings import LEAST_SIDE, StyleSettings

if TYPE_CHECKING:
    from torch import Tensor

    from swapfill.engines.interface import Engine

Pixels: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float32]
Picture: TypeAlias = "Source | Image.Image | Pixels | Tensor"
OnProgress: TypeAlias = Callable[[int, int], None]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class Stylist:
    """A loaded model that gives pictures the style of others; keep one for many.

    Attributes:
        engine: runs the encoder and Feature2Image.
        settings: frozen.
    """

    def __init__(self, engine: Engine[Tensor], settings: StyleSettings | None = None) -> None:
        """Take an engine of tensors.

        Raises:
            DeviceError: it is another one; matching between two pictures runs on PyTorch.
        """
        if engine.name != "torch":
            raise DeviceError(f"engine {engine.name!r} cannot transfer style, want torch")
        self.engine = engine
        self.settings = settings or StyleSettings()

    @classmethod
    def load(
        cls,
        model: str | Path = "default",
        *,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        **settings: Any,
    ) -> Self:
        """Load a bundle.

        Args:
            model: the name of a packaged bundle, or the folder of one.
            engine: `auto` or `torch`.
            device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
            precision: `auto`, `fp32` or `bf16`.
            **settings: fields of `StyleSettings`.

        Raises:
            BundleError: there is no such bundle, or it is damaged.
            DeviceError: the engine, device or precision is not there.
            ConfigError: a setting is unknown or out of range.
        """
        asked = StyleSettings.read(settings, "settings")
        name = "torch" if engine == "auto" else engine
        return cls(load_engine(name, Bundle.open(model), device, precision), asked)

    def stylize_photograph(
        self,
        content: Photograph,
        styles: Sequence[Photograph],
        *,
        weights: Sequence[float] | None = None,
        where: Hole | None = None,
        on_progress: OnProgress | None = None,
    ) -> Photograph:
        """Give a photograph of any mode the style of others.

        Args:
            content: the picture; its format, mode and metadata stay.
            styles: one or more, each at least 12 pixels a side (a patch).
            weights: how much of each style, any positive numbers; equal unless given.
            where: [H, W], true where to work; elsewhere every sample stays. None: everywhere.
            on_progress: called with the number of tiles done, and of all.

        Returns:
            The picture; `content` itself where there is nothing to do (strength 0).

        Raises:
            ImageError: a style is smaller than a patch.
            ConfigError: the weights do not fit the styles.
        """
        shares = _shares(weights, len(styles))
        for style in styles:
            _check_style(style)
        everywhere = np.ones(content.size, np.bool_) if where is None else where
        if self.settings.strength == 0 or not everywhere.any():
            return content
        pixels = _unit(content.rgb)
        pictures = [_unit(style.rgb) for style in styles]
        if self.settings.keep_colours:
            pictures = [_in_the_light_of(pixels, picture) for picture in pictures]
        result = self._transfer(pixels, pictures, shares, where, on_progress)
        if self.settings.keep_colours:
            result = pixels + (result @ _LUMA - pixels @ _LUMA)[..., None]
        return content.with_fill(_of_type(result, content.rgb.dtype), everywhere)

    def _transfer(
        self,
        content: Floats,
        styles: Sequence[Floats],
        weights: Sequence[float],
        where: Hole | None,
        on_progress: OnProgress | None,
    ) -> Floats:
        import torch

        from swapfill.style_transfer import stylise

        def tensor(pixels: Floats) -> Tensor:
            return torch.from_numpy(pixels).permute(2, 0, 1).to(self.engine.device)

        mask = None if where is None else torch.from_numpy(where.copy())
        with torch.inference_mode():
            image = stylise(
                self.engine,
                tensor(content),
                [tensor(style) for style in styles],
                weights,
                self.settings,
                where=mask,
                on_progress=on_progress,
            )
        return image.permute(1, 2, 0).cpu().numpy()

    def stylize_file(
        self,
        content: Source,
        styles: Sequence[Source],
        output: Source,
        *,
        mask: Source | None = None,
        weights: Sequence[float] | None = None,
        fit_mask: bool = False,
        quality: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Give a picture file a style, into a file of the same format, depth and metadata.

        Args:
            content: the picture.
            styles: picture files.
            output: where to write; the suffix names the format.
            mask: white where to work; None: everywhere.
            weights: as for `stylize_photograph`.
            fit_mask: bring a mask of another size to that of the picture.
            quality: of JPEG and WebP, 1 to 100; None keeps that of the content.
            on_progress: as for `stylize_photograph`.

        Raises:
            ImageError: a picture cannot be read, or a style is smaller than a patch.
            MaskError: the mask cannot be read or does not fit.
            ConfigError: the weights do not fit the styles.
            OutputError: the result cannot be written; what was there before is untouched.
        """
        picture = Photograph.open(Path(content))
        where = None if mask is None else read_hole(Path(mask), picture.size, fit=fit_mask)
        photographs = [Photograph.open(Path(style)) for style in styles]
        result = self.stylize_photograph(
            picture, photographs, weights=weights, where=where, on_progress=on_progress
        )
        result.save(Path(output), quality=quality)

    @overload
    def __call__(
        self,
        content: Source | Image.Image,
        styles: Picture | Sequence[Picture],
        mask: Mask | None = None,
        *,
        weights: Sequence[float] | None = None,
    ) -> Image.Image: ...
    @overload
    def __call__(
        self,
        content: Pixels,
        styles: Picture | Sequence[Picture],
        mask: Mask | None = None,
        *,
        weights: Sequence[float] | None = None,
    ) -> Pixels: ...
    @overload
    def __call__(
        self,
        content: Tensor,
        styles: Picture | Sequence[Picture],
        mask: Mask | None = None,
        *,
        weights: Sequence[float] | None = None,
    ) -> Tensor: ...

    def __call__(
        self,
        content: Picture,
        styles: Picture | Sequence[Picture],
        mask: Mask | None = None,
        *,
        weights: Sequence[float] | None = None,
    ) -> Image.Image | Pixels | Tensor:
        """Give a picture of any kind a style, and give the same kind.

        Args:
            content: a path or a Pillow image (gives a Pillow image), an array [H, W] or [H, W, 1 to
                4], or a tensor [3, H, W] in [0, 1] (each gives its own kind).
            styles: one such picture, or several.
            mask: a path, a Pillow image, an array or a tensor: at least half white, or true, is
                where to work. None: everywhere.
            weights: as for `stylize_photograph`.

        Raises:
            ImageError: a picture cannot be read, is of no such kind, or too small for a style.
            MaskError: the mask cannot be read, or does not fit.
            ConfigError: the weights do not fit the styles.
        """
        photo = _photograph(content, "the content")
        several = list(styles) if isinstance(styles, list | tuple) else [styles]
        photographs = [_photograph(style, "the style") for style in several]
        where = None if mask is None else hole_of(mask, photo.size)
        result = self.stylize_photograph(photo, photographs, weights=weights, where=where)
        if is_tensor(content):
            import torch

            return torch.from_numpy(result.to_array()).permute(2, 0, 1).to(content)
        if isinstance(content, np.ndarray):
            changed = result.to_array().reshape(content.shape).astype(content.dtype)
            # Not what a detour through float32 made of what stays.
            return changed if where is None else np.where(_like(where, content), changed, content)
        return result.to_pil()


def _photograph(picture: Any, name: str) -> Photograph:
    if is_tensor(picture):
        if picture.ndim != 3 or picture.shape[0] != 3 or not picture.is_floating_point():
            found = f"{picture.dtype} {tuple(picture.shape)}"
            raise ImageError(f"{name} is {found}, want floating point [3, H, W]")
        return Photograph.from_array(picture.detach().permute(1, 2, 0).cpu().float().numpy(), name)
    if isinstance(picture, np.ndarray):
        return Photograph.from_array(picture, name)
    if isinstance(picture, Image.Image):
        return Photograph.from_pil(picture, name)
    if isinstance(picture, str | Path):
        return Photograph.open(picture)
    kinds = "a path, a Pillow image, an array or a tensor"
    raise ImageError(f"{name} is a {type(picture).__name__}, want {kinds}")


def _like(where: Hole, content: Pixels) -> Hole:
    return where if content.ndim == 2 else where[..., None]


def _check_style(style: Photograph) -> None:
    height, width = style.size
    if min(height, width) < LEAST_SIDE:
        raise ImageError(
            f"{style.name}: is {width} x {height} pixels, want a style of at least"
            f" {LEAST_SIDE} x {LEAST_SIDE}, one patch"
        )


def _shares(weights: Sequence[float] | None, count: int) -> list[float]:
    """Check the weights and bring their sum to 1."""
    if count == 0:
        raise ConfigError("there is no style, want one or more")
    given = [1.0] * count if weights is None else [float(weight) for weight in weights]
    if len(given) != count:
        raise ConfigError(f"there are {len(given)} weights for {count} styles, want one for each")
    if not all(0 <= weight < np.inf for weight in given) or sum(given) == 0:
        raise ConfigError(f"weights are {given}, want numbers from 0 on, not all 0")
    return [weight / sum(given) for weight in given]


def _unit(pixels: Pixels) -> Floats:
    """Bring samples to float32 in [0, 1]."""
    white = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
    return np.asarray(np.clip(pixels.astype(np.float32) / np.float32(white), 0, 1), np.float32)


def _of_type(pixels: Floats, dtype: np.dtype[Any]) -> Pixels:
    """Undo `_unit`."""
    pixels = np.clip(pixels, 0, 1)
    if dtype.kind != "u":
        return pixels.astype(dtype)
    return np.asarray(np.rint(pixels * np.float32(np.iinfo(dtype).max)), dtype)


def _in_the_light_of(content: Floats, style: Floats) -> Floats:
    """Turn a style grey, with the mean and the deviation of the content's brightness."""
    light, wanted = style @ _LUMA, content @ _LUMA
    grey = (light - light.mean()) / max(float(light.std()), 1e-3) * wanted.std() + wanted.mean()
    return np.repeat(np.clip(grey, 0, 1)[..., None], 3, axis=2).astype(np.float32)
