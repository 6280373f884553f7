"""A discriminator on frozen features: what it sees, what learns, what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from swapfill import losses
from swapfill.config import DiscriminatorConfig
from swapfill.encoder import VGG19, CompactEncoder
from swapfill.errors import ConfigError
from swapfill.networks import Image2Feature, initialise
from swapfill.projected import LOOKED_AT, ProjectedDiscriminator, surroundings
from swapfill.training.build import build_stage
from swapfill.training.data import Batch
from swapfill.training.feature2image_stage import Feature2ImageStage
from swapfill.training.settings import TrainSettings
from swapfill.weights import save_from

SIDE = 32


def vgg() -> VGG19:
    network = VGG19("relu3_1")
    initialise(network, torch.Generator().manual_seed(0))
    return network


def judge(width: int = 4, *, conditional: bool = False) -> ProjectedDiscriminator:
    network = ProjectedDiscriminator(
        DiscriminatorConfig(kind="projected", width=width, conditional=conditional)
    )
    initialise(network, torch.Generator().manual_seed(1))
    return network


def seen(image: Tensor) -> dict[str, Tensor]:
    return vgg().layers(image, tuple(LOOKED_AT))


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, str]:
    parts = {"vgg": vgg(), "encoder_weights": CompactEncoder(2)}
    parts["image2feature_weights"] = Image2Feature(settings({}).image2feature)
    for name, network in parts.items():
        save_from(network, tmp_path / name)
    return {name: str(tmp_path / name) for name in parts}


def settings(files: dict[str, str], stage: str = "feature2image", **parts: Any) -> TrainSettings:
    base: dict[str, Any] = {
        "stage": stage,
        "data": {"sources": ["nowhere"], "side": SIDE},
        "optim": {"steps": 3, "batch_size": 2, "learning_rate": 1e-3},
        "loss": {"image": 1.0, "adversarial": 1.0, "kind": "hinge"},
        "encoder": {"width": 2},
        "image2feature": {"side": SIDE, "width": 8, "max_width": 8},
        "feature2image": {"side": SIDE, "width": 4, "max_width": 8, "guided": True, "norm": "none"},
        "discriminator": {"kind": "projected", "width": 4},
        "query": {"prediction": 0.5} if files else {},
        **files,
    }
    for name, values in parts.items():
        base[name] = {**base.get(name, {}), **values}
    return TrainSettings.read(base, "test")


def built(files: dict[str, str], **parts: Any) -> Feature2ImageStage:
    stage = build_stage(settings(files, **parts))
    assert isinstance(stage, Feature2ImageStage)
    return stage


def batch(seed: int = 0) -> Batch:
    hole = torch.zeros(2, 1, SIDE, SIDE, dtype=torch.bool)
    hole[:, :, 12:20, 12:20] = True
    truth = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return Batch(truth, hole)


def moved(network: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}


def copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


@pytest.mark.parametrize(("height", "width"), [(32, 32), (48, 64)])
def test_there_are_logits_of_each_layer_at_a_quarter_of_the_side(height: int, width: int) -> None:
    logits = judge()(seen(torch.rand(2, 3, height, width)))
    assert logits.shape == (2, len(LOOKED_AT), height // 4, width // 4)


def test_each_logit_sees_as_far_as_it_says() -> None:
    """One pixel is changed: so wide is what changes, in pixels of all that look at it."""
    network, picture = judge().eval(), torch.rand(1, 3, 128, 128)  # no power iterations
    other = picture.clone()
    other[:, :, 64, 64] = 1 - other[:, :, 64, 64]
    gaps = (network(seen(picture)) - network(seen(other))).abs()[0]
    widths = [int((gap > 0).any(dim=0).sum()) for gap in gaps]
    for width, field in zip(widths, (30, 36, 40), strict=True):  # a logit stands every 4 pixels
        assert field // 4 - 1 <= width <= -(-field // 4) + 1


def test_every_parameter_gets_a_gradient_and_so_does_the_picture() -> None:
    network, picture = judge(), torch.rand(2, 3, 32, 32, requires_grad=True)
    network(seen(picture)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert picture.grad is not None
    assert (picture.grad.abs().sum(dim=1) > 0).all()


def test_it_learns_to_tell_noise_from_what_is_smooth() -> None:
    network, generator = judge(8), torch.Generator().manual_seed(2)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, betas=(0.5, 0.999))
    encoder = vgg()
    for _ in range(40):
        real = torch.rand(4, 3, 32, 32, generator=generator)
        fake = nn.functional.avg_pool2d(real, 3, stride=1, padding=1)
        loss = losses.hinge_for_discriminator(
            *(network(encoder.layers(x, tuple(LOOKED_AT))) for x in (real, fake))
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.5  # 1 for one that knows nothing


def test_what_is_around_is_the_mean_of_what_is_known_near() -> None:
    """Left of the hole is 1, right of it is 3; what the hole shows does not count."""
    layer, hole = torch.ones(1, 1, SIDE, 4 * SIDE), torch.zeros(1, 1, SIDE, 4 * SIDE).bool()
    layer[..., 2 * SIDE :], hole[..., SIDE : 3 * SIDE] = 3, True
    shown = torch.where(hole, 100.0, layer)
    found = surroundings({"a": shown, "b": nn.functional.avg_pool2d(shown, 2)}, hole)
    for name in ("a", "b"):
        row = found[name][0, 0, SIDE // 8]
        assert found[name].shape == (1, 1, SIDE // 4, SIDE)
        assert row[0] == pytest.approx(1, abs=0.02)
        assert row[-1] == pytest.approx(3, abs=0.02)
        assert row[SIDE // 2 - 1] == pytest.approx(2, abs=0.2)
        assert (row.diff() > -1e-5).all()
    nothing = surroundings({"a": shown}, torch.ones_like(hole))
    assert not nothing["a"].any()


def test_a_cell_that_is_known_in_part_says_nothing_of_what_is_around() -> None:
    layer, hole = torch.rand(1, 2, SIDE, SIDE), torch.zeros(1, 1, SIDE, SIDE).bool()
    hole[..., 9:22, 10:23] = True
    other = layer.clone()
    other[..., 8:24, 8:24] = 7
    for name, found in surroundings({"a": layer}, hole).items():
        torch.testing.assert_close(found, surroundings({"a": other}, hole)[name])


def test_a_conditional_judge_starts_as_one_that_is_told_nothing() -> None:
    layers = seen(torch.rand(2, 3, SIDE, SIDE))
    around = surroundings(layers, torch.zeros(2, 1, SIDE, SIDE).bool())
    told = judge(conditional=True).eval()
    plain = judge().eval()
    plain.load_state_dict(told.state_dict(), strict=False)
    torch.testing.assert_close(told(layers, around), plain(layers))
    for told_of in told.told.values():
        nn.init.normal_(told_of.weight)  # type: ignore[arg-type]
    assert not torch.allclose(told(layers, around), plain(layers), atol=1e-3)


def test_a_conditional_judge_wants_to_be_told() -> None:
    with pytest.raises(ValueError, match="around is empty, want the surroundings"):
        judge(conditional=True)(seen(torch.rand(1, 3, SIDE, SIDE)))
    with pytest.raises(ValueError, match="conditional is true, want kind 'projected', not 'patch'"):
        DiscriminatorConfig(conditional=True)


@pytest.mark.parametrize("conditional", [False, True])
def test_it_learns_that_what_is_around_goes_on_only_where_it_is_told(conditional: bool) -> None:
    """Bright or dark, as what is around is; the fakes are as bright, but around the other."""
    network, generator = judge(8, conditional=conditional), torch.Generator().manual_seed(2)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, betas=(0.5, 0.999))
    encoder, hole = vgg(), torch.zeros(4, 1, SIDE, SIDE).bool()
    for _ in range(40):
        level = torch.tensor([0.1, 0.1, 0.9, 0.9]).reshape(4, 1, 1, 1)
        real = level + 0.1 * torch.rand(4, 3, SIDE, SIDE, generator=generator)
        layers = encoder.layers(real, tuple(LOOKED_AT))
        around = surroundings(layers, hole)
        fake = {name: layer.flip(0) for name, layer in layers.items()}
        loss = losses.hinge_for_discriminator(network(layers, around), network(fake, around))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert bool(loss < 0.5) is conditional  # 1 for one that knows nothing


def test_a_step_tells_the_judge_what_is_known_around_a_tile(weights: dict[str, str]) -> None:
    stage = built(weights, discriminator={"conditional": True})
    assert isinstance(stage.judge, ProjectedDiscriminator)
    stage.tile = SIDE  # of pictures twice as large
    stage.learn(Batch(*(nn.functional.pad(part, (SIDE,) * 4) for part in vars(batch()).values())))
    assert len(stage.judge.told) == len(LOOKED_AT)
    for told in stage.judge.told.values():
        assert told.weight.abs().sum() > 0  # type: ignore[operator]


def test_a_step_moves_the_network_and_the_judge_alone(weights: dict[str, str]) -> None:
    stage = built(weights)
    assert stage.judge is not None
    assert stage.vgg is not None
    parts = (stage.network, stage.judge, stage.vgg, stage.encoder)
    before = [copied(part) for part in parts]
    terms = stage.learn(batch())
    assert set(terms) == {"image", "adversarial", "discriminator"}  # no perceptual term is asked
    assert [bool(moved(part, old)) for part, old in zip(parts, before, strict=True)] == [
        True,
        True,
        False,
        False,
    ]


def test_each_picture_is_looked_at_once(weights: dict[str, str]) -> None:
    """VGG's features of truth and composite serve the perceptual term and both halves."""
    stage = built(weights, loss={"perceptual": 1.0})
    assert stage.vgg is not None
    shown: list[Tensor] = []
    layers = stage.vgg.layers

    def spy(image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        shown.append(image)
        return layers(image, names)

    stage.vgg.layers = spy  # type: ignore[method-assign]
    given = batch()
    stage.learn(given)
    composite, truth = shown
    assert torch.equal(truth, given.truth)
    known = ~given.hole.expand_as(truth)
    assert torch.equal(composite[known], truth[known])
    assert not torch.isclose(composite[~known], truth[~known]).all()


def test_only_patches_that_see_the_hole_count(weights: dict[str, str]) -> None:
    """Painted truth in the hole, anything outside: nothing for the judge to find."""
    stage = built(weights)
    given = batch()
    made = torch.where(given.hole, given.truth, 0.5)

    class Painter(nn.Module):
        def forward(self, features: Tensor, guide: Any) -> Tensor:
            return made.clone().requires_grad_(True)

    stage.network = Painter()
    terms = stage.learn(given)
    assert float(terms["discriminator"]) == pytest.approx(1, abs=0.3)  # real and fake are alike
    assert stage.judge is not None
    logits, weight = stage._judged(stage.judge, stage.given(*vars(given).values()), _view(stage))
    assert weight is not None
    assert weight.shape == logits.shape
    assert (weight[0, :, 3:5, 3:5] == 1).all()
    assert (weight[0, :, :3] == 0).all()


def _view(stage: Feature2ImageStage) -> Any:
    return stage._view(batch().truth)


def test_the_gradient_penalty_goes_through_the_features(weights: dict[str, str]) -> None:
    terms = built(weights, loss={"gradient_penalty": 1.0}).learn(batch())
    assert terms["penalty"] > 0


def test_it_goes_on_where_it_stopped(weights: dict[str, str]) -> None:
    unbroken = built(weights)
    for seed in range(3):
        unbroken.learn(batch(seed))
        unbroken.step += 1
    first, second = built(weights), built(weights)
    first.learn(batch(0))
    first.step += 1
    second.load_state_dict(first.state_dict())
    for seed in (1, 2):
        second.learn(batch(seed))
        second.step += 1
    for mine, other in zip(
        (*second.network.parameters(), *second.judge.parameters()),  # type: ignore[union-attr]
        (*unbroken.network.parameters(), *unbroken.judge.parameters()),  # type: ignore[union-attr]
        strict=True,
    ):
        assert torch.equal(mine, other)


def test_it_needs_vgg(weights: dict[str, str]) -> None:
    without = {name: path for name, path in weights.items() if name != "vgg"}
    with pytest.raises(ConfigError, match="vgg is missing, want the file of VGG-19's weights"):
        build_stage(settings(without))


def test_it_is_no_judge_of_image2feature(weights: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="kind is 'projected', want 'patch' or 'centre' for"):
        settings(weights, "image2feature", query={"prediction": 0})
