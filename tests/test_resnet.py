from typing import cast

import pytest
import torch
from torch import Tensor, nn

from swapfill.architectures import build_feature2image
from swapfill.config import Feature2ImageConfig
from swapfill.errors import ConfigError
from swapfill.feature2image import Feature2Image
from swapfill.networks import initialise
from swapfill.resnet import ResNet
from swapfill.weights import parameter_count


def config(**more: object) -> Feature2ImageConfig:
    return Feature2ImageConfig.read(
        {"kind": "resnet", "side": 32, "width": 4, "in_channels": 6, "norm": "group", **more},
        "test",
    )


def network(**more: object) -> ResNet:
    built = ResNet(config(**more))
    initialise(built, torch.Generator().manual_seed(0))
    return built.eval()


def conv(c_in: int, c_out: int, kernel: int = 3) -> int:
    return c_in * c_out * kernel**2 + c_out


def test_blocks_and_way_up_are_the_published_generators() -> None:
    """CycleGAN's 9-block generator is known to have 11.378 M parameters, none of them in norms."""
    with torch.device("meta"):
        built = build_feature2image(Feature2ImageConfig(kind="resnet"))
    assert isinstance(built, ResNet)
    norms = [m for m in built.modules() if isinstance(m, nn.BatchNorm2d)]
    way_down = conv(3, 64, 7) + conv(64, 128) + conv(128, 256)
    stem = conv(256, 256)
    counted = parameter_count(built) - sum(2 * m.num_features for m in norms)
    assert counted - stem + way_down == 11_378_179
    assert [m.num_features for m in norms] == [256] * (1 + 18) + [128, 64]


@pytest.mark.parametrize(("stride", "channels", "trunk"), [(2, 128, 8), (4, 256, 16), (8, 512, 32)])
@pytest.mark.parametrize("upsampling", ["resize", "deconvolution"])
def test_a_map_of_any_stride_and_size_becomes_a_picture(
    stride: int, channels: int, trunk: int, upsampling: str
) -> None:
    built = network(stride=stride, in_channels=channels, side=64, upsampling=upsampling)
    stem = cast(nn.Conv2d, built.stem[0])
    assert (stem.in_channels, stem.out_channels) == (channels, trunk)
    doubled = [m for m in built.up if isinstance(m, nn.ConvTranspose2d | nn.Upsample)]
    kinds = {"resize": nn.Upsample, "deconvolution": nn.ConvTranspose2d}
    assert [type(m) for m in doubled] == [kinds[upsampling]] * (stride.bit_length() - 1)
    assert sum(isinstance(m, nn.ReLU) for m in built.up) == len(doubled)
    assert isinstance(built.up[-1], nn.ReLU)
    for height, width in ((64, 64), (48, 80)):
        image = built(torch.rand(1, channels, height // stride, width // stride)).detach()
        assert image.shape == (1, 3, height, width)
        assert 0 <= float(image.min()) < float(image.max()) <= 1


def test_the_trunk_has_a_limit() -> None:
    assert cast(nn.Conv2d, network(max_width=8).stem[0]).out_channels == 8


def test_a_block_adds_to_what_it_is_given() -> None:
    built, seen = network(), list[tuple[Tensor, Tensor]]()
    for block in built.blocks:
        *_, last = (m for m in block.modules() if isinstance(m, nn.GroupNorm))
        nn.init.zeros_(last.weight)
        block.register_forward_hook(lambda _, given, found: seen.append((given[0], found)))
    built(torch.rand(1, 6, 8, 8))
    assert len(seen) == 9
    assert all(torch.equal(given, found) for given, found in seen)


def test_the_rim_is_reflected_not_black() -> None:
    """A map that is the same everywhere gives a picture that is: zeros would show at the rim."""
    built = network(stride=2, norm="batch")
    image = built.last(torch.ones(1, 4, 8, 8)).detach()
    torch.testing.assert_close(image, image[..., :1, :1].expand_as(image))
    trunk = built.blocks(built.stem(torch.ones(1, 6, 8, 8))).detach()
    torch.testing.assert_close(trunk, trunk[..., :1, :1].expand_as(trunk))


@pytest.mark.parametrize("more", [{"guided": True}, {"norm": "none"}])
def test_a_config_that_it_cannot_follow_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="a resnet is not guided, and wants a norm"):
        config(**more)


def test_the_default_is_the_projects_own_network() -> None:
    built = build_feature2image(Feature2ImageConfig(side=32, width=2, max_width=4))
    assert isinstance(built, Feature2Image)
