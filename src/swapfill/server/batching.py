"""One model a device, for all who ask: windows that wait together are filled together.

A thread for each device runs its engines (`lots.Turns`); those that read, plan, blend and write
pictures hand their windows to it. What a picture gets is bit for bit what it would get alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from swapfill.bundle import Bundle
from swapfill.inpainter import Inpainter
from swapfill.lots import Turns

if TYPE_CHECKING:
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

    def __init__(self, painters: dict[str, Inpainter]) -> None:
        """Take a loaded model for each name."""
        self._painters = painters
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

        return Stylist(self._painters[model].engine, settings)


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
        named = settings.named_models
        devices = [
            Device(
                {
                    name: Inpainter.load(
                        model, engine=settings.engine, device=device, precision=settings.precision
                    )
                    for name, model in named.items()
                }
            )
            for device in settings.devices
        ]
        return cls(devices, {name: Bundle.open(model) for name, model in named.items()})

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

    def close(self) -> None:
        """End the devices' threads."""
        for device in self._devices:
            device.turns.close()
