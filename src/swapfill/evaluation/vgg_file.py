"""Which VGG-19 a method uses, and how deep it goes: the user's file, or torchvision's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from swapfill.bundle import sha256
from swapfill.errors import BundleError

if TYPE_CHECKING:
    from swapfill.encoder import VGG19

# The first convolution of each block, by torchvision's names, from the deepest that is of use.
_FIRST = {"relu4_1": "features.19.weight", "relu3_1": "features.10.weight"}


def describe_vgg(file: str | None) -> dict[str, Any]:
    """Name the file, its SHA-256, and its deepest layer that is of use.

    Raises:
        BundleError: it is not there, or holds no VGG-19 up to relu3_1.
    """
    path = _path(file)
    return {"file": path.name, "sha256": sha256(path), "layer": deepest_layer(file)}


def deepest_layer(file: str | None) -> str:
    """Tell relu4_1 or relu3_1: how far the weights go that `load_vgg` would load.

    Raises:
        BundleError: as of `describe_vgg`.
    """
    from safetensors import SafetensorError, safe_open

    path = _path(file)
    if file is None:  # torchvision's own has all layers
        return "relu4_1"
    try:
        with safe_open(path, "numpy") as held:
            names = set(held.keys())
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path}: not a whole safetensors file: {error}") from None
    for layer, name in _FIRST.items():
        if name in names:
            return layer
    raise BundleError(f"{path}: tensor {_FIRST['relu3_1']} is missing, want VGG-19 up to relu3_1")


def load_vgg(file: str | None) -> "VGG19":
    """Load VGG-19 as deep as its file goes, frozen.

    Raises:
        BundleError: as of `describe_vgg`; or the file does not fit.
    """
    from swapfill.encoder import VGG19
    from swapfill.vgg_weights import official_vgg19
    from swapfill.weights import load_into

    layer = deepest_layer(file)
    if file is None:
        return official_vgg19(layer)
    network = VGG19(layer)
    load_into(network, Path(file))
    return network


def _path(file: str | None) -> Path:
    """Give the file; without one torchvision's, which is not downloaded for this."""
    if file is not None:
        path = Path(file)
    else:
        from swapfill.vgg_weights import cached_file

        path = cached_file()
    if not path.is_file():
        raise BundleError(
            f"{path} is not there, want --vgg FILE (VGG-19 up to relu3_1 or relu4_1, safetensors)"
        )
    return path
