"""Which device to compute on."""

import torch

from swapfill.errors import DeviceError


def choose_device(device: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda`, `cuda:N` or `mps` into a device that is here.

    Raises:
        DeviceError: it is unknown or not here.
    """
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if device == "auto":
        device = "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    kind = device.partition(":")[0]
    if kind not in there:
        raise DeviceError(f"device {device!r} is unknown, want auto, {', '.join(there)}")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise DeviceError(f"device {device!r} is unknown, want e.g. cuda:0") from None
    if not there[kind] or (kind == "cuda" and (chosen.index or 0) >= torch.cuda.device_count()):
        here = ", ".join(name for name, found in there.items() if found)
        raise DeviceError(f"device {device!r} is not on this machine, want one of {here}")
    return chosen
