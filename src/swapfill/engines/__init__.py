"""Engines: the learned steps on one runtime each, behind one interface."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from swapfill.bundle import Bundle
from swapfill.config import FillSettings
from swapfill.engines.accelerators import torch_accelerates
from swapfill.engines.interface import Engine
from swapfill.errors import DeviceError

ENGINES = ("torch", "onnx")
PRECISIONS = ("auto", "fp32", "bf16", "int8")
# Devices and precisions that one engine alone has, and that `auto` goes by.
_ONLY = {"directml": "onnx", "coreml": "onnx", "openvino": "onnx", "int8": "onnx"}
_ONLY |= {"mps": "torch", "bf16": "torch"}


def load_engine(
    name: str, bundle: Bundle, device: str = "auto", precision: str = "auto"
) -> Engine[Any]:
    """Load a bundle into an engine.

    Args:
        name: `torch`, `onnx`, or `auto`: torch where it has an accelerator, otherwise onnx.
        bundle: its weights are checked and loaded strictly.
        device: `auto`, `cpu`, `cuda`, `cuda:1`; with torch `mps`; with onnx `directml`, `coreml`
            and `openvino`.
        precision: `auto`, `fp32`; with torch `bf16`, with onnx `int8`.

    Raises:
        DeviceError: no such engine, device or precision here.
        BundleError: the bundle is damaged.
    """
    if name not in ("auto", *ENGINES):
        raise DeviceError(f"engine {name!r} is not there, want one of auto, {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise DeviceError(f"precision {precision!r} is unknown, want one of {known}")
    if (chosen_engine(device, precision) if name == "auto" else name) == "onnx":
        from swapfill.engines.onnx_engine import OnnxEngine

        return OnnxEngine.open(bundle, device, precision)
    if not _has_torch():
        raise DeviceError(
            "the engine torch needs PyTorch, which is not installed, want: "
            "pip install 'swapfill[torch]'"
        )
    from swapfill.engines.torch_engine import TorchEngine

    return TorchEngine.open(bundle, device, precision)


def load_model(
    model: str | Path, engine: str, device: str, precision: str, **settings: Any
) -> tuple[Engine[Any], FillSettings]:
    """Load a bundle by its name or folder, and settle how it fills: see `Inpainter.load`."""
    bundle = Bundle.open(model)
    asked = bundle.fill_settings(settings)
    return load_engine(engine, bundle, device, precision), asked


def chosen_engine(device: str, precision: str) -> str:
    """Name the engine that `auto` is.

    It is the only one that has the device or the precision; for any other but the CPU torch where
    it is installed; and onnx, which starts sooner and is faster there, on the CPU. With `auto` for
    a device torch is taken where it has an accelerator.
    """
    kind = device.partition(":")[0]
    if precision in _ONLY or kind in _ONLY:
        return _ONLY.get(precision) or _ONLY[kind]
    if kind == "cpu" or not _has_torch() or (kind == "auto" and not torch_accelerates()):
        return "onnx"
    return "torch"


def torch_can(device: str, precision: str) -> bool:
    """Tell whether torch is installed, and may have a device and a precision."""
    kind = device.partition(":")[0]
    return "onnx" not in (_ONLY.get(precision), _ONLY.get(kind)) and _has_torch()


def _has_torch() -> bool:
    return find_spec("torch") is not None
