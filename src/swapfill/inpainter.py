"""Any picture, any hole: windows around the holes, each filled, blended and put back.

Outside the hole, and the feather if one is asked for, not a bit changes. Memory follows the hole:
only windows are converted to floating point, never the whole picture.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from copy import copy
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill import pipeline
from swapfill.arrays import check_picture, fill_array, fill_tensor
from swapfill.blending import align_rim
from swapfill.config import FillSettings
from swapfill.detail import Copy, can_copy, fill_with_copy
from swapfill.engines import load_model
from swapfill.errors import ImageError, MaskError, NoKnownPatchError
from swapfill.images import Photograph
from swapfill.lots import Asked, Lots, SharedLots, Turns
from swapfill.mask_kinds import Mask, Source, hole_of, is_tensor
from swapfill.masks import Hole, grow
from swapfill.placing import put_piece, white_of
from swapfill.planning import SMALLEST_SIDE, Piece, plan_zone
from swapfill.unfilled import Unfilled
from swapfill.windows import cut_known

if TYPE_CHECKING:
    from torch import Tensor

    from swapfill.engines.interface import Engine

Floats: TypeAlias = NDArray[np.float32]
Pixels: TypeAlias = NDArray[Any]
FillWindows: TypeAlias = "Callable[[Engine[Any], Floats, Hole, FillSettings], Floats]"
OnProgress: TypeAlias = Callable[[int, int], None]
Result = TypeVar("Result")

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # a library's notices are the program's to show


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
        self._lots: Lots | SharedLots = self._own_lots()

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
            engine: `torch`, `onnx`, or `auto`: torch where it has an accelerator, otherwise onnx.
            device: `auto`, `cpu`, `cuda`, `cuda:1`; with torch `mps`; with onnx `directml`,
                `coreml`, `openvino`.
            precision: `auto` or `fp32`; with torch `bf16`, with onnx `int8`.
            **settings: fields of `FillSettings` that are not to be as the bundle has them.

        Raises:
            BundleError: there is no such bundle, or it is damaged.
            DeviceError: the engine, device or precision is not there.
            ConfigError: a setting is unknown or out of range.
        """
        return cls(*load_model(model, engine, device, precision, **settings))

    @contextmanager
    def shared(self) -> Iterator[Self]:
        """Give an inpainter that many threads may use at once, until the block ends.

        Their windows go through the engine together; each picture is filled as it would be alone.
        """
        with closing(Turns()) as turns:
            yield self.sharing(turns)

    def sharing(self, turns: Turns, **settings: Any) -> Self:
        """Give an inpainter with settings of its own that takes turns with others on the device.

        Args:
            turns: runs the engine, until they are closed; many threads may fill at once.
            **settings: as for `load`, which raises the same `ConfigError`.
        """
        asked = FillSettings.read({**self.settings.model_dump(), **settings}, "settings")
        other = self._with(asked, self._lots)
        other._lots = SharedLots(other._own_lots(), turns)
        return other

    def _own_lots(self) -> Lots:
        engine, fill, settings = self.engine, self._fill_windows, self.settings
        # What is done around the windows does not part them.
        inner = settings.model_copy(update={"grow": 0, "feather": 0, "invert": False})
        # Methods that are judged beside ours fill windows without an engine.
        device = getattr(engine, "device", "cpu")
        key = (id(engine), fill, inner)
        return Lots(lambda known, hole: fill(engine, known, hole, settings), device, key)

    def _with(self, settings: FillSettings, lots: Lots | SharedLots) -> Self:
        other = copy(self)
        other.settings, other._lots = settings, lots
        return other

    def fill(self, pixels: Pixels, hole: Hole, *, on_progress: OnProgress | None = None) -> Pixels:
        """Fill a hole in a picture that is an array.

        Args:
            pixels: [H, W, 3], RGB: uint8, uint16, or floating point in [0, 1].
            hole: [H, W], bool, true where to fill. It is inverted and grown as the settings say.
            on_progress: called with the number of windows done, and of all: with none done once
                they are planned, then after each batch.

        Returns:
            A new array of the same shape and type. Outside the hole (and its feather) it is equal
            to `pixels` bit for bit; with an empty hole, everywhere, which is logged as a warning.

        Raises:
            ImageError: `pixels` is no such array.
            MaskError: `hole` is no such array, or leaves nothing known.
        """
        check_picture(pixels)
        size = (pixels.shape[0], pixels.shape[1])
        missing = self._missing(hole, size)
        if not missing.any():
            log.warning("the hole is empty: the picture is unchanged")
        factor = SMALLEST_SIDE // max(size)
        if factor > 1 and missing.any():
            return self._fill_enlarged(pixels, missing, factor, on_progress)
        result = pixels.copy()
        if missing.any():
            zone, plan = plan_zone(missing, margin=self.settings.feather)
            self._fill_zone(result[zone.slices], missing[zone.slices].copy(), plan, on_progress)
        return result

    def _fill_zone(
        self, result: Pixels, left: Hole, plan: list[list[Piece]], on_progress: OnProgress | None
    ) -> None:
        """Fill the part of a picture that the windows lie in, in place."""
        tell = on_progress or (lambda done, of_all: None)
        done, of_all = 0, sum(len(batch) for batch in plan)
        tell(done, of_all)
        for batch in plan:
            self._fill_batch(result, left, batch)
            done += len(batch)
            tell(done, of_all)

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
        painter = self._with(self.settings.model_copy(update=asked), self._lots)
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
        missing = ~hole if self.settings.invert else hole
        if self.settings.grow:  # else no copy: of a large picture it counts
            missing = grow(missing, self.settings.grow)
        if missing.all():
            raise MaskError(f"the hole covers all {size[0]} x {size[1]} pixels, want known ones")
        return missing

    def _fill_batch(self, result: Pixels, left: Hole, batch: Sequence[Piece]) -> None:
        """Fill one piece or more of `result`, in place, and take them out of what is `left`."""
        crops = [cut_known(result, left, piece.window) for piece in batch]
        known = np.stack([pixels for pixels, _ in crops]) / np.float32(white_of(result.dtype))
        np.clip(known, 0, 1, out=known)
        asked = Asked(known, np.stack([hole for _, hole in crops]))
        filled, copies = self._filled(asked, batch[0].window.scale)
        for piece, fill, *window in zip(batch, filled, *asked, strict=True):
            unsure = grow(window[1], math.ceil(self.settings.feather / piece.window.scale))
            whole = align_rim(fill, window[0], unsure)
            put_piece(result, piece, whole, self.settings.feather, copies)
            left[piece.box.slices] &= ~piece.part

    def _filled(self, asked: Asked, scale: int) -> tuple[Floats, Copy | None]:
        """Fill windows; of a reduced one, which is alone, give also what copies its pieces."""
        plain = self._fill_windows is pipeline.fill_windows
        if scale == 1 or not plain or not can_copy(asked.hole.shape[1], self.settings):
            return self._lots(asked), None
        with suppress(NoKnownPatchError):  # then it is filled smoothly, as all others are
            return self._in_turn(lambda: fill_with_copy(self.engine, *asked, self.settings))
        return self._lots(asked), None

    def _in_turn(self, work: Callable[[], Result]) -> Result:
        """Use the engine, on its own thread where it is shared."""
        return self._lots.turns.run(work) if isinstance(self._lots, SharedLots) else work()

    def fill_photograph(
        self,
        photo: Photograph,
        hole: Hole | Callable[[], Hole],
        *,
        opaque: bool = False,
        reuse: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Photograph:
        """Fill a photograph of any mode.

        Args:
            photo: the picture; its format, mode and metadata stay.
            hole: as for `fill`; or what gives it, so that of a large one only the part that matters
                is kept while networks run.
            opaque: make what was filled opaque; otherwise alpha stays as it is.
            reuse: fill the samples of `photo`, which is then spent: of a large one a copy counts.
            on_progress: as for `fill`.

        Raises:
            MaskError: as `fill` does.
        """
        hole = hole() if callable(hole) else hole
        missing = self._missing(hole, photo.size)
        if max(photo.size) < SMALLEST_SIDE or not missing.any():
            filled = self.fill(photo.rgb, hole, on_progress=on_progress)
            return photo.with_fill(filled, self._feathered(missing), opaque=opaque)
        check_picture(photo.rgb)
        zone, plan = plan_zone(missing, margin=self.settings.feather)
        part, missing = photo.rgb[zone.slices].copy(), missing[zone.slices].copy()
        del hole  # the whole of it, if nobody else has use for it
        self._fill_zone(part, missing.copy(), plan, on_progress)
        changed = self._feathered(missing)
        return photo.with_fill(part, changed, box=zone, opaque=opaque, reuse=reuse)

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
        where = None if mask is None else Path(mask)
        unfilled = Unfilled.read(Path(photo), where, fit_mask=fit_mask)
        unfilled.fill(self, on_progress).save(Path(output), quality=quality)

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
            return fill_tensor(self, picture, hole)
        if isinstance(picture, np.ndarray):
            return fill_array(self, picture, hole)
        if isinstance(picture, Image.Image):
            photo = Photograph.from_pil(picture)
        elif isinstance(picture, str | PathLike):
            photo = Photograph.open(Path(picture))
        else:
            kinds = "a path, a Pillow image, an array or a tensor"
            raise ImageError(f"the picture is a {type(picture).__name__}, want {kinds}")
        missing = photo.hole_from_alpha() if hole is None else hole_of(hole, photo.size)
        return self.fill_photograph(photo, missing, opaque=hole is None).to_pil()
