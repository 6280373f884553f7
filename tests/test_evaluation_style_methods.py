import json

import pytest
import torch
from torch import Tensor

from swapfill import encoder
from swapfill.encoder import VGG19
from swapfill.evaluation.settings import GatysSettings, StyleSwapSettings
from swapfill.evaluation.style_methods import (
    gatys,
    gram,
    relative_error,
    style_swap,
    swapped_features,
)
from swapfill.networks import initialise


@pytest.fixture(autouse=True)
def thin(monkeypatch: pytest.MonkeyPatch) -> None:
    table = [
        (e[0], e[1] // 16 or 3, e[2] // 16) if isinstance(e, tuple) else e for e in encoder._VGG19
    ]
    monkeypatch.setattr(encoder, "_VGG19", table)


def vgg19(layer: str = "relu3_1") -> VGG19:
    network = VGG19(layer)
    initialise(network, torch.Generator().manual_seed(0))
    return network


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def test_gatys_brings_the_gram_matrices_nearer_and_keeps_the_content() -> None:
    vgg, content, style = vgg19(), picture(32, 40), picture(36, 28, 1) ** 3

    def gaps(image: Tensor) -> tuple[float, float]:
        found, wanted, kept = (vgg(one[None]) for one in (image, style, content))
        away = (gram(found) - gram(wanted)).square().mean()
        return float(away), float((found - kept).square().mean())

    loose = gatys(content, style, vgg, GatysSettings(iterations=15, content=0.0, style=1e2))
    tight = gatys(content, style, vgg, GatysSettings(iterations=15, content=1e3, style=1.0))
    assert loose.picture.shape == content.shape
    assert 0 <= float(loose.picture.min()) <= float(loose.picture.max()) <= 1
    assert gaps(loose.picture)[0] < 0.2 * gaps(content)[0]
    assert gaps(tight.picture)[1] < gaps(loose.picture)[1]


def test_style_swap_has_the_features_of_the_styles_patches() -> None:
    vgg, content, style = vgg19(), picture(32, 40), picture(36, 28, 1) ** 3
    swapped = swapped_features(vgg(content[None]), vgg(style[None]))
    found = style_swap(content, style, vgg, StyleSwapSettings(iterations=15, variation=0.0))

    def gap(image: Tensor) -> Tensor:
        found: Tensor = vgg(image[None])
        return (found - swapped).square().mean()

    assert gap(found.picture) < 0.5 * gap(content)
    smooth = style_swap(content, style, vgg, StyleSwapSettings(iterations=15, variation=10.0))
    assert smooth.picture.diff(dim=2).abs().mean() < found.picture.diff(dim=2).abs().mean()


def test_features_are_swapped_as_the_definition_says() -> None:
    asked, offered = torch.rand(1, 4, 5, 6), torch.rand(1, 4, 7, 5)
    total, count = torch.zeros(4, 5, 6), torch.zeros(5, 6)
    places = [(y, x) for y in range(5) for x in range(3)]
    for y in range(3):
        for x in range(4):
            query = asked[0, :, y : y + 3, x : x + 3]
            patches = [offered[0, :, v : v + 3, u : u + 3] for v, u in places]
            total[:, y : y + 3, x : x + 3] += max(
                patches, key=lambda patch: float((patch * query).sum() / patch.norm())
            )
            count[y : y + 3, x : x + 3] += 1
    torch.testing.assert_close(swapped_features(asked, offered)[0], total / count)


def test_errors_are_relative_to_what_is_wanted() -> None:
    found, wanted = torch.rand(4, 5), torch.rand(4, 5)
    expected = (found - wanted).square().sum() / wanted.square().sum()
    torch.testing.assert_close(relative_error(found, wanted), expected)
    torch.testing.assert_close(relative_error(9 * found, 9 * wanted), expected)


def test_a_gram_matrix_is_of_channels_over_cells() -> None:
    features = torch.rand(1, 3, 4, 5)
    wanted = torch.einsum("chw,dhw->cd", features[0], features[0]) / 20
    torch.testing.assert_close(gram(features), wanted)


@pytest.mark.parametrize(
    ("layer", "used", "missing"),
    [
        ("relu3_1", ["relu1_1", "relu2_1", "relu3_1"], ["relu4_1", "relu5_1", "relu4_2"]),
        ("relu4_1", ["relu1_1", "relu2_1", "relu3_1", "relu4_1"], ["relu5_1", "relu4_2"]),
    ],
)
def test_layers_that_the_weights_lack_are_named(
    layer: str, used: list[str], missing: list[str]
) -> None:
    told = gatys(picture(32, 32), picture(32, 32), vgg19(layer), GatysSettings(iterations=0))
    assert told.settings["style layers"] == used
    assert told.settings["content layer"] == layer
    assert told.settings["missing layers"] == missing
    assert told.settings["iterations"] == 0
    json.dumps(told.settings)
    torch.testing.assert_close(told.picture, picture(32, 32))


@pytest.mark.parametrize("method", [gatys, style_swap])
def test_what_is_no_picture_is_refused(method: type) -> None:
    good = picture(16, 16)
    with pytest.raises(ValueError, match=r"style is \(3, 16, 12\), want \[3, H, W\] of 16 pixels"):
        method(good, picture(16, 12), vgg19())
    with pytest.raises(ValueError, match=r"content is \(1, 3, 16, 16\)"):
        method(good[None], good, vgg19())
    with pytest.raises(ValueError, match="vgg ends at relu2_1, want relu3_1 at least"):
        method(good, good, vgg19("relu2_1"))
