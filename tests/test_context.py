from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from swapfill.architectures import build_image2feature
from swapfill.config import Image2FeatureConfig
from swapfill.context import ChannelNorm, Context
from swapfill.errors import BundleError
from swapfill.networks import Image2Feature, initialise
from swapfill.training.build import build_stage
from swapfill.training.settings import TrainSettings
from swapfill.weights import save_from

SMALL: dict[str, Any] = {"side": 32, "width": 4, "max_width": 8, "feature_head": True}


def drawn(context: int = 0) -> Image2Feature:
    network = build_image2feature(Image2FeatureConfig(**SMALL, context=context))
    initialise(network, torch.Generator().manual_seed(0))
    assert isinstance(network, Image2Feature)
    return network.eval()


def test_a_context_adds_nothing_at_its_start() -> None:
    x = torch.rand(2, 16, 5, 7)
    context = Context(16, 8, 2)
    initialise(context, torch.Generator().manual_seed(0))
    torch.testing.assert_close(context(x), x, rtol=0, atol=0)


def test_every_cell_sees_every_other() -> None:
    context = Context(16, 8, 1)
    torch.nn.init.normal_(context.after.weight)
    x = torch.rand(1, 16, 9, 9, requires_grad=True)
    context(x)[0, :, 0, 0].sum().backward()
    assert x.grad is not None
    seen = x.grad.abs().sum(dim=1)[0]
    assert (seen > 0).all()  # a 3x3 convolution alone would see four cells


def test_cells_are_normalised_alone() -> None:
    x = torch.rand(2, 6, 3, 4) * 9
    found = ChannelNorm(6)(x)
    torch.testing.assert_close(found.mean(dim=1), torch.zeros(2, 3, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(found[:, :, 1, 2], ChannelNorm(6)(x[:, :, 1:2, 2:3])[..., 0, 0])


@pytest.mark.parametrize("asked", [{"side": 16}, {"side": 32, "mask_aware": False}])
def test_a_context_needs_cells_and_the_whole_picture(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="context needs mask_aware and a side of 32"):
        Image2FeatureConfig(context=1, **asked)


def settings(start: Path, context: int) -> TrainSettings:
    return TrainSettings.model_validate(
        {
            "stage": "image2feature",
            "initial_weights": start,
            "image2feature": {**SMALL, "context": context},
            "data": {"sources": ["nowhere"], "side": 32},
            "loss": {"adversarial": 0, "feature": 0, "head": 0},
        }
    )


def test_training_gives_a_trained_network_a_context_and_goes_on(tmp_path: Path) -> None:
    start = tmp_path / "plain.safetensors"
    plain = drawn()
    save_from(plain, start)
    grown = build_stage(settings(start, context=2)).network.eval()
    image, hole = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    hole[..., 8:24, 8:24] = True
    for mine, theirs in zip(grown(image, hole), plain(image, hole), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_one_with_a_context_goes_on_as_it_is(tmp_path: Path) -> None:
    start = tmp_path / "grown.safetensors"
    grown = drawn(context=1)
    assert grown.context is not None
    torch.nn.init.normal_(grown.context.after.weight)
    save_from(grown, start)
    again = build_stage(settings(start, context=1)).network
    assert isinstance(again, Image2Feature)
    assert again.context is not None
    torch.testing.assert_close(again.context.after.weight, grown.context.after.weight)
    with pytest.raises(BundleError, match=r"context.* is missing"):
        build_stage(settings(start, context=2))
    with pytest.raises(BundleError, match=r"context.* belongs to another architecture"):
        build_stage(settings(start, context=0))
