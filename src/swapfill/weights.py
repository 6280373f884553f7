"""Weights on disk: safetensors in and out, strict, with one-line errors. Never a pickle."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from swapfill.errors import BundleError
from swapfill.files import write_bytes_atomically


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        BundleError: it is missing or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise BundleError(f"{path}: no such weights file") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise BundleError(f"{path}: not a whole safetensors file: {error}") from None


def names_in(path: Path) -> list[str]:
    """Name the tensors of a safetensors file.

    Raises:
        BundleError: it is missing or damaged.
    """
    return list(read_tensors(path))


def load_into(network: nn.Module, path: Path) -> None:
    """Load a safetensors file into a network; half precision is widened.

    Raises:
        BundleError: the file is missing or damaged, or a tensor is missing, is left over or has
            another shape (the first one is named).
    """
    found, wanted = read_tensors(path), network.state_dict()
    for name, tensor in wanted.items():
        if name not in found:
            raise BundleError(f"{path}: tensor {name} is missing, want {tuple(tensor.shape)}")
        if found[name].shape != tensor.shape:
            raise BundleError(
                f"{path}: tensor {name} is {tuple(found[name].shape)}, want {tuple(tensor.shape)}"
            )
    left_over = sorted(found.keys() - wanted.keys())
    if left_over:
        raise BundleError(f"{path}: tensor {left_over[0]} belongs to another architecture")
    network.load_state_dict(found)


def save_from(network: nn.Module, path: Path, *, half: bool = False) -> None:
    """Write a network's tensors as safetensors; `half` stores floats as float16 where they fit."""
    tensors = {
        name: (_halved(t) if half and t.is_floating_point() else t).contiguous().cpu()
        for name, t in network.state_dict().items()
    }
    write_bytes_atomically(path, save(tensors))


def _halved(tensor: Tensor) -> Tensor:
    """Give float16 of the same meaning; a variance beyond its range would silence its channel."""
    small = tensor.half()
    return small if bool(small.isfinite().all()) else tensor.float()


def parameter_count(network: nn.Module) -> int:
    """Count the numbers that a network learns or has learnt."""
    return sum(p.numel() for p in network.parameters())
