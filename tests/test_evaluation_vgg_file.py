from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from swapfill.bundle import sha256
from swapfill.encoder import VGG19
from swapfill.errors import BundleError
from swapfill.evaluation.vgg_file import deepest_layer, describe_vgg, load_vgg
from swapfill.weights import save_from


@pytest.mark.parametrize("layer", ["relu3_1", "relu4_1"])
def test_the_network_is_as_deep_as_its_file(layer: str, tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    save_from(VGG19(layer), path)
    assert deepest_layer(str(path)) == layer
    network = load_vgg(str(path))
    assert network.layer == layer
    assert not any(p.requires_grad for p in network.parameters())
    wanted = {"file": "vgg.safetensors", "sha256": sha256(path), "layer": layer}
    assert describe_vgg(str(path)) == wanted


def test_a_file_that_is_too_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    save_from(VGG19("relu2_1"), path)
    with pytest.raises(BundleError, match=r"vgg\.safetensors: tensor features\.10\.weight is miss"):
        describe_vgg(str(path))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    path.write_bytes(b"what")
    with pytest.raises(BundleError, match="not a whole safetensors file"):
        describe_vgg(str(path))


def test_a_file_of_other_shapes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    save_file({"features.10.weight": torch.zeros(3)}, path)
    with pytest.raises(BundleError, match=r"features\.0\.weight is missing"):
        load_vgg(str(path))


def test_without_a_file_it_is_torchvisions_if_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BundleError, match=r"vgg19-dcbb9e9d\.pth is not there, want --vgg FILE"):
        describe_vgg(None)
    path = tmp_path / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert describe_vgg(None)["layer"] == "relu4_1"
