"""swapfill: fill holes in pictures by infer, match, translate.

    import swapfill
    result = swapfill.inpaint("photo.jpg", "mask.png")     # one picture
    painter = swapfill.Inpainter.load("default")           # keep one for many

Names are imported when they are first used, so that `import swapfill` brings in neither numpy nor
torch, and `swapfill --help` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapfill.api import inpaint, stylize
    from swapfill.errors import (
        BundleError,
        ConfigError,
        DataError,
        DeviceError,
        ImageError,
        MaskError,
        NoKnownPatchError,
        OutputError,
        SwapfillError,
        VideoError,
    )
    from swapfill.inpainter import Inpainter
    from swapfill.style import Stylist
    from swapfill.video import VideoInpainter

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "ImageError",
    "Inpainter",
    "MaskError",
    "NoKnownPatchError",
    "OutputError",
    "Stylist",
    "SwapfillError",
    "VideoError",
    "VideoInpainter",
    "__version__",
    "inpaint",
    "stylize",
]

_HOMES = {
    "inpaint": "swapfill.api",
    "stylize": "swapfill.api",
    "Inpainter": "swapfill.inpainter",
    "Stylist": "swapfill.style",
    "VideoInpainter": "swapfill.video",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "swapfill.errors")), name)
    globals()[name] = value  # the next use finds it at once
    return value


def __dir__() -> list[str]:
    return __all__
