from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swapfill.architectures import build_image2feature
from swapfill.bundle import Bundle, BundleConfig, write_sums
from swapfill.config import (
    DiscriminatorConfig,
    EncoderConfig,
    Feature2ImageConfig,
    FillSettings,
    Image2FeatureConfig,
)
from swapfill.context_encoder import CentreDiscriminator, ContextEncoder
from swapfill.encoder import CompactEncoder
from swapfill.engines import load_engine
from swapfill.errors import ConfigError
from swapfill.feature2image import Feature2Image
from swapfill.inpainter import Inpainter
from swapfill.networks import Image2Feature, initialise, smooth_fill
from swapfill.random_holes import centre_hole
from swapfill.weights import parameter_count, save_from


def config(side: int = 32, **more: object) -> Image2FeatureConfig:
    toy = {"kind": "context_encoder", "mask_aware": False, "side": side}
    return Image2FeatureConfig.read({**toy, "width": 2, "bottleneck": 8, **more}, "test")


def network(side: int = 32, **more: object) -> ContextEncoder:
    built = ContextEncoder(config(side, **more))
    initialise(built, torch.Generator().manual_seed(0))
    return built.eval()


def centre(side: int) -> Tensor:
    return torch.from_numpy(centre_hole(side))[None, None]


def published(part: nn.Module) -> list[tuple[int, int, int, int]]:
    """Each convolution of a network: channels in and out, kernel, stride."""
    return [
        (m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0])
        for m in part.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]


def bends(part: nn.Module) -> list[float]:
    """The slope of each activation below 0."""
    bent = [m for m in part.modules() if isinstance(m, nn.LeakyReLU | nn.ReLU)]
    return [m.negative_slope if isinstance(m, nn.LeakyReLU) else 0.0 for m in bent]


