import copy
import itertools
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from swapfill import losses
from swapfill.config import Image2FeatureConfig
from swapfill.encoder import VGG19, CompactEncoder
from swapfill.errors import ConfigError
from swapfill.feature2image import Guide
from swapfill.matching import swap_coherently
from swapfill.networks import Guess, Image2Feature, initialise, place_centre
from swapfill.patch_swap import feature_hole, patch_swap
from swapfill.random_holes import centre_hole
from swapfill.training.build import batch_source, build_stage
from swapfill.training.data import Batch
from swapfill.training.encoder_stage import EncoderStage
from swapfill.training.feature2image_stage import Feature2ImageStage, Given, cut
from swapfill.training.image2feature_stage import Image2FeatureStage
from swapfill.training.loop import Interrupted, Stage, run
from swapfill.training.settings import TrainSettings
from swapfill.weights import save_from

SIDE = 32


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of random weights for the frozen parts."""
    folder = tmp_path_factory.mktemp("weights")
    parts = {
        "vgg": VGG19("relu3_1"),
        "encoder_weights": CompactEncoder(2),
        "image2feature_weights": Image2Feature(config("image2feature", {}).image2feature),
    }
    for name, network in parts.items():
        initialise(network, torch.Generator().manual_seed(0))
        save_from(network, folder / name)
    return {name: str(folder / name) for name in parts}


def config(stage: str, files: dict[str, str], **parts: dict[str, Any]) -> TrainSettings:
    """Toy settings of a stage; `parts` are added to its tables."""
    base: dict[str, Any] = {
        "stage": stage,
        "data": {"sources": ["nowhere"], "side": SIDE},
        "optim": {"steps": 3, "batch_size": 2, "learning_rate": 1e-3},
        "loss": {"image": 1.0, "feature": 0.01, "adversarial": 1.0},
        "encoder": {"width": 2},
        "image2feature": {"side": SIDE, "width": 8, "max_width": 8},
        "feature2image": {"side": SIDE, "width": 4, "max_width": 8},
        "discriminator": {"width": 4},
        **files,
    }
    if stage == "encoder":
        base.setdefault("vgg", "nowhere")
    for name, values in parts.items():
        base[name] = {**base.get(name, {}), **values}
    return TrainSettings.read(base, "test")


def batch(step: int = 0, size: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(step)
    truth = torch.rand(size, 3, SIDE, SIDE, generator=generator)
    hole = torch.zeros(size, 1, SIDE, SIDE, dtype=torch.bool)
    hole[:, :, 12:20, 12:20] = True
    hole[-1, :, 10, 14] = True  # not all alike
    return Batch(truth, hole)


def batches(step: int) -> Generator[Batch, None, None]:
    yield from map(batch, itertools.count(step))


def learned(settings: TrainSettings, given: Batch) -> tuple[Stage, dict[str, Tensor]]:
    stage = build_stage(settings)
    return stage, stage.learn(given)


def state_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in network.state_dict().items()}


def changed(before: dict[str, Tensor], network: nn.Module) -> bool:
    return any(not torch.equal(t, before[name]) for name, t in network.state_dict().items())


def flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, list | tuple):
        parts = [flat(part, f"{name}.{i}") for i, part in enumerate(value)]
        return {path: leaf for part in parts for path, leaf in part.items()}
    return {name: value}


FULL: dict[str, dict[str, dict[str, Any]]] = {
    "encoder": {"optim": {"ema": 0.9}},
    "image2feature": {
        "optim": {"ema": 0.9, "warmup": 2},
        "image2feature": {"feature_head": True},
        "loss": {"head": 0.5},
    },
    "feature2image": {
        "optim": {"ema": 0.9},
        "loss": {
            "kind": "hinge",
            "perceptual": 0.1,
            "gradient_penalty": 0.5,
            "penalty_every": 2,
            "ratio": {"perceptual": 0.5, "steps": 2},
        },
        "discriminator": {"norm": "spectral"},
        "query": {"prediction": 0.5},
    },
}


@pytest.mark.parametrize("name", FULL)
def test_a_resumed_run_ends_where_an_unbroken_one_does_bit_for_bit(
    name: str, weights: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    settings = config(name, weights, **FULL[name])
    unbroken = build_stage(settings)
    run(unbroken, batches, tmp_path / "unbroken", lambda _: None)

    def stop(_: object) -> None:
        os.kill(os.getpid(), 15)

    torch.manual_seed(123)  # what the global generator gives has no part in it
    with pytest.raises(Interrupted):
        run(build_stage(settings), batches, tmp_path / "broken", stop)
    again = build_stage(settings)
    run(again, batches, tmp_path / "broken", lambda _: None)
    assert again.step == unbroken.step == 3
    left, right = flat(unbroken.state_dict()), flat(again.state_dict())
    assert left.keys() == right.keys()
    for path, leaf in left.items():
        same = torch.equal(leaf, right[path]) if isinstance(leaf, Tensor) else leaf == right[path]
        assert same, path


@pytest.mark.parametrize("name", FULL)
def test_only_what_is_trained_moves(name: str, weights: dict[str, str]) -> None:
    stage = build_stage(config(name, weights, **FULL[name]))
    frozen = {
        part: state_of(getattr(stage, part))
        for part in ("teacher", "encoder", "vgg", "guesser")
        if getattr(stage, part, None) is not None
    }
    assert frozen
    before = state_of(stage.network)
    stage.learn(batch())
    for part, state in frozen.items():
        network = getattr(stage, part)
        assert not changed(state, network), part
        assert not network.training
        assert all(p.grad is None for p in network.parameters()), part
    for key, parameter in stage.network.named_parameters():
        assert not torch.equal(parameter, before[key]), key


@pytest.mark.parametrize("name", FULL)
def test_half_precision_learns_too(name: str, weights: dict[str, str]) -> None:
    parts = copy.deepcopy(FULL[name])
    parts["optim"]["precision"] = "bf16"
    stage = build_stage(config(name, weights, **parts))
    before = state_of(stage.network)
    assert all(bool(term.isfinite()) for term in stage.learn(batch()).values())
    assert changed(before, stage.network)
    assert all(p.dtype == torch.float32 for p in stage.network.parameters())


@pytest.mark.parametrize(
    ("name", "loss", "terms"),
    [
        ("image2feature", {}, {"image", "feature", "adversarial", "discriminator"}),
        ("image2feature", {"adversarial": 0}, {"image", "feature"}),
        ("image2feature", {"adversarial": 0, "feature": 0}, {"image"}),
        ("image2feature", {"adversarial": 0, "feature": 0, "head": 1}, {"image", "head"}),
        ("feature2image", {"feature": 0}, {"image", "adversarial", "discriminator"}),
        ("feature2image", {"adversarial": 0}, {"image"}),
        ("feature2image", {"adversarial": 0, "perceptual": 1}, {"image", "perceptual"}),
    ],
)
def test_a_weight_of_0_leaves_its_term_out(
    name: str, loss: dict[str, float], terms: set[str], weights: dict[str, str]
) -> None:
    parts: dict[str, dict[str, Any]] = {"loss": loss, "image2feature": {"feature_head": True}}
    stage, found = learned(config(name, weights, **parts), batch())
    assert found.keys() == terms
    judged = "adversarial" in terms
    assert (stage.judge is not None) == (stage.judge_optimizer is not None) == judged
    assert not any(term.requires_grad for term in found.values())


def gradient(settings: TrainSettings) -> dict[str, Tensor]:
    stage = build_stage(settings)
    stage.learn(batch())
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in stage.network.named_parameters()
    }


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("image2feature", {"image": 3.0, "feature": 0.02, "adversarial": 0.7, "head": 5.0}),
        ("feature2image", {"image": 3.0, "adversarial": 0.7, "perceptual": 0.4}),
    ],
)
@pytest.mark.parametrize("kind", ["bce", "hinge"])
def test_what_is_learned_is_the_weighted_sum_of_the_terms(
    name: str, terms: dict[str, float], kind: str, weights: dict[str, str]
) -> None:
    def of(loss: dict[str, float]) -> dict[str, Tensor]:
        zero = dict.fromkeys(("image", "feature", "adversarial", "head", "perceptual"), 0.0)
        # Without normalisation: a bias before one has a gradient of rounding errors alone.
        parts: dict[str, dict[str, Any]] = {
            "image2feature": {"feature_head": True, "norm": "none"},
            "feature2image": {"norm": "none"},
            "discriminator": {"norm": "none"},
        }
        return gradient(config(name, weights, loss={**zero, **loss, "kind": kind}, **parts))

    together = of(terms)
    alone = {term: of({term: 1.0}) for term in terms}
    for term, found in alone.items():
        assert any(float(g.abs().sum()) > 0 for g in found.values()), term
    for key, whole in together.items():
        added = sum(weight * alone[term][key] for term, weight in terms.items())
        torch.testing.assert_close(whole, added, atol=1e-5, rtol=1e-3)


class Spy(nn.Module):
    """A discriminator that keeps what it is shown."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.shown: list[tuple[Tensor, Tensor]] = []

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        self.shown.append((first, second))
        return cast(Tensor, self.inner(first, second))


