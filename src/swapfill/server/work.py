"""What is done with a request's pictures: read, filled or styled, written in their own format."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from swapfill.allocation import make_room_for
from swapfill.config import FillSettings
from swapfill.errors import ConfigError
from swapfill.images import Photograph, read_hole
from swapfill.masks import Hole
from swapfill.server import methods
from swapfill.server.batching import Devices
from swapfill.server.limits import check_extent
from swapfill.server.options import InpaintOptions, PreviewOptions, StyleOptions
from swapfill.server.preview import preview_of

OnProgress = Callable[[int, int], None]

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "GIF": "image/gif",
}


@dataclass(frozen=True)
class Order:
    """What a request asks for: picture files as they came, and options that have been checked."""

    options: InpaintOptions | StyleOptions | PreviewOptions
    picture: bytes = field(repr=False)
    mask: bytes | None = field(default=None, repr=False)
    styles: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def kind(self) -> Literal["inpaint", "style", "preview"]:
        """Name what is asked for."""
        if isinstance(self.options, PreviewOptions):
            return "preview"
        return "inpaint" if isinstance(self.options, InpaintOptions) else "style"

    @property
    def bytes(self) -> int:
        """Count what the files take."""
        return sum(map(len, (self.picture, self.mask or b"", *self.styles)))


@dataclass(frozen=True)
class Answer:
    """A picture file, and how it was made; a preview was made by no model."""

    content: bytes = field(repr=False)
    media_type: str
    size: tuple[int, int]
    seconds: float
    hole_pixels: int = 0
    windows: int = 0
    model: str = ""
    engine: str = ""


class Workshop:
    """Does orders, each in the thread that calls; the devices are shared.

    Args:
        devices: where the models are.
        pixels: that a picture may have.
    """

    def __init__(self, devices: Devices, pixels: int) -> None:
        self.devices, self._pixels = devices, pixels
        self.models = list(devices.bundles)
        self.methods = methods.offered()

    def check(self, order: Order) -> None:
        """Refuse, before it waits, what names something that is not here.

        Raises:
            ConfigError: the model or the method is not here, or the settings do not fit.
        """
        if isinstance(order.options, PreviewOptions):
            return
        self._model(order)
        if isinstance(order.options, InpaintOptions):
            FillSettings.read(order.options.fill_settings(), "settings")

    def do(self, order: Order, on_progress: OnProgress) -> Answer:
        """Do an order.

        Args:
            order: one that `check` lets pass.
            on_progress: called with the windows done and in all, once that is known and after each
                batch of them; what it raises ends the work.

        Raises:
            SwapfillError: a picture, mask or setting is refused.
            ProblemError: a picture has more pixels than the server takes.
        """
        start = time.perf_counter()
        on_progress(0, 0)
        for name, file in self._named(order):
            check_extent(file, name, self._pixels)
        photo = Photograph.from_bytes(order.picture, "picture")
        make_room_for(math.prod(photo.size))
        make = _previewed if order.kind == "preview" else self._made
        answer = make(order, photo, on_progress)
        return replace(answer, seconds=round(time.perf_counter() - start, 3))

    def _made(self, order: Order, photo: Photograph, on_progress: OnProgress) -> Answer:
        """Fill or style a picture; the time it took is left open."""
        assert not isinstance(order.options, PreviewOptions)
        windows = 0

        def count(done: int, of: int) -> None:
            nonlocal windows
            windows = of
            on_progress(done, of)

        hole = self._hole(order, photo)
        work = self._inpainted if order.kind == "inpaint" else self._styled
        result, engine = work(order, photo, hole, count)
        return Answer(
            content=result.to_bytes(quality=order.options.quality),
            media_type=MEDIA_TYPES[photo.format],
            size=photo.size,
            seconds=0,
            hole_pixels=self._missing(order, hole),
            windows=windows,
            model=self._model(order),
            engine=engine,
        )

    def _model(self, order: Order) -> str:
        """Give the name of the model, or of the classical method, that an order is for."""
        options = order.options
        assert not isinstance(options, PreviewOptions)
        typed = options.model
        if isinstance(options, InpaintOptions) and options.method is not None:
            if typed not in (None, options.method):
                raise ConfigError(f"method {options.method!r} is not model {typed!r}, want one")
            typed = options.method
            if typed in self.methods:
                return typed
        if typed is None:
            return self.models[0]
        if typed not in self.models:
            choices = ", ".join(self.models)
            if typed == getattr(options, "method", None):
                choices = ", ".join([*self.models, *self.methods])
                raise ConfigError(f"method {typed!r} is unknown, want one of {choices}")
            raise ConfigError(f"model {typed!r} is not there, want one of {choices}")
        return typed

    def _named(self, order: Order) -> list[tuple[str, bytes]]:
        files = [("picture", order.picture)]
        files += [] if order.mask is None else [("mask", order.mask)]
        return files + [(_style_name(i), style) for i, style in enumerate(order.styles)]

    def _hole(self, order: Order, photo: Photograph) -> Hole | None:
        options = order.options
        if order.mask is not None and not isinstance(options, PreviewOptions):
            return read_hole(order.mask, photo.size, fit=options.fit_mask, name="mask")
        return photo.hole_from_alpha() if order.kind == "inpaint" else None

    def _missing(self, order: Order, hole: Hole | None) -> int:
        if hole is None:
            return 0
        invert = isinstance(order.options, InpaintOptions) and bool(order.options.invert)
        return int(np.count_nonzero(hole != invert))

    def _inpainted(
        self, order: Order, photo: Photograph, hole: Hole | None, on_progress: OnProgress
    ) -> tuple[Photograph, str]:
        assert isinstance(order.options, InpaintOptions)
        assert hole is not None
        model, opaque = self._model(order), order.mask is None
        if method := self.methods.get(model):
            filled = methods.fill_photograph(method, photo, hole, order.options, opaque=opaque)
            on_progress(1, 1)
            return filled, model
        with self.devices.one() as device:
            painter = device.painter(model, order.options.fill_settings())
            filled = painter.fill_photograph(
                photo, hole, opaque=opaque, reuse=True, on_progress=on_progress
            )
        return filled, painter.engine.name

    def _styled(
        self, order: Order, photo: Photograph, hole: Hole | None, on_progress: OnProgress
    ) -> tuple[Photograph, str]:
        options = order.options
        assert isinstance(options, StyleOptions)
        styles = [
            Photograph.from_bytes(style, _style_name(i)) for i, style in enumerate(order.styles)
        ]
        with self.devices.one() as device:
            stylist = device.stylist(self._model(order), options.style_settings())

            def between_tiles(done: int, of: int) -> None:
                on_progress(done, of)
                device.turns.give_way()  # a fill is shorter than all tiles of a style

            def transfer() -> Photograph:
                return stylist.stylize_photograph(
                    photo, styles, weights=options.weights, where=hole, on_progress=between_tiles
                )

            return device.turns.run(transfer), stylist.engine.name


def _previewed(order: Order, photo: Photograph, on_progress: OnProgress) -> Answer:
    content, media_type = preview_of(photo)
    on_progress(0, 0)  # nobody may want it any more
    return Answer(content, media_type, photo.size, seconds=0)


def _style_name(index: int) -> str:
    return f"style {index + 1}"
