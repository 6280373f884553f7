from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from swapfill import encoder
from swapfill.bundle import Bundle
from swapfill.encoder import VGG19
from swapfill.engines import load_engine
from swapfill.errors import ConfigError
from swapfill.evaluation.guessing import enlarged, small_guess
from swapfill.evaluation.patch_synthesis import Target, minimise, synthesise_squares, texture
from swapfill.evaluation.pixel_solver import variation
from swapfill.evaluation.settings import NeuralPatchSettings
from swapfill.networks import initialise
from swapfill.patch_swap import feature_hole, patch_swap

_THIN = 16  # of VGG-19's channels one is left


@pytest.fixture
def thin(monkeypatch: pytest.MonkeyPatch) -> None:
    table = [
        (e[0], e[1] // _THIN or 3, e[2] // _THIN) if isinstance(e, tuple) else e
        for e in encoder._VGG19
    ]
    monkeypatch.setattr(encoder, "_VGG19", table)


def vgg19(layer: str = "relu3_1") -> VGG19:
    network = VGG19(layer)
    initialise(network, torch.Generator().manual_seed(0))
    return network


def settings(**more: Any) -> NeuralPatchSettings:
    return NeuralPatchSettings.read({"iterations": 8, **more}, "test")


def picture(side: int = 64, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Stripes with noise, grey in the hole, and the hole."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    waves = np.stack([np.sin(x / 2), np.sin(y / 3), np.cos((x + y) / 4)])
    pixels = np.clip(0.5 + 0.3 * waves + rng.normal(0, 0.05, (3, side, side)), 0, 1)
    hole = torch.zeros(1, 1, side, side, dtype=torch.bool)
    hole[..., side // 3 : side // 2, side // 3 : side // 2] = True
    image = torch.from_numpy(pixels[None].astype(np.float32))
    return torch.where(hole, 0.5, image), hole


def test_the_texture_term_has_the_gradient_of_the_published_code() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(1, 5, 9, 9, generator=generator, requires_grad=True)
    hole = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    hole[..., 3:6, 4:6] = True
    target = Target(patch_swap(features.detach(), hole), hole, 1.0)
    texture(features, target).backward()
    assert features.grad is not None

    # Pull each patch of the hole to its nearest known one; divide each cell's pull by the patches.
    f = features.detach()[0]
    patches = {(y, x): f[:, y : y + 3, x : x + 3] for y in range(7) for x in range(7)}
    missing = hole[0, 0]
    known = [p for (y, x), p in patches.items() if not missing[y : y + 3, x : x + 3].any()]
    pull, count = torch.zeros_like(f), torch.zeros(9, 9)
    for (y, x), patch in patches.items():
        if missing[y : y + 3, x : x + 3].any():
            nearest = max(known, key=lambda k: float((k * patch).sum() / k.norm()))
            pull[:, y : y + 3, x : x + 3] += nearest - patch
            count[y : y + 3, x : x + 3] += 1
    wanted = -2 * pull / count.clamp(min=1) * missing / (5 * missing.sum())
    torch.testing.assert_close(features.grad[0], wanted)


def test_the_texture_term_looks_at_the_hole_alone() -> None:
    features, wanted = torch.rand(1, 4, 6, 6), torch.rand(1, 4, 6, 6)
    hole = torch.zeros(1, 1, 6, 6, dtype=torch.bool)
    hole[..., 2:4, 1:3] = True
    other = torch.where(hole, features, torch.rand(1, 4, 6, 6))
    once = texture(features, Target(wanted, hole, 2.0))
    assert torch.equal(texture(other, Target(wanted, hole, 2.0)), once)
    inside = hole.expand_as(features)
    torch.testing.assert_close(once, (features - wanted)[inside].square().mean() / 2)


def test_the_texture_term_does_not_depend_on_the_scale_of_the_weights() -> None:
    features, hole = torch.rand(1, 4, 6, 6), torch.ones(1, 1, 6, 6, dtype=torch.bool)
    wanted = torch.rand(1, 4, 6, 6)
    once = texture(features, Target(wanted, hole, 1.0))
    torch.testing.assert_close(texture(3 * features, Target(3 * wanted, hole, 9.0)), once)


def test_known_pixels_stay_and_the_hole_comes_nearer_to_its_matches(thin: None) -> None:
    vgg, (start, hole) = vgg19(), picture()
    found = minimise(vgg, settings(texture=1.0), start, hole)
    inside = hole.expand_as(start)
    assert torch.equal(found[~inside], start[~inside])
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    cells = feature_hole(hole, 16)
    target = Target(patch_swap(vgg(start), cells), cells, 1.0)
    assert texture(vgg(found), target) < 0.8 * texture(vgg(start), target)
    again = minimise(vgg, settings(texture=1.0), start, hole)
    assert torch.equal(again, found)


def test_each_weight_pulls_its_own_way(thin: None) -> None:
    vgg, (start, hole) = vgg19(), picture()
    noisy = torch.where(hole, torch.rand(start.shape), start)
    inside = hole.expand_as(start)

    def moved(**more: float) -> Tensor:
        weights = {"content": 0.0, "texture": 0.0, "variation": 0.0, **more}
        return minimise(vgg, settings(**weights), noisy, hole)

    assert torch.equal(moved(content=1.0), noisy)  # it starts at its goal
    assert not torch.equal(moved(texture=1.0), noisy)
    smooth = moved(variation=1.0)
    assert variation(smooth, hole) < 0.1 * variation(noisy, hole)
    held = moved(variation=1.0, content=10.0)
    assert (held - noisy)[inside].norm() < 0.5 * (smooth - noisy)[inside].norm()


def test_iterations_are_counted(thin: None) -> None:
    vgg, (start, hole) = vgg19(), picture()
    assert torch.equal(minimise(vgg, settings(iterations=0), start, hole), start)
    gaps = []
    for iterations in (1, 6):
        found = minimise(vgg, settings(iterations=iterations), start, hole)
        cells = feature_hole(hole, 16)
        gaps.append(texture(vgg(found), Target(patch_swap(vgg(start), cells), cells, 1.0)))
    assert gaps[1] < gaps[0]


def test_a_hole_that_leaves_no_match_has_no_texture_term(thin: None) -> None:
    start, hole = picture(32)
    hole[..., 2:, :] = True
    noisy = torch.where(hole, torch.rand(start.shape), start)
    found = minimise(vgg19(), settings(), noisy, hole)
    assert variation(found, hole) < variation(noisy, hole)


def test_relu4_1_is_compared_where_the_weights_have_it(thin: None) -> None:
    start, hole = picture(64)
    deep = vgg19("relu4_1")
    shallow = VGG19("relu3_1")
    shallow.load_state_dict(
        {k: v for k, v in deep.state_dict().items() if not k.startswith("features.1")}
        | {k: v for k, v in deep.state_dict().items() if k.startswith("features.10")}
    )
    pair = [minimise(vgg, settings(), start, hole) for vgg in (deep, shallow)]
    assert not torch.equal(*pair)


def test_windows_are_filled_scale_by_scale_and_pasted(tiny_bundle: Path, thin: None) -> None:
    engine = load_engine("torch", Bundle.open(tiny_bundle), "cpu", "fp32")
    image, hole = picture(128)
    known = torch.where(hole, 0.0, image).permute(0, 2, 3, 1).numpy()
    holes = hole[:, 0].numpy()
    small = settings(iterations=0, scales=(32, 128))
    found = synthesise_squares(engine, vgg19(), small, known, holes)
    assert np.array_equal(found[~holes], known[~holes])
    guess = small_guess(engine, known, holes)
    area = torch.nn.functional.interpolate
    low = area(guess, size=(32, 32), mode="bilinear", align_corners=False)
    here = feature_hole(hole, 32)
    low = torch.where(
        here, low, area(torch.from_numpy(known).permute(0, 3, 1, 2), scale_factor=0.25, mode="area")
    )
    np.testing.assert_allclose(found, enlarged(low, known, holes), atol=1e-6)
    more = synthesise_squares(engine, vgg19(), settings(scales=(64,)), known, holes)
    assert not np.allclose(more, found, atol=1e-3)


def test_a_window_below_the_smallest_scale_is_filled_at_its_own(
    tiny_bundle: Path, thin: None
) -> None:
    engine = load_engine("torch", Bundle.open(tiny_bundle), "cpu", "fp32")
    image, hole = picture(128)
    known = torch.where(hole, 0.0, image).permute(0, 2, 3, 1).numpy()
    holes = hole[:, 0].numpy()
    own, same = (
        synthesise_squares(engine, vgg19(), settings(scales=(side,), iterations=2), known, holes)
        for side in (256, 128)
    )
    np.testing.assert_array_equal(own, same)


def test_scales_rise() -> None:
    with pytest.raises(ConfigError, match="want rising sides"):
        settings(scales=(256, 128))