def spied(name: str, weights: dict[str, str], *, kind: str = "bce") -> tuple[Stage, Spy, nn.Module]:
    """A stage whose judge is watched, and a copy of the judge as it was at the start."""
    plain = {"norm": "none"}
    stage = build_stage(config(name, weights, discriminator=plain, loss={"kind": kind}))
    assert stage.judge is not None
    spy, start = Spy(stage.judge), copy.deepcopy(stage.judge)
    stage.judge = spy
    return stage, spy, start


@pytest.mark.parametrize("name", ["image2feature", "feature2image"])
def test_the_discriminator_learns_from_its_own_loss_alone(
    name: str, weights: dict[str, str]
) -> None:
    """Its gradient is that of eq. 4 on truth and detached picture: none of the generator's half."""
    stage, spy, start = spied(name, weights)
    moved: list[bool] = []
    step = stage.optimizer.step
    judge = spy.inner
    before = state_of(judge)

    def generator_step(*args: Any) -> Any:
        out = step(*args)
        moved.append(changed(before, judge))
        return out

    stage.optimizer.step = generator_step  # type: ignore[method-assign,assignment]
    stage.learn(batch())
    assert moved == [False]  # nor did it move in the generator's half
    assert changed(before, judge)
    (_, faked), (first, real), (again, fake) = spy.shown
    assert faked.requires_grad
    assert not fake.requires_grad
    assert torch.equal(first, again)
    assert torch.equal(faked, fake)
    assert torch.equal(real, batch().truth)
    loss = losses.adversarial_for_discriminator(start(first, real), start(again, fake))
    loss.backward()
    for wanted, found in zip(start.parameters(), judge.parameters(), strict=True):
        assert wanted.grad is not None
        assert found.grad is not None
        torch.testing.assert_close(found.grad, wanted.grad)


