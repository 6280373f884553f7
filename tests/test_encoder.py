import copy
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from swapfill.config import EncoderConfig
from swapfill.encoder import CHANNELS, STRIDE, VGG19, CompactEncoder, build_encoder
from swapfill.networks import initialise
from swapfill.weights import load_into, parameter_count, read_tensors

SHARED_VGG = Path(__file__).parents[2] / "shared" / "weights" / "vgg19_relu3_1.safetensors"

# `torchvision.models.vgg19().features`, written out: index, channels in and out; None is a pool.
TORCHVISION = [(0, 3, 64), (2, 64, 64), None, (5, 64, 128), (7, 128, 128), None]
TORCHVISION += [(10, 128, 256), (12, 256, 256), (14, 256, 256), (16, 256, 256), None]
TORCHVISION += [(19, 256, 512)]
LAYERS = {"relu2_1": 5, "relu3_1": 10, "relu4_1": 19}


def vgg(layer: str) -> VGG19:
    network = VGG19(layer)
    initialise(network, torch.Generator().manual_seed(0))
    return network


def photograph(name: str, side: int = 256) -> Tensor:
    data = pytest.importorskip("skimage.data")
    picture = Image.fromarray(getattr(data, name)()).convert("RGB").resize((side, side))
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("layer", LAYERS)
def test_vgg_has_the_tensors_of_torchvisions_up_to_its_layer(layer: str) -> None:
    wanted: dict[str, tuple[int, ...]] = {}
    for entry in TORCHVISION:
        if entry is not None and entry[0] <= LAYERS[layer]:
            wanted[f"features.{entry[0]}.weight"] = (entry[2], entry[1], 3, 3)
            wanted[f"features.{entry[0]}.bias"] = (entry[2],)
    found = {name: tuple(tensor.shape) for name, tensor in vgg(layer).state_dict().items()}
    assert found == wanted


@pytest.mark.parametrize("layer", LAYERS)
def test_vgg_computes_what_its_definition_says(layer: str) -> None:
    network, image = vgg(layer), torch.rand(2, 3, 32, 48)
    state = network.state_dict()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (image - mean[:, None, None]) / std[:, None, None]
    for entry in TORCHVISION:
        if entry is None:
            x = nn.MaxPool2d(2, 2)(x)
            continue
        weight, bias = (state[f"features.{entry[0]}.{part}"] for part in ("weight", "bias"))
        x = F.conv2d(nn.ReflectionPad2d(1)(x), weight, bias).clamp(min=0)
        if entry[0] == LAYERS[layer]:
            break
    found = network(image)
    torch.testing.assert_close(found, x)
    assert found.shape == (2, CHANNELS[layer], 32 // STRIDE[layer], 48 // STRIDE[layer])


def test_strides_and_channels_are_vggs() -> None:
    assert STRIDE == {"relu2_1": 2, "relu3_1": 4, "relu4_1": 8}
    assert CHANNELS == {"relu2_1": 128, "relu3_1": 256, "relu4_1": 512}


def test_several_layers_of_one_pass_are_those_of_their_own_networks() -> None:
    deep, image = vgg("relu4_1"), torch.rand(1, 3, 32, 32)
    found = deep.layers(image, ("relu2_1", "relu4_1", "relu1_2"))
    assert {name: t.shape[1] for name, t in found.items()} == {
        "relu1_2": 64,
        "relu2_1": 128,
        "relu4_1": 512,
    }
    assert torch.equal(found["relu4_1"], deep(image))
    shallow = VGG19("relu2_1")
    state = deep.state_dict()
    shallow.load_state_dict({name: state[name] for name in shallow.state_dict()})
    assert torch.equal(found["relu2_1"], shallow(image))


def test_vgg_is_frozen_and_still_hands_gradients_to_the_picture() -> None:
    network = vgg("relu3_1")
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    network(image).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


@pytest.mark.skipif(not SHARED_VGG.exists(), reason=f"{SHARED_VGG} is not here")
@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_the_real_weights_give_features_of_mean_activation_about_1(name: str) -> None:
    """Their filters were rescaled to that; another range would move it far."""
    assert read_tensors(SHARED_VGG).keys() == VGG19("relu3_1").state_dict().keys()
    network = VGG19("relu3_1")
    load_into(network, SHARED_VGG)
    names = ("relu1_1", "relu2_1", "relu3_1")
    for layer, found in network.layers(photograph(name, 128), names).items():
        assert 0.4 < float(found.mean()) < 2.0, layer


def compact(width: int = 4) -> CompactEncoder:
    network = CompactEncoder(width)
    initialise(network, torch.Generator().manual_seed(0))
    return network


@pytest.mark.parametrize("size", [(32, 32), (16, 48), (64, 8)])
def test_the_student_answers_in_its_teachers_shape(size: tuple[int, int]) -> None:
    image = torch.rand(2, 3, *size)
    with torch.no_grad():
        wanted, found = vgg("relu3_1")(image), compact()(image)
    assert found.shape == wanted.shape == (2, 256, size[0] // 4, size[1] // 4)
    assert found.min() == 0  # rectified, as its teacher is


@pytest.mark.parametrize("axis", [2, 3])
def test_the_student_does_not_lean_to_a_side(axis: int) -> None:
    """A mirrored picture through mirrored kernels gives the mirrored features."""
    network = compact()
    mirrored = copy.deepcopy(network)
    for layer in mirrored.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.flip(axis)
    image = torch.rand(1, 3, 24, 32)
    with torch.no_grad():
        torch.testing.assert_close(mirrored(image.flip(axis)).flip(axis), network(image))


def test_a_cell_of_the_student_lies_where_its_teachers_does() -> None:
    """Its field of view is centred on the four pixels that the cell spans."""
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    compact()(image)[0, :, 8, 8].sum().backward()
    assert image.grad is not None
    seen = (image.grad.abs().sum(dim=(0, 1)) > 0).any(dim=0).nonzero()
    assert (int(seen.min()) + int(seen.max())) / 2 == 8 * 4 + 1.5


def test_the_student_is_the_same_at_every_place_but_the_border() -> None:
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        whole, part = compact()(image), compact()(image[..., 16:, 8:])
    torch.testing.assert_close(whole[..., 8:-8, 8:-8], part[..., 4:-8, 6:-8])


def test_the_student_gives_a_gradient_to_every_parameter() -> None:
    network = compact()
    network(torch.rand(2, 3, 32, 32)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_student_does_half_of_its_teachers_arithmetic() -> None:
    def products(network: nn.Module) -> int:
        total = 0

        def count(layer: nn.Module, _: object, made: Tensor) -> None:
            nonlocal total
            total += cast(nn.Conv2d, layer).weight.numel() * made.shape[2] * made.shape[3]

        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(count)
        with torch.no_grad():
            network(torch.rand(1, 3, 32, 32))
        return total

    assert products(CompactEncoder()) < 0.51 * products(VGG19("relu3_1"))


def test_a_config_names_its_encoder() -> None:
    small = build_encoder(EncoderConfig(width=4))
    assert isinstance(small, CompactEncoder)
    assert parameter_count(small) == parameter_count(compact(4))
    deep = build_encoder(EncoderConfig(kind="vgg19", layer="relu2_1"))
    assert isinstance(deep, VGG19)
    assert deep.layer == "relu2_1"
