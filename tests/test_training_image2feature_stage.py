"""What is told of the stage beside `test_training_stages`: Context Encoder, penalty, ratios."""

import os
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from swapfill import losses
from swapfill.context_encoder import CentreDiscriminator, ContextEncoder
from swapfill.encoder import CompactEncoder
from swapfill.errors import BundleError, ConfigError
from swapfill.networks import ImagePairDiscriminator, initialise, place_centre
from swapfill.random_holes import centre_hole
from swapfill.training import loop
from swapfill.training.build import build_stage
from swapfill.training.data import Batch
from swapfill.training.image2feature_stage import Image2FeatureStage
from swapfill.training.settings import TrainSettings
from swapfill.training.team import Team
from swapfill.weights import save_from

SIDE = 32


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of an encoder's random weights."""
    network = CompactEncoder(2)
    initialise(network, torch.Generator().manual_seed(0))
    path = tmp_path_factory.mktemp("weights") / "encoder"
    save_from(network, path)
    return str(path)


def config(encoder: str, **parts: dict[str, Any]) -> TrainSettings:
    base: dict[str, Any] = {
        "stage": "image2feature",
        "data": {"sources": ["nowhere"], "side": SIDE},
        "optim": {"steps": 4, "batch_size": 2, "learning_rate": 1e-3},
        "loss": {"image": 1.0, "feature": 0.01, "adversarial": 1.0},
        "encoder": {"width": 2},
        "encoder_weights": encoder,
        "image2feature": {"side": SIDE, "width": 4, "max_width": 8, "mask_aware": False},
        "discriminator": {"width": 4},
    }
    for name, values in parts.items():
        base[name] = {**base[name], **values}
    return TrainSettings.read(base, "test")


def stage_of(encoder: str, **parts: dict[str, Any]) -> Image2FeatureStage:
    stage = build_stage(config(encoder, **parts))
    assert isinstance(stage, Image2FeatureStage)
    return stage


CONTEXT: dict[str, dict[str, Any]] = {
    "image2feature": {"kind": "context_encoder", "bottleneck": 8},
    "discriminator": {"kind": "centre"},
    "loss": {"distance": "l2", "feature": 0.0, "image": 0.999, "adversarial": 0.001},
}


def batch(seed: int = 0) -> Batch:
    truth = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    hole = torch.from_numpy(centre_hole(SIDE))[None, None].expand(2, 1, SIDE, SIDE)
    return Batch(truth, hole)


def state_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in network.state_dict().items()}