@pytest.mark.parametrize("name", ["image2feature", "feature2image"])
def test_the_kind_of_adversarial_loss_is_a_switch(name: str, weights: dict[str, str]) -> None:
    for kind in ("bce", "hinge"):
        stage, spy, start = spied(name, weights, kind=kind)
        found = stage.learn(batch())
        with torch.no_grad():
            fooled, real, fake = (start(*shown) for shown in spy.shown)
        if kind == "bce":
            generator = losses.adversarial_for_generator(fooled)
            discriminator = losses.adversarial_for_discriminator(real, fake)
        else:
            generator = losses.hinge_for_generator(fooled)
            discriminator = losses.hinge_for_discriminator(real, fake)
        torch.testing.assert_close(found["adversarial"], generator)
        torch.testing.assert_close(found["discriminator"], discriminator)


def test_the_first_discriminator_sees_the_incomplete_picture_and_the_composite(
    weights: dict[str, str],
) -> None:
    stage, spy, _ = spied("image2feature", weights)
    given = batch()
    stage.learn(given)
    incomplete, composite = spy.shown[0]
    assert torch.equal(incomplete, torch.where(given.hole, 0.0, given.truth))
    known = ~given.hole.expand_as(given.truth)
    assert torch.equal(composite[known], given.truth[known])
    assert not torch.equal(composite, given.truth)


def test_the_second_discriminator_sees_the_swapped_features_and_the_whole_picture(
    weights: dict[str, str],
) -> None:
    stage, spy, _ = spied("feature2image", weights)
    assert isinstance(stage, Feature2ImageStage)
    given = batch()
    swapped = stage.given(given.truth, given.hole).features
    stage.learn(given)
    features, image = spy.shown[0]
    assert torch.equal(features, swapped)
    known = ~given.hole.expand_as(given.truth)
    assert not torch.equal(image[known], given.truth[known])


