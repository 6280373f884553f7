"""One model a device, for all who ask: windows that wait together are filled together.

A thread for each device runs its engines (`lots.Turns`); those that read, plan, blend and write
pictures hand their windows to it. What a picture gets is bit for bit what it would get alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from swapfill.bundle import Bundle
from swapfill.engines import load_engine, torch_can
from swapfill.inpainter import Inpainter
from swapfill.lots import Turns

if TYPE_CHECKING:
    from swapfill.engines.interface import Engine
    from swapfill.server.settings import ServeSettings
    from swapfill.style import Stylist
    from swapfill.style_settings import StyleSettings


class Device:
    """Every model on one device.

    Attributes:
        name: of the device, as the engine calls it.
        turns: what runs the engines.
        busy: pictures at work here.
    """

    def __init__(
        self,
        painters: dict[str, Inpainter],
        load_stylist: Callable[[str], Engine[Any]] | None = None,
    ) -> None:
        """Take a loaded model for each name; and what loads one for style, where those cannot."""
        self._painters, self._load_stylist = painters, load_stylist
        self._stylists: dict[str, Engine[Any]] = {}
        self._lock = Lock()
        self.name: str = next(iter(painters.values())).engine.device
        self.turns = Turns()
        self.busy = 0

    def painter(self, model: str, settings: dict[str, Any]) -> Inpainter:
        """Give an inpainter that shares the device; its settings are checked."""
        return self._painters[model].sharing(self.turns, **settings)

    def stylist(self, model: str, settings: StyleSettings) -> Stylist:
        """Give what transfers style; it is to be used on the device's own thread.

        Raises:
            DeviceError: the engine cannot.
        """
        from swapfill.style import Stylist

        return Stylist(self._style_engine(model), settings)

    @property
    def has_style(self) -> bool:
        """Tell whether every model can transfer style."""
        own = all(painter.engine.name == "torch" for painter in self._painters.values())
        return own or self._load_stylist is not None

    def _style_engine(self, model: str) -> Engine[Any]:
        """Give a model's engine, or one of its own for style, loaded when it is first asked for."""
        engine = self._painters[model].engine
        if engine.name == "torch" or self._load_stylist is None:
            return engine
        with self._lock:
            if model not in self._stylists:
                self._stylists[model] = self._load_stylist(model)
            return self._stylists[model]


class Devices:
    """All devices, loaded; pictures go to the one with the least to do."""

    def __init__(self, devices: list[Device], bundles: dict[str, Bundle]) -> None:
        self._devices, self.bundles = devices, bundles
        self._lock = Lock()

    @classmethod
    def load(cls, settings: ServeSettings) -> Devices:
        """Load every model on every device.

        Raises:
            BundleError: there is no such model, or it is damaged.
            DeviceError: the engine, device or precision is not there.
        """
        bundles = {name: Bundle.open(model) for name, model in settings.named_models.items()}
        return cls([_loaded(device, settings, bundles) for device in settings.devices], bundles)

    @property
    def names(self) -> list[str]:
        """Name the devices."""
        return [device.name for device in self._devices]

    def painter(self, model: str) -> Inpainter:
        """Give a model as it was loaded first: for what it is, not to fill with."""
        return self._devices[0]._painters[model]

    @contextmanager
    def one(self) -> Iterator[Device]:
        """Give the device with the least to do, for one picture."""
        with self._lock:
            device = min(self._devices, key=lambda each: each.busy)
            device.busy += 1
        try:
            yield device
        finally:
            with self._lock:
                device.busy -= 1

    @property
    def has_style(self) -> bool:
        """Tell whether every model can transfer style on every device."""
        return all(device.has_style for device in self._devices)

    def close(self) -> None:
        """End the devices' threads."""
        for device in self._devices:
            device.turns.close()


def _loaded(name: str, settings: ServeSettings, bundles: dict[str, Bundle]) -> Device:
    """Load every model on one device."""
    asked = {"device": name, "precision": settings.precision}
    painters = {
        model: Inpainter.load(bundle.folder, engine=settings.engine, **asked)
        for model, bundle in bundles.items()
    }
    # Style runs on torch alone: where the engine was left open, it has it beside the other.
    if settings.engine == "auto" and torch_can(**asked):
        return Device(painters, lambda model: load_engine("torch", bundles[model], **asked))
    return Device(painters)