class Spy(nn.Module):
    """A discriminator that keeps what it is shown."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.shown: list[tuple[Tensor, Tensor]] = []

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        self.shown.append((first, second))
        return cast(Tensor, self.inner(first, second))


def test_a_context_encoder_learns_by_the_losses_of_its_authors(encoder: str) -> None:
    stage, given = stage_of(encoder, **CONTEXT), batch()
    assert isinstance(stage.network, ContextEncoder)
    assert isinstance(stage.judge, CentreDiscriminator)
    before = state_of(stage.network)
    image = stage.network(torch.where(given.hole, 0.0, given.truth), given.hole).image.detach()
    judged = stage.judge(given.truth, image).detach()
    found = stage.learn(given)
    assert found.keys() == {"image", "adversarial", "discriminator"}
    assert not torch.equal(before["encoder.0.weight"], state_of(stage.network)["encoder.0.weight"])

    weight = torch.zeros(1, 1, SIDE, SIDE)
    weight[..., 5:27, 5:27] = 10  # a ring of 4 around 9..23, of which the centre half is answered
    weight[..., 9:23, 9:23] = 1
    gap = (weight * (image - given.truth).square()).sum() / (3 * 2 * weight.sum())
    torch.testing.assert_close(found["image"], gap)
    torch.testing.assert_close(found["adversarial"], losses.adversarial_for_generator(judged))


def test_its_judge_sees_the_ring_as_it_was_predicted(encoder: str) -> None:
    shown = {}
    for kind, judge_type in (("centre", CentreDiscriminator), ("patch", ImagePairDiscriminator)):
        parts = {**CONTEXT, "discriminator": {"kind": kind}}
        stage = stage_of(encoder, **parts)
        assert isinstance(stage.judge, judge_type)
        stage.judge = spy = Spy(stage.judge)
        stage.learn(batch())
        shown[kind] = spy.shown[0][1]
        assert torch.equal(spy.shown[1][1], batch().truth)
        assert torch.equal(spy.shown[2][1], spy.shown[0][1])
    ring = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    ring[8:24, 8:24] = True
    ring &= ~batch().hole[0, 0]
    assert not torch.equal(shown["centre"][..., ring], batch().truth[..., ring])
    assert torch.equal(shown["patch"][..., ring], batch().truth[..., ring])


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"data": {"holes": "mixed"}}, "data.holes is 'mixed', want 'centre': a context_encoder"),
        ({"data": {"side": 64}}, "data.side is 64, want image2feature.side, 32"),
        ({"optim": {"batch_size": 1}}, "optim.batch_size is 1, want 2 or more"),
    ],
)
def test_what_a_context_encoder_cannot_learn_is_refused(
    parts: dict[str, dict[str, Any]], words: str, encoder: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        config(encoder, **CONTEXT, **parts)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    config(encoder, **parts)  # no matter to the other network


def test_a_context_encoder_without_normalisation_learns_from_one_picture(encoder: str) -> None:
    parts = {**CONTEXT, "image2feature": CONTEXT["image2feature"] | {"norm": "none"}}
    stage = stage_of(encoder, **parts, optim={"batch_size": 1})
    one = Batch(batch().truth[:1], batch().hole[:1])
    assert all(bool(term.isfinite()) for term in stage.learn(one).values())


@pytest.mark.parametrize("kind", ["bce", "hinge"])
@pytest.mark.parametrize("judge", [{"norm": "batch"}, {"norm": "spectral"}, {"kind": "centre"}])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_gradient_penalty_goes_with_every_loss_and_norm(
    kind: str, judge: dict[str, str], precision: str, encoder: str
) -> None:
    loss = {"kind": kind, "gradient_penalty": 1.0}
    stage = stage_of(encoder, loss=loss, discriminator=judge, optim={"precision": precision})
    assert stage.judge is not None
    before = state_of(stage.judge)
    found = stage.learn(batch())
    assert bool(found["penalty"].isfinite())
    assert float(found["penalty"]) > 0
    assert not found["penalty"].requires_grad
    for name, parameter in stage.judge.named_parameters():
        assert parameter.dtype == torch.float32
        if name != "layers.11.bias":
            assert bool(parameter.isfinite().all()), name
    assert any(not torch.equal(t, before[name]) for name, t in stage.judge.state_dict().items())


def gradients(stage: Image2FeatureStage) -> list[Tensor]:
    """The discriminator's gradients after a step."""
    stage.learn(batch())
    assert stage.judge is not None
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in stage.judge.parameters()]


@pytest.mark.parametrize(("step", "every", "times"), [(0, 1, 1), (3, 1, 1), (4, 4, 4), (5, 4, 0)])
def test_the_penalty_is_taken_now_and_then_and_weighs_as_many_times_as_much(
    step: int, every: int, times: int, encoder: str
) -> None:
    def at_step(**loss: Any) -> Image2FeatureStage:
        stage = stage_of(encoder, discriminator={"norm": "none"}, loss=loss)
        stage.step = step
        return stage

    plain = gradients(at_step())
    whole = gradients(at_step(gradient_penalty=2.5, penalty_every=every))
    alone = at_step()
    assert alone.judge is not None
    given = batch()
    incomplete = torch.where(given.hole, 0.0, given.truth)
    penalty = losses.gradient_penalty(alone.judge, incomplete, given.truth)
    of_penalty = torch.autograd.grad(penalty, list(alone.judge.parameters()), allow_unused=True)
    for got, without, slope in zip(whole, plain, of_penalty, strict=True):
        added = torch.zeros_like(without) if slope is None else 2.5 * times * slope
        torch.testing.assert_close(got - without, added, atol=1e-6, rtol=1e-3)


