"""Networks that others trained and published: looked up in torch's cache, or fetched to it."""

import sys
from contextlib import redirect_stdout
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from urllib.error import HTTPError
from urllib.parse import urlparse

import torch
from torch import Tensor

from swapfill.errors import BundleError


def published(url: str) -> dict[str, Tensor]:
    """Load the tensors of a file whose name carries the first digits of its SHA-256.

    It is looked up in `torch.hub.get_dir()`/checkpoints, which TORCH_HOME moves, and downloaded
    there on first use, checked. Never a free pickle: only tensors are read.

    Raises:
        BundleError: it cannot be had, or is no file of tensors; the line names the file.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    try:
        with redirect_stdout(sys.stderr):  # it says that it downloads
            found = torch.hub.load_state_dict_from_url(
                url, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
    except (OSError, HTTPException) as error:  # offline, an HTTP error, a full disk
        if isinstance(error, HTTPError):
            error.close()  # it holds the connection
        raise BundleError(
            f"{path}: cannot be downloaded: {error}; get {url} and put it there"
        ) from None
    except (RuntimeError, UnpicklingError, EOFError, ValueError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise BundleError(
            f"{path}: damaged: {first}; delete it, or put {url} in its place"
        ) from None
    if not isinstance(found, dict):
        raise BundleError(f"{path}: holds a {type(found).__name__}, want tensors by name")
    return found


def fitted(network: torch.nn.Module, tensors: dict[str, Tensor], url: str) -> None:
    """Load what a network has of the tensors, freeze it, and set it to evaluation.

    Raises:
        BundleError: a tensor is missing, or of another shape.
    """
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        here = tensors.get(name)
        if here is None or here.shape != tensor.shape:
            found = "missing" if here is None else tuple(here.shape)
            raise BundleError(f"{url}: tensor {name} is {found}, want {tuple(tensor.shape)}")
    network.load_state_dict({name: tensors[name] for name in wanted})
    network.eval().requires_grad_(False)
