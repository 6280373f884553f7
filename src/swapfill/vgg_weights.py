"""torchvision's official VGG-19 weights: fetched once, checked, and read without torchvision."""

import hashlib
import re
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from urllib.error import HTTPError
from urllib.parse import urlparse

import torch
from torch import Tensor

from swapfill.encoder import CHANNELS, VGG19
from swapfill.errors import BundleError

# `VGG19_Weights.IMAGENET1K_V1`; the name carries the first digits of the file's SHA-256, as all
# of torchvision's do. 548 MB, most of it the classifier, of which nothing is kept.
URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"

_HASH_IN_NAME = re.compile(r"-([a-f0-9]{8,})\.")


def official_vgg19(layer: str = "relu3_1") -> VGG19:
    """Load VGG-19 up to `layer` with torchvision's official ImageNet weights, frozen.

    The file is looked up in the usual torch cache (`torch.hub.get_dir()`/checkpoints, which
    TORCH_HOME moves) and downloaded there on first use: to a temporary file, checked, renamed. Its
    SHA-256 is checked at every load. Never a free pickle: only tensors are read.

    The filters are as trained: not rescaled to a mean activation of 1, so its features are larger
    than those of the rescaled weights this project trains with. Patch-swap does not see the
    difference of a factor, but it does that of a factor per channel.

    Args:
        layer: relu2_1, relu3_1 or relu4_1.

    Raises:
        BundleError: the file cannot be downloaded, is damaged, or lacks a tensor; the line names
            the file and where to put it.
        ValueError: the layer is another one.
    """
    if layer not in CHANNELS:
        raise ValueError(f"layer is {layer!r}, want one of {', '.join(CHANNELS)}")
    path = cached_file()
    if not path.exists():
        _download(path)
    _check_hash(path)
    network = VGG19(layer)
    network.load_state_dict(_wanted(_read(path), network.state_dict(), path))
    return network


def cached_file() -> Path:
    """Say where the official weights file is, or will be, in the torch cache."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(URL).path).name


def _hash_prefix(path: Path) -> str:
    found = _HASH_IN_NAME.search(path.name)
    assert found is not None  # `URL` names it
    return found[1]


def _download(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # It writes beside `path` and renames only what has the right hash.
        torch.hub.download_url_to_file(URL, str(path), _hash_prefix(path), progress=False)
    except RuntimeError as error:  # a wrong hash
        raise BundleError(f"{URL}: the download is damaged: {error}; try again") from None
    except (OSError, HTTPException) as error:  # offline, an HTTP error, a full disk
        if isinstance(error, HTTPError):
            error.close()  # it holds the connection
        raise BundleError(
            f"{path}: cannot be downloaded: {error}; get {URL} on another machine and put it there"
        ) from None


def _check_hash(path: Path) -> None:
    wanted = _hash_prefix(path)
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
    if not found.startswith(wanted):
        raise BundleError(
            f"{path}: SHA-256 is {found[: len(wanted)]}..., want {wanted}...; "
            f"delete the file, or put {URL} in its place"
        )


def _read(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, OSError, ValueError, KeyError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise BundleError(f"{path}: not a file of tensors: {first}") from None
    if not isinstance(found, dict):
        raise BundleError(f"{path}: holds a {type(found).__name__}, want tensors by name")
    return found


def _wanted(found: dict[str, Tensor], wanted: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Keep what the network has, leaving out the layers above it."""
    for name, tensor in wanted.items():
        here = found.get(name)
        shape = tuple(here.shape) if isinstance(here, Tensor) else "missing"
        if shape != tuple(tensor.shape):
            raise BundleError(f"{path}: tensor {name} is {shape}, want {tuple(tensor.shape)}")
    return {name: found[name] for name in wanted}