class Painter(nn.Module):
    """A network that always answers the same; its one weight scales the answer by 1."""

    def __init__(self, answer: Guess | Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.answer = answer

    def forward(self, *_: Tensor) -> Any:
        if isinstance(self.answer, Tensor):
            return self.answer * self.scale
        features = self.answer.features
        return Guess(self.answer.image * self.scale, features)


def test_the_terms_of_image2feature_are_the_papers(weights: dict[str, str]) -> None:
    loss = {"adversarial": 0, "head": 1, "ring": 4, "ring_weight": 10.0}
    stage = build_stage(config("image2feature", weights, loss=loss))
    assert isinstance(stage, Image2FeatureStage)
    given = batch()
    truth, hole = given.truth, given.hole
    image, head = torch.rand_like(truth), torch.rand(2, 256, SIDE // 4, SIDE // 4)
    stage.network = Painter(Guess(image, head))
    found = stage.learn(given)

    pixel_weight = torch.zeros_like(hole, dtype=torch.float)
    pixel_weight[..., 8:24, 8:24] = 10  # a ring of 4 around 12..20
    pixel_weight[-1, :, 6:15, 10:19] = 10  # around the lone pixel (10, 14), before the hole
    pixel_weight[hole] = 1
    gap = (pixel_weight * (image - truth).abs()).sum() / (3 * pixel_weight.sum())
    torch.testing.assert_close(found["image"], gap)

    assert stage.encoder is not None
    with torch.no_grad():
        wanted = stage.encoder(truth)
        composite = stage.encoder(torch.where(hole, image, truth))
    cells = torch.zeros(2, 1, 8, 8)
    cells[..., 2:6, 2:6] = 10
    cells[-1, :, 1:4, 2:5] = 10  # the lone pixel is in cell (2, 3)
    cells[..., 3:5, 3:5] = 1
    cells[-1, :, 2, 3] = 1
    summed = (cells * (composite - wanted).abs()).sum() / 2
    torch.testing.assert_close(found["feature"], summed)

    unit = wanted / wanted.norm(dim=1, keepdim=True)
    inside = (cells == 1).float()
    distance = ((head - unit).square().sum(1, keepdim=True) * inside).sum() / inside.sum()
    torch.testing.assert_close(found["head"], distance)


def test_the_image_term_of_feature2image_weighs_the_hole(weights: dict[str, str]) -> None:
    loss = {"adversarial": 0, "hole_weight": 3.0, "perceptual": 1.0}
    stage = build_stage(config("feature2image", weights, loss=loss))
    given = batch()
    image = torch.rand_like(given.truth)
    stage.network = Painter(image)
    found = stage.learn(given)
    weight = torch.where(given.hole, 3.0, 1.0)
    gap = (weight * (image - given.truth).abs()).sum() / (3 * weight.sum())
    torch.testing.assert_close(found["image"], gap)
    assert float(found["perceptual"]) > 0
    stage.network = Painter(given.truth)
    found = stage.learn(given)
    assert float(found["image"]) == 0
    assert float(found["perceptual"]) == 0


def test_distillation_compares_the_student_with_the_teacher(weights: dict[str, str]) -> None:
    stage, found = learned(config("encoder", weights), batch())
    assert isinstance(stage, EncoderStage)
    fresh = build_stage(config("encoder", weights))
    truth = batch().truth
    with torch.no_grad():
        wanted = losses.distillation(fresh.network(truth), stage.teacher(truth))
    torch.testing.assert_close(found["distillation"], wanted)


@pytest.mark.parametrize("name", FULL)
def test_a_toy_is_learned(name: str, weights: dict[str, str]) -> None:
    """The main term falls on one batch, over and over."""
    loss = {"adversarial": 0, "feature": 0}
    stage = build_stage(config(name, weights, optim={"learning_rate": 0.01}, loss=loss))
    term = "distillation" if name == "encoder" else "image"
    falls = [float(stage.learn(batch())[term]) for _ in range(12)]
    assert falls[-1] < 0.9 * falls[0]


def feature2image(weights: dict[str, str], prediction: float, **more: Any) -> Feature2ImageStage:
    query = {"prediction": prediction, **more}
    stage = build_stage(config("feature2image", weights, query=query, loss={"adversarial": 0}))
    assert isinstance(stage, Feature2ImageStage)
    return stage


def test_feature2image_is_given_the_swapped_features_of_the_truth(weights: dict[str, str]) -> None:
    stage, given = feature2image(weights, 0.0), batch(size=3)
    features = stage.encoder(given.truth)
    wanted = patch_swap(features, feature_hole(given.hole, SIDE // 4))
    assert torch.equal(stage.given(given.truth, given.hole).features, wanted)
    assert stage.engine is None


@pytest.mark.parametrize("matching", ["literal", "coherent"])
@pytest.mark.parametrize(("share", "guessed"), [(0.5, 2), (1.0, 4), (0.25, 1)])
def test_a_share_of_the_batch_is_asked_by_the_guess(
    share: float, guessed: int, matching: str, weights: dict[str, str]
) -> None:
    """Fine-tuning of [39]: features of the guess, composited with the known pixels."""
    stage, given = feature2image(weights, share, matching=matching, bonus=0.2), batch(size=4)
    found = stage.given(given.truth, given.hole).features
    plain = feature2image(weights, 0.0).given(given.truth, given.hole).features
    assert [bool((a != b).any()) for a, b in zip(found, plain, strict=True)] == [
        i < guessed for i in range(4)
    ]
    assert stage.engine is not None
    guess, _ = stage.engine.infer(given.truth, given.hole)
    features = stage.encoder(guess)
    cells = feature_hole(given.hole, SIDE // 4)
    wanted = (
        patch_swap(features, cells)
        if matching == "literal"
        else torch.stack(
            [
                swap_coherently(f, h, None, None, 1, 0.2)[0]
                for f, h in zip(features, cells, strict=True)
            ]
        )
    )
    torch.testing.assert_close(found[:guessed], wanted[:guessed], atol=1e-5, rtol=1e-4)
    assert not found.requires_grad


def test_coherent_queries_are_the_expected_features_of_the_guess(weights: dict[str, str]) -> None:
    stage, given = feature2image(weights, 1.0), batch()
    image = torch.rand_like(given.truth)
    expected = nn.functional.normalize(torch.rand(2, 256, SIDE // 4, SIDE // 4), dim=1)
    painter = Painter(Guess(image, expected))
    painter.config = Image2FeatureConfig(side=SIDE)  # type: ignore[assignment]
    stage.use_predictions(cast(Image2Feature, painter), stage.query)
    found = stage.given(given.truth, given.hole).features
    features = stage.encoder(torch.where(given.hole, image, given.truth))
    cells = feature_hole(given.hole, SIDE // 4)
    for i in range(2):
        wanted, _ = swap_coherently(features[i], cells[i], expected[i], None, 1, 0.1)
        torch.testing.assert_close(found[i], wanted)


def guided(weights: dict[str, str], **more: dict[str, Any]) -> Feature2ImageStage:
    parts: dict[str, dict[str, Any]] = {
        "feature2image": {"guided": True, "norm": "none"},
        "data": {"side": 2 * SIDE},
        "query": {"prediction": 0.5, "tile": SIDE},
        **more,
    }
    stage = build_stage(config("feature2image", weights, **parts))
    assert isinstance(stage, Feature2ImageStage)
    return stage


def large() -> Batch:
    """Two pictures of twice the guesser's side, each with a hole of 16 x 16 at another place."""
    hole = torch.zeros(2, 1, 2 * SIDE, 2 * SIDE, dtype=torch.bool)
    hole[0, :, 20:36, 24:40] = True
    hole[1, :, 4:20, 40:56] = True
    return Batch(torch.rand(2, 3, 2 * SIDE, 2 * SIDE), hole)


def test_a_guided_network_is_given_pieces_of_the_large_picture(weights: dict[str, str]) -> None:
    stage, wanted = guided(weights), large()
    given = stage.given(wanted.truth, wanted.hole)
    assert given.features.shape == (2, 256, SIDE // 2, SIDE // 2)
    known = ~wanted.hole.expand_as(wanted.truth)
    for image in (given.guide.pixels, given.guide.guess):
        assert torch.equal(image[known], wanted.truth[known])
        assert not torch.isclose(image[~known], wanted.truth[~known]).all()


def test_tiles_are_cut_alike_out_of_everything_and_meet_the_hole(weights: dict[str, str]) -> None:
    wanted = large()
    places = torch.arange(4 * SIDE * SIDE, dtype=torch.float).reshape(1, 1, 2 * SIDE, 2 * SIDE)
    image = places.expand(2, 3, -1, -1)
    cells = nn.functional.max_pool2d(image[:, :1], 4)  # the last pixel of each cell
    for seed in range(5):
        whole = Given(image, cells, Guide(image, image, wanted.hole), {"told": cells})
        tile = cut(whole, SIDE, 3, np.random.default_rng(seed))
        assert tile.truth.shape == (2 * 3, 3, SIDE, SIDE)
        assert not torch.equal(tile.truth[0], tile.truth[1])
        assert torch.equal(tile.features, nn.functional.max_pool2d(tile.truth[:, :1], 4))
        assert torch.equal(tile.around["told"], tile.features)
        assert torch.equal(tile.guide.pixels, tile.truth)
        assert tile.guide.hole.flatten(1).any(dim=1).all()
        again = cut(whole, SIDE, 3, np.random.default_rng(seed))
        assert torch.equal(tile.truth, again.truth)
    stage = guided(weights, query={"tile": SIDE, "tiles": 3})
    assert (stage.tile, stage.tiles) == (SIDE, 3)


def test_the_judge_of_a_guided_network_sees_the_composite(weights: dict[str, str]) -> None:
    stage = guided(weights, query={"prediction": 1.0, "tile": 0})
    assert stage.judge is not None
    spy = Spy(stage.judge)
    stage.judge = spy
    stage.learn(large())
    incomplete, composite = spy.shown[0]
    hole = (incomplete == 0).all(dim=1, keepdim=True).expand_as(composite)
    assert torch.equal(composite[~hole], incomplete[~hole])
    assert hole.any()


def test_a_guided_network_is_judged_in_its_hole_alone(weights: dict[str, str]) -> None:
    """Truth outside and in: no distance; truth outside alone: some."""
    stage = guided(weights, loss={"adversarial": 0, "perceptual": 1.0}, query={"tile": 0})
    wanted = large()
    half = torch.where(wanted.hole, wanted.truth, 0.5)
    stage.network = Painter(half)
    assert float(stage.learn(wanted)["perceptual"]) == 0
    stage.network = Painter(torch.where(wanted.hole, 0.5, wanted.truth))
    assert float(stage.learn(wanted)["perceptual"]) > 0.1


def test_the_literal_centre_is_placed_in_the_picture() -> None:
    truth = torch.rand(1, 3, 8, 12)
    centre = torch.rand(1, 3, 4, 6)
    placed = place_centre(centre, truth)
    assert torch.equal(placed[..., 2:6, 3:9], centre)
    outside = torch.ones(8, 12, dtype=torch.bool)
    outside[2:6, 3:9] = False
    assert torch.equal(placed[..., outside], truth[..., outside])
    assert place_centre(truth, truth) is truth


def test_the_literal_network_is_trained_on_the_centre_and_its_ring(weights: dict[str, str]) -> None:
    parts: dict[str, dict[str, Any]] = {
        "image2feature": {"mask_aware": False},
        "loss": {"ring": 1},
    }
    stage = build_stage(config("image2feature", weights, **parts))
    hole = torch.from_numpy(centre_hole(SIDE))[None, None].expand(2, 1, SIDE, SIDE)
    before = state_of(stage.network)
    terms = stage.learn(Batch(batch().truth, hole))
    assert all(bool(term.isfinite()) for term in terms.values())
    assert changed(before, stage.network)


@pytest.mark.parametrize("name", FULL)
def test_a_seed_decides_where_training_starts(name: str, weights: dict[str, str]) -> None:
    def start(seed: int, noise: int) -> dict[str, Any]:
        torch.manual_seed(noise)
        parts = copy.deepcopy(FULL[name])
        parts["optim"]["seed"] = seed
        return flat(build_stage(config(name, weights, **parts)).state_dict())

    first, again, other = start(0, 1), start(0, 2), start(1, 1)
    same = [k for k, v in first.items() if isinstance(v, Tensor) and not torch.equal(v, again[k])]
    assert same == []
    assert any(isinstance(v, Tensor) and not torch.equal(v, other[k]) for k, v in first.items())


def test_generator_and_discriminator_do_not_start_alike(weights: dict[str, str]) -> None:
    """Each draws from a seed of its own: layers of one shape would be twins."""
    stage = build_stage(config("image2feature", weights))
    assert stage.judge is not None
    mine, other = (
        next(n.parameters()).detach().flatten()[:20] for n in (stage.network, stage.judge)
    )
    assert abs(float(torch.corrcoef(torch.stack([mine, other]))[0, 1])) < 0.9


def test_training_starts_from_given_weights(weights: dict[str, str], tmp_path: Path) -> None:
    trained, _ = learned(config("feature2image", weights), batch())
    save_from(trained.network, tmp_path / "start")
    files = {**weights, "initial_weights": str(tmp_path / "start")}
    stage = build_stage(config("feature2image", files))
    assert not changed(state_of(trained.network), stage.network)


@pytest.mark.parametrize(
    ("name", "missing", "parts"),
    [
        ("image2feature", "encoder_weights", {}),
        ("feature2image", "encoder_weights", {}),
        ("feature2image", "vgg", {"loss": {"perceptual": 1.0}}),
    ],
)
def test_a_frozen_part_without_weights_is_named(
    name: str, missing: str, parts: dict[str, Any], weights: dict[str, str]
) -> None:
    files = {key: value for key, value in weights.items() if key != missing}
    with pytest.raises(ConfigError, match=f"{missing} is missing, want the file"):
        build_stage(config(name, files, **parts))


def sources(holes: str, share: float, tmp_path: Path, write: Callable[[Path], None]) -> Tensor:
    """The holes of a few batches of a run."""
    (tmp_path / "photos").mkdir(exist_ok=True)
    write(tmp_path / "photos")
    data = {
        "sources": [str(tmp_path / "photos")],
        "cache": str(tmp_path / "cache"),
        "holes": holes,
        "centre_share": share,
    }
    settings = config("encoder", {}, data=data, optim={"batch_size": 5})
    found = list(itertools.islice(batch_source(settings, print)(0), 4))
    later = next(batch_source(settings, print)(3))
    assert torch.equal(later.truth, found[3].truth)  # from a step on
    assert found[0].truth.shape == (5, 3, SIDE, SIDE)
    return torch.cat([b.hole for b in found])


@pytest.mark.parametrize(
    ("holes", "share", "least", "most"),
    [("centre", 0.0, 20, 20), ("mixed", 1.0, 20, 20), ("mixed", 0.0, 0, 0), ("mixed", 0.5, 4, 16)],
)
def test_the_share_of_centre_holes_is_a_setting(
    holes: str, share: float, least: int, most: int, tmp_path: Path
) -> None:
    def write(folder: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
        for name in ("a.png", "b.png"):
            Image.fromarray(pixels).save(folder / name)

    centre = torch.from_numpy(centre_hole(SIDE))
    found = sources(holes, share, tmp_path, write)
    assert least <= sum(torch.equal(hole[0], centre) for hole in found) <= most


@pytest.mark.parametrize("name", ["image2feature", "feature2image"])
def test_the_distance_of_the_image_term_is_a_switch(name: str, weights: dict[str, str]) -> None:
    loss = {"adversarial": 0.0, "feature": 0.0, "ring": 0}
    found = {}
    for distance in ("l1", "l2"):
        stage = build_stage(config(name, weights, loss={**loss, "distance": distance}))
        stage.network = Painter(
            Guess(torch.zeros_like(batch().truth), None)
            if name == "image2feature"
            else torch.zeros_like(batch().truth)
        )
        found[distance] = stage.learn(batch())["image"]
    where = batch().hole.expand_as(batch().truth) if name == "image2feature" else ...
    truth = batch().truth[where]
    torch.testing.assert_close(found["l1"], truth.mean())
    torch.testing.assert_close(found["l2"], truth.square().mean())


@pytest.mark.parametrize("name", FULL)
def test_a_gradient_is_clipped_to_the_norm_asked_for(name: str, weights: dict[str, str]) -> None:
    def norm(clip: float) -> float:
        stage = build_stage(config(name, weights, optim={"clip": clip}))
        stage.learn(batch())
        learning = [p.grad for p in stage.network.parameters() if p.grad is not None]
        return float(torch.stack([gradient.norm() for gradient in learning]).norm())

    free = norm(0.0)
    assert free > 1e-3
    assert norm(free / 10) == pytest.approx(free / 10, rel=1e-3)
    assert norm(free * 10) == pytest.approx(free, rel=1e-3)