def test_the_layers_are_those_of_its_authors() -> None:
    with torch.device("meta"):
        built = build_image2feature(Image2FeatureConfig(kind="context_encoder", mask_aware=False))
    assert isinstance(built, ContextEncoder)
    down = [(3, 64), (64, 64), (64, 128), (128, 256), (256, 512)]
    up = [(512, 256), (256, 128), (128, 64), (64, 3)]
    halved, doubled = ([(*pair, 4, 2) for pair in pairs] for pairs in (down, up))
    assert published(built.encoder) == [*halved, (512, 4000, 4, 1)]
    assert published(built.decoder) == [(4000, 512, 4, 1), *doubled]
    normed = [64, 128, 256, 512, 4000, 512, 256, 128, 64]  # all but the first and the last
    layers = [m for m in built.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [m.num_features for m in layers] == normed
    assert bends(built.encoder) == [0.2] * 5
    assert bends(built.decoder) == [0.2, 0, 0, 0, 0]
    table = [*down, *up, (512, 4000), (4000, 512)]
    weights = sum(16 * c_in * c_out + c_out for c_in, c_out in table)
    assert parameter_count(built) == weights + 2 * sum(normed)


def test_its_discriminator_is_that_of_its_authors() -> None:
    with torch.device("meta"):
        judge = CentreDiscriminator(DiscriminatorConfig(), 128)
    wanted = [(3, 64, 4, 2), (64, 128, 4, 2), (128, 256, 4, 2), (256, 512, 4, 2), (512, 1, 4, 1)]
    assert published(judge) == wanted
    assert bends(judge) == [0.2] * 4


def test_the_widest_layer_has_a_limit() -> None:
    shapes = published(network(64, width=4, max_width=6))
    assert [c_out for _, c_out, _, _ in shapes] == [4, 6, 6, 6, 8, 6, 6, 6, 3]


@pytest.mark.parametrize("side", [16, 32, 64])
def test_it_answers_the_centre_and_leaves_the_known_pixels(side: int) -> None:
    picture, hole = torch.rand(2, 3, side, side), centre(side).expand(2, 1, side, side)
    guess = network(side)(picture, hole)
    assert guess.features is None
    half = slice(side // 4, -side // 4)
    outside = torch.ones(side, side, dtype=torch.bool)
    outside[half, half] = False
    assert torch.equal(guess.image[..., outside], picture[..., outside])
    ring = ~hole & ~outside
    assert not torch.equal(guess.image[ring.expand_as(picture)], picture[ring.expand_as(picture)])
    assert 0 <= float(guess.image.detach().min()) <= float(guess.image.detach().max()) <= 1


def test_what_lies_in_the_hole_does_not_matter_and_what_lies_around_it_does() -> None:
    built, picture, hole = network(), torch.rand(1, 3, 32, 32), centre(32)
    guess = built(picture, hole).image
    assert torch.equal(built(torch.where(hole, 7.0, picture), hole).image, guess)
    other = picture.clone()
    other[..., 0, 0] = 1 - other[..., 0, 0]
    assert not torch.equal(built(other, hole).image[..., 8:24, 8:24], guess[..., 8:24, 8:24])


def test_the_hole_is_shown_in_the_mean_colour() -> None:
    built, shown = network(), list[Tensor]()
    built.encoder.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    built(torch.rand(1, 3, 32, 32), centre(32))
    inside = shown[0][..., 16, 16]
    torch.testing.assert_close(inside, torch.tensor([[0.485, 0.456, 0.406]]) * 2 - 1)


def test_a_hole_beyond_the_centre_is_continued_smoothly_there() -> None:
    picture, hole = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    hole[..., 2:20, 2:20] = True
    guess = network()(picture, hole).image
    smooth = smooth_fill(picture, hole)
    assert torch.equal(guess[..., :8, :], smooth[..., :8, :])
    assert torch.equal(guess[..., 24:], smooth[..., 24:])
    assert not torch.equal(guess[..., 8:24, 8:24], smooth[..., 8:24, 8:24])


def test_without_normalisation_a_picture_is_answered_for_itself() -> None:
    built, pictures = network(norm="none").train(), torch.rand(2, 3, 32, 32)
    holes = centre(32).expand(2, 1, 32, 32)
    both = built(pictures, holes).image
    torch.testing.assert_close(both[:1], built(pictures[:1], holes[:1]).image)
    assert not [m for m in built.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize("norm", ["none", "batch", "spectral"])
def test_the_discriminator_sees_the_centre_alone(norm: str) -> None:
    judge = CentreDiscriminator(DiscriminatorConfig.read({"width": 2, "norm": norm}, "test"), 64)
    image = torch.rand(2, 3, 64, 64, requires_grad=True)
    judge.eval()
    shown = list[Tensor]()
    judge.layers.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    logits = judge(torch.rand(2, 3, 64, 64), image)
    assert logits.shape == (2, 1, 1, 1)
    torch.testing.assert_close(shown[0], image[..., 16:48, 16:48] * 2 - 1)
    assert torch.equal(judge(torch.rand(2, 3, 64, 64), image), logits)
    logits.sum().backward()
    assert image.grad is not None
    seen = image.grad.abs().sum(dim=(0, 1)) > 0
    assert seen[16:48, 16:48].all()
    assert not seen[:16].any()
    assert not seen[48:].any()
    assert not seen[:, :16].any()
    assert not seen[:, 48:].any()


@pytest.mark.parametrize("more", [{}, {"feature_head": True}, {"membrane": True}])
def test_it_is_not_mask_aware(more: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="mask_aware is true, want false for a context_encoder"):
        config(32, mask_aware=True, **more)


def test_the_default_is_the_projects_own_network() -> None:
    assert isinstance(build_image2feature(Image2FeatureConfig(width=2, max_width=4)), Image2Feature)


def bundle(folder: Path) -> Bundle:
    """A bundle whose guesses a Context Encoder makes; random weights."""
    about = BundleConfig(
        name="toy",
        encoder=EncoderConfig(width=2),
        image2feature=config(128),
        feature2image={"all": Feature2ImageConfig(side=128, width=2, max_width=4, norm="none")},
        fill=FillSettings(matching="literal"),
    )
    parts: dict[str, nn.Module] = {
        "encoder": CompactEncoder(2),
        "image2feature": network(128),
        "feature2image": Feature2Image(about.feature2image["all"]),
    }
    for part, built in parts.items():
        save_from(built, folder / f"{part}.safetensors")
    (folder / "config.json").write_text(about.model_dump_json())
    write_sums(folder)
    return Bundle.open(folder)


def test_a_bundle_fills_by_its_guess(tmp_path: Path) -> None:
    engine = load_engine("torch", bundle(tmp_path), "cpu", "fp32")
    picture = np.random.default_rng(0).random((1, 128, 128, 3), np.float32)
    hole = centre_hole(128)[None]
    given, missing = engine.put(picture, hole)
    guess, expected = engine.infer(given, missing)
    assert expected is None
    wanted = network(128)(given, missing).image.detach()
    torch.testing.assert_close(guess, torch.where(missing, wanted, given))

    filled = Inpainter(engine, FillSettings(matching="literal")).fill(picture[0], hole[0])
    assert np.array_equal(filled[~hole[0]], picture[0][~hole[0]])
    assert (filled[hole[0]] != picture[0][hole[0]]).any()