def test_a_step_without_the_penalty_does_not_tell_of_it(encoder: str) -> None:
    stage = stage_of(encoder, loss={"gradient_penalty": 1.0, "penalty_every": 2})
    told = []
    for step in range(4):
        stage.step = step
        told.append("penalty" in stage.learn(batch(step)))
    assert told == [True, False, True, False]


def test_a_ratio_weighs_what_is_learned(encoder: str) -> None:
    """One step at a measured weight is one at that weight given: by the gradients."""

    def of(**loss: Any) -> tuple[Image2FeatureStage, list[Tensor]]:
        stage = stage_of(encoder, loss={"adversarial": 0.0, **loss}, optim={"momentum": 0.0})
        stage.learn(batch())
        return stage, [p.grad for p in stage.network.parameters() if p.grad is not None]

    stage, measured = of(ratio={"feature": 0.3})
    weight = stage.balance.weight("feature")
    assert weight != 0.01
    _, given = of(feature=weight)
    for one, other in zip(measured, given, strict=True):
        torch.testing.assert_close(one, other)


def test_measured_weights_survive_a_break_bit_for_bit(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    loss = {"ratio": {"feature": 0.5, "adversarial": 0.2, "steps": 2}, "gradient_penalty": 0.5}

    def build() -> Image2FeatureStage:
        return stage_of(encoder, loss={**loss, "penalty_every": 2})

    def learn(stage: Image2FeatureStage, until: int) -> None:
        while stage.step < until:
            stage.learn(batch(stage.step))
            stage.step += 1

    unbroken, first = build(), build()
    learn(unbroken, 2)
    measured = unbroken.balance.state_dict()
    learn(unbroken, 4)
    assert unbroken.balance.state_dict() == measured  # it was for two steps alone
    for broken_at in (1, 3):  # while it measures, and after
        first = build()
        learn(first, broken_at)
        loop.save(first, tmp_path)
        again = build()
        loop.resume(again, tmp_path)
        learn(again, 4)
        for name, tensor in unbroken.network.state_dict().items():
            assert torch.equal(tensor, again.network.state_dict()[name]), name
        assert again.balance.state_dict() == unbroken.balance.state_dict()


def test_the_judge_of_the_centre_is_no_judge_of_features(encoder: str) -> None:
    base = config(encoder, discriminator={"kind": "centre"}).model_dump(mode="json")
    with pytest.raises(ConfigError, match=r"kind is 'centre', want 'patch' or 'projected' for fea"):
        TrainSettings.read({**base, "stage": "feature2image"}, "test")


def test_processes_that_train_together_measure_together(encoder: str) -> None:
    stage, team = stage_of(encoder), Team(torch.device("cpu"))
    stage.join(team)
    assert stage.balance.team is team


def test_the_penalty_is_refused_where_networks_are_compiled(encoder: str) -> None:
    loss = {"gradient_penalty": 2.0}
    with pytest.raises(ConfigError, match=r"loss.gradient_penalty is 2.0, want 0 with optim.comp"):
        config(encoder, loss=loss, optim={"compile": True})
    config(encoder, loss=loss)
    config(encoder, optim={"compile": True})


def test_a_state_without_what_was_measured_is_refused(encoder: str, tmp_path: Path) -> None:
    tmp_path.mkdir(exist_ok=True)
    loop.save(stage_of(encoder), tmp_path)
    with pytest.raises(BundleError, match=r"not a state of this run: 'balance'"):
        loop.resume(stage_of(encoder, loss={"ratio": {"feature": 1.0}}), tmp_path)


def test_without_ratios_the_state_is_what_it_was(encoder: str) -> None:
    assert "balance" not in stage_of(encoder).state_dict()


def test_the_literal_network_still_answers_its_centre(encoder: str) -> None:
    stage, given = stage_of(encoder), batch()
    image = stage.network(given.truth, given.hole).image
    assert image.shape[2] == SIDE // 2
    filled = stage.fill(given)
    stage.result.eval()
    assert place_centre(image, given.truth).shape == filled.shape
