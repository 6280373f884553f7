"""Any picture, any hole: windows around the holes, each filled, blended and put back.

Outside the hole, and the feather if one is asked for, not a bit changes. Memory follows the hole:
only windows are converted to floating point, never the whole picture.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill import pipeline
from swapfill.blending import align_rim, composite
from swapfill.bundle import Bundle
from swapfill.config import FillSettings
from swapfill.engines import load_engine
from swapfill.errors import ImageError, MaskError, NoKnownPatchError
from swapfill.images import Photograph, read_hole
from swapfill.mask_kinds import Mask, Source, hole_of, holes_of, is_tensor
from swapfill.masks import Box, Hole, feather_weight, grow
from swapfill.planning import SMALLEST_SIDE, Piece, batches, plan_windows
from swapfill.windows import cut_known, enlarged

if TYPE_CHECKING:
    from torch import Tensor

    from swapfill.engines.interface import Engine

Floats: TypeAlias = NDArray[np.float32]
Pixels: TypeAlias = NDArray[Any]
FillWindows: TypeAlias = "Callable[[Engine[Any], Floats, Hole, FillSettings], Floats]"
OnProgress: TypeAlias = Callable[[int, int], None]

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # a library's notices are the program's to show

# Floating point pictures may leave [0, 1] by this much, as resampling makes them; what the
# networks see is clipped. Further out it is a picture in 0 to 255, or one with high dynamic range.
_OVERSHOOT = 0.1
_PIXELS_AT_ONCE = 1 << 20  # that are blended at once: 12 MB of float32


class Inpainter:
    """A loaded model; keep one for many pictures.

    Attributes:
        engine: runs the learned steps.
        settings: how holes are filled; frozen.
    """

    def __init__(
        self,
        engine: Engine[Any],
        settings: FillSettings,
        *,
        fill_windows: FillWindows = pipeline.fill_windows,
    ) -> None:
        """Take an engine; `fill_windows` is what fills a batch of windows with it."""
        self.engine = engine
        self.settings = settings
        self._fill_windows = fill_windows

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
            **settings: fields of `FillSettings` that are not to be as the bundle has them.

        Raises:
            BundleError: there is no such bundle, or it is damaged.
            DeviceError: the engine, device or precision is not there.
            ConfigError: a setting is unknown or out of range.
        """
        bundle = Bundle.open(model)
        asked = FillSettings.read({**bundle.config.fill.model_dump(), **settings}, "settings")
        return cls(load_engine(engine, bundle, device, precision), asked)

    def fill(self, pixels: Pixels, hole: Hole, *, on_progress: OnProgress | None = None) -> Pixels:
        """Fill a hole in a picture that is an array.

        Args:
            pixels: [H, W, 3], RGB: uint8, uint16, or floating point in [0, 1].
            hole: [H, W], bool, true where to fill. It is inverted and grown as the settings say.
            on_progress: called with the number of windows done, and of all, after each batch.

        Returns:
            A new array of the same shape and type. Outside the hole (and its feather) it is equal
            to `pixels` bit for bit; with an empty hole, everywhere, which is logged as a warning.

        Raises:
            ImageError: `pixels` is no such array.
            MaskError: `hole` is no such array, or leaves nothing known.
        """
        _check_picture(pixels)
        size = (pixels.shape[0], pixels.shape[1])
        missing = self._missing(hole, size)
        if not missing.any():
            log.warning("the hole is empty: the picture is unchanged")
        factor = SMALLEST_SIDE // max(size)
        if factor > 1 and missing.any():
            return self._fill_enlarged(pixels, missing, factor, on_progress)
        result, left = pixels.copy(), missing.copy()
        pieces = plan_windows(missing, margin=self.settings.feather)
        done = 0
        for batch in batches(pieces, size):
            self._fill_batch(result, left, batch)
            done += len(batch)
            if on_progress:
                on_progress(done, len(pieces))
        return result

    def changed(self, hole: Hole) -> Hole:
        """Tell which pixels `fill` may change: the hole, inverted, grown, and its feather."""
        return self._feathered(self._missing(hole, (hole.shape[0], hole.shape[1])))

    def _feathered(self, missing: Hole) -> Hole:
        # The feather is 0 from its radius on: all that is strictly nearer.
        return grow(missing, math.sqrt(max(self.settings.feather**2 - 0.5, 0)))

    def _fill_enlarged(
        self, pixels: Pixels, missing: Hole, factor: int, on_progress: OnProgress | None
    ) -> Pixels:
        """Fill a picture far smaller than a window, shown to the networks `factor` times as large.

        Mirrored up to a window instead, it would be holes all over, with no patch to copy between.
        """
        feather = factor * self.settings.feather
        asked = {"grow": 0, "invert": False, "feather": feather}
        settings = self.settings.model_copy(update=asked)
        painter = Inpainter(self.engine, settings, fill_windows=self._fill_windows)
        large = [part.repeat(factor, axis=0).repeat(factor, axis=1) for part in (pixels, missing)]
        filled = painter.fill(large[0], large[1], on_progress=on_progress)
        height, width = missing.shape
        blocks = filled.reshape(height, factor, width, factor, 3).mean(axis=(1, 3), dtype=float)
        small = (np.rint(blocks) if pixels.dtype.kind == "u" else blocks).astype(pixels.dtype)
        return np.where(self._feathered(missing)[..., None], small, pixels)

    def _missing(self, hole: Hole, size: tuple[int, int]) -> Hole:
        """Check the hole, and apply the settings to it."""
        if hole.dtype != np.bool_ or hole.shape != size:
            raise MaskError(f"the hole is {hole.dtype} {hole.shape}, want bool {size}")
        missing = grow(~hole if self.settings.invert else hole, self.settings.grow)
        if missing.all():
            raise MaskError(f"the hole covers all {size[0]} x {size[1]} pixels, want known ones")
        return missing

    def _fill_batch(self, result: Pixels, left: Hole, batch: Sequence[Piece]) -> None:
        """Fill one piece or more of `result`, in place, and take them out of what is `left`."""
        crops = [cut_known(result, left, piece.window) for piece in batch]
        incomplete = np.stack([known for known, _ in crops]) / np.float32(_white(result.dtype))
        np.clip(incomplete, 0, 1, out=incomplete)
        filled = self._filled(incomplete, np.stack([hole for _, hole in crops]))
        for piece, fill, known, (_, hole) in zip(batch, filled, incomplete, crops, strict=True):
            unsure = grow(hole, math.ceil(self.settings.feather / piece.window.scale))
            _write(result, piece, align_rim(fill, known, unsure), self.settings.feather)
            left[piece.box.slices] &= ~piece.part

    def _filled(self, incomplete: Floats, holes: Hole) -> Floats:
        """Fill windows [B, S, S, 3]; black where there is nothing to copy: blending lifts it."""
        try:
            return self._fill_windows(self.engine, incomplete, holes, self.settings)
        except NoKnownPatchError as error:
            if len(incomplete) == 1:
                log.warning("a window is filled smoothly: %s", error)
                return np.zeros_like(incomplete)
        each = [self._filled(incomplete[i : i + 1], holes[i : i + 1]) for i in range(len(holes))]
        return np.concatenate(each)

    def fill_photograph(
        self,
        photo: Photograph,
        hole: Hole,
        *,
        opaque: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Photograph:
        """Fill a photograph of any mode.

        Args:
            photo: the picture; its format, mode and metadata stay.
            hole: as for `fill`.
            opaque: make what was filled opaque; otherwise alpha stays as it is.
            on_progress: as for `fill`.

        Raises:
            MaskError: as `fill` does.
        """
        filled = self.fill(photo.rgb, hole, on_progress=on_progress)
        return photo.with_fill(filled, self.changed(hole), opaque=opaque)

    def inpaint_file(
        self,
        photo: Source,
        mask: Source | None,
        output: Source,
        *,
        fit_mask: bool = False,
        quality: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Fill a picture file into another one, of the same format, depth and metadata.

        Args:
            photo: the picture.
            mask: white where it is to be filled; None: where the picture is transparent.
            output: where to write; the suffix names the format.
            fit_mask: bring a mask of another size to that of the picture.
            quality: of JPEG and WebP, 1 to 100; None keeps that of the photo.
            on_progress: as for `fill`.

        Raises:
            ImageError: the picture cannot be read.
            MaskError: the mask cannot be read, does not fit, or leaves nothing known.
            OutputError: the result cannot be written; what was there before is untouched.
        """
        picture = Photograph.open(Path(photo))
        if mask is None:
            hole = picture.hole_from_alpha()
        else:
            hole = read_hole(Path(mask), picture.size, fit=fit_mask)
        filled = self.fill_photograph(picture, hole, opaque=mask is None, on_progress=on_progress)
        filled.save(Path(output), quality=quality)

    @overload
    def __call__(self, picture: Source | Image.Image, hole: Mask | None = None) -> Image.Image: ...
    @overload
    def __call__(self, picture: Pixels, hole: Mask | None = None) -> Pixels: ...
    @overload
    def __call__(self, picture: Tensor, hole: Mask | None = None) -> Tensor: ...

    def __call__(
        self, picture: Source | Image.Image | Pixels | Tensor, hole: Mask | None = None
    ) -> Image.Image | Pixels | Tensor:
        """Fill a picture of any kind, and give the same kind.

        Args:
            picture: one of
                a path: gives a Pillow image, upright (for a file as faithful as the first, and for
                16-bit colour, which Pillow has no mode for, take `inpaint_file`);
                a Pillow image: gives one of the same mode;
                an array [H, W], [H, W, 3] or [H, W, 4]: gives one of the same type;
                a tensor [3, H, W] or [B, 3, H, W], floating point in [0, 1]: gives one alike.
            hole: a path, a Pillow image or an array of numbers: at least half white is missing; a
                bool array or tensor: true is missing. None: what is less than half opaque.

        Raises:
            ImageError: the picture cannot be read, or is of no such kind.
            MaskError: the mask cannot be read, does not fit, or leaves nothing known.
        """
        if is_tensor(picture):
            return self._fill_tensor(picture, hole)
        if isinstance(picture, np.ndarray):
            return self._fill_array(picture, hole)
        if isinstance(picture, Image.Image):
            photo = Photograph.from_pil(picture)
        elif isinstance(picture, str | PathLike):
            photo = Photograph.open(Path(picture))
        else:
            kinds = "a path, a Pillow image, an array or a tensor"
            raise ImageError(f"the picture is a {type(picture).__name__}, want {kinds}")
        missing = photo.hole_from_alpha() if hole is None else hole_of(hole, photo.size)
        return self.fill_photograph(photo, missing, opaque=hole is None).to_pil()

    def _fill_array(self, pixels: Pixels, mask: Mask | None) -> Pixels:
        photo = Photograph.from_array(pixels)
        hole = photo.hole_from_alpha() if mask is None else hole_of(mask, photo.size)
        filled = self.fill_photograph(photo, hole, opaque=mask is None).to_array()
        changed = self.changed(hole)
        result = pixels.copy()  # not `filled`: that is float32 where this is float64
        result[changed] = filled.reshape(pixels.shape)[changed]
        return result

    def _fill_tensor(self, pictures: Tensor, mask: Mask | None) -> Tensor:
        import torch

        shape = pictures.shape
        if pictures.ndim not in (3, 4) or shape[-3] != 3 or not pictures.is_floating_point():
            wanted = "floating point [3, H, W] or [B, 3, H, W]"
            raise ImageError(f"the picture is {pictures.dtype} {tuple(shape)}, want {wanted}")
        batch = pictures.detach().reshape(-1, *shape[-3:]).permute(0, 2, 3, 1).float().cpu().numpy()
        if mask is None:
            raise MaskError("a tensor has no alpha channel to take the hole from; give a mask")
        holes = holes_of(mask, len(batch), (shape[-2], shape[-1]))
        filled = [self.fill(pixels, hole) for pixels, hole in zip(batch, holes, strict=True)]
        changed = torch.from_numpy(np.stack([self.changed(hole) for hole in holes]))
        result = torch.from_numpy(np.stack(filled)).permute(0, 3, 1, 2).reshape(shape)
        inside = changed[:, None].expand(len(batch), *shape[-3:]).reshape(shape)
        return torch.where(inside.to(pictures.device), result.to(pictures), pictures)


def _write(result: Pixels, piece: Piece, filled: Floats, feather: int) -> None:
    """Put a filled window's piece into the picture, band by band; in place."""
    size = (result.shape[0], result.shape[1])
    zone = piece.box.widened(feather, size)
    rows = max(_PIXELS_AT_ONCE // zone.width, 1)
    white = _white(result.dtype)
    for top in range(zone.top, zone.bottom, rows):
        band = Box(top, zone.left, min(top + rows, zone.bottom), zone.right)
        weight = _weight(piece, band, size, feather)
        before = result[band.slices]
        known = before.astype(np.float32) / np.float32(white)
        after = composite(weight, enlarged(filled, piece.window, band), known) * white
        if result.dtype.kind == "u":
            after = np.rint(after)
        np.copyto(before, after.astype(result.dtype), where=(weight > 0)[..., None])


def _weight(piece: Piece, band: Box, size: tuple[int, int], feather: int) -> Floats:
    """Weigh the fill in a band of the piece and its feather.

    The feather runs over the fill of earlier pieces too, so that two of them meet softly.
    """
    wide = band.widened(feather, size)  # what the weights in the band depend on
    own = np.zeros((wide.height, wide.width), np.bool_)
    top, left = max(wide.top, piece.box.top), max(wide.left, piece.box.left)
    seen = Box(top, left, min(wide.bottom, piece.box.bottom), min(wide.right, piece.box.right))
    part = piece.part[seen.shifted(-piece.box.top, -piece.box.left).slices]
    own[seen.shifted(-wide.top, -wide.left).slices] = part
    return feather_weight(own, feather)[band.shifted(-wide.top, -wide.left).slices]


def _white(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else 1


def _check_picture(pixels: Pixels) -> None:
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
