"""Engines: the learned steps on one runtime each, behind one interface."""

from typing import Any

from swapfill.bundle import Bundle
from swapfill.engines.interface import Engine
from swapfill.errors import DeviceError

ENGINES = ("torch",)


def load_engine(
    name: str, bundle: Bundle, device: str = "auto", precision: str = "auto"
) -> Engine[Any]:
    """Load a bundle into an engine.

    Args:
        name: `torch`, or `auto` for the best that is installed.
        bundle: its weights are checked and loaded strictly.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `auto`, `fp32` or `bf16`.

    Raises:
        DeviceError: no such engine, device or precision here.
        BundleError: the bundle is damaged.
    """
    if name not in ("auto", *ENGINES):
        raise DeviceError(f"engine {name!r} is not there, want one of auto, {', '.join(ENGINES)}")
    from swapfill.engines.torch_engine import TorchEngine

    return TorchEngine(bundle, device, precision)
