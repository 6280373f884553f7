from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from swapfill.errors import BundleError, OutputError
from swapfill.weights import load_into, parameter_count, read_tensors, save_from


def network(seed: int = 0, width: int = 4) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, 1, 1))


def test_what_was_saved_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    original, path = network(1), tmp_path / "network.safetensors"
    original(torch.rand(2, 3, 8, 8))  # so that the statistics are their own
    save_from(original, path)
    again = network(2)
    load_into(again, path)
    for name, tensor in original.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
        assert again.state_dict()[name].dtype == tensor.dtype


def test_any_memory_layout_is_saved_as_the_same_file(tmp_path: Path) -> None:
    save_from(network(), tmp_path / "a")
    turned = network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_from(turned, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_half_precision_halves_the_file_and_is_widened_again(tmp_path: Path) -> None:
    original, path = network(1, 64), tmp_path / "half.safetensors"
    save_from(original, path, half=True)
    stored = read_tensors(path)
    assert stored["0.weight"].dtype == torch.float16
    assert stored["1.num_batches_tracked"].dtype == torch.int64
    again = network(2, 64)
    load_into(again, path)
    assert again.state_dict()["0.weight"].dtype == torch.float32
    torch.testing.assert_close(
        again.state_dict()["0.weight"], original.state_dict()["0.weight"], atol=1e-4, rtol=1e-3
    )
    assert next(original.parameters()).dtype == torch.float32  # the network itself is untouched


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("2.bias", None, r"tensor 2\.bias is missing, want \(1,\)"),
        ("2.bias", torch.zeros(3), r"tensor 2\.bias is \(3,\), want \(1,\)"),
        ("9.bias", torch.zeros(3), r"tensor 9\.bias belongs to another architecture"),
    ],
)
def test_another_architecture_is_refused_by_its_first_difference(
    tmp_path: Path, name: str, tensor: torch.Tensor | None, words: str
) -> None:
    path, state = tmp_path / "other.safetensors", network(1).state_dict()
    state.pop(name, None)
    save_file(state if tensor is None else state | {name: tensor}, path)
    mine = network(2)
    with pytest.raises(BundleError, match=words) as caught:
        load_into(mine, path)
    assert str(caught.value).startswith(f"{path}: ")
    for key, value in network(2).state_dict().items():  # nothing was loaded by half
        assert torch.equal(mine.state_dict()[key], value)


@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
def test_a_damaged_file_is_refused_with_one_line(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "network.safetensors"
    save_from(network(), path)
    content = {"empty": b"", "text": b"not tensors at all", "cut": path.read_bytes()[:-9]}[damage]
    path.write_bytes(content)
    with pytest.raises(BundleError, match="not a whole safetensors file") as caught:
        load_into(network(), path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nothing: no such weights file"):
        load_into(network(), tmp_path / "nothing")
    with pytest.raises(BundleError, match="not a whole safetensors file") as caught:
        load_into(network(), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        save_from(network(), tmp_path / "nowhere" / "network.safetensors")


def test_parameters_are_counted_and_statistics_are_not() -> None:
    assert parameter_count(network()) == (3 * 4 * 9 + 4) + (4 + 4) + (4 + 1)
    frozen = network().requires_grad_(False)
    assert parameter_count(frozen) == parameter_count(network())


def test_what_does_not_fit_half_precision_is_kept_whole(tmp_path: Path) -> None:
    """A variance of infinity would turn its channel off."""
    norm = nn.BatchNorm2d(2)
    assert norm.running_var is not None
    norm.running_var.copy_(torch.tensor([1.5, 1e5]))
    save_from(norm, tmp_path / "norm.safetensors", half=True)
    kept = read_tensors(tmp_path / "norm.safetensors")
    assert kept["running_var"].tolist() == [1.5, 1e5]
    assert kept["weight"].dtype == torch.float16
