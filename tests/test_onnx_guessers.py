from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from onnx_models import run_graph, store
from swapfill.architectures import build_image2feature
from swapfill.config import Image2FeatureConfig
from swapfill.engines.onnx_guessers import image2feature
from swapfill.networks import place_centre

KINDS: list[dict[str, Any]] = [
    {},
    {"norm": "group", "membrane": True},
    {"norm": "none", "feature_head": True, "membrane": True, "upsampling": "resize"},
    {"feature_head": True, "context": 2},
    {"mask_aware": False},
    {"kind": "context_encoder", "mask_aware": False, "bottleneck": 30},
    {"kind": "context_encoder", "mask_aware": False, "bottleneck": 32, "norm": "group"},
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)) or "plain")
def test_the_graph_answers_as_the_network_does(kind: dict[str, Any], tmp_path: Path) -> None:
    config = Image2FeatureConfig(side=32, width=8, max_width=24, **kind)
    network = build_image2feature(config)
    graph = image2feature(config, store(network, tmp_path / "image2feature.safetensors"))
    image = np.random.default_rng(0).random((2, 3, 32, 32), dtype=np.float32)
    hole = np.zeros((2, 1, 32, 32), bool)
    hole[0, :, 10:26, 4:20] = True
    hole[1, :, 5] = True
    found = run_graph(graph, {"incomplete": image, "hole": hole})
    guess = network(torch.from_numpy(image), torch.from_numpy(hole))
    whole = place_centre(guess.image, torch.from_numpy(image))
    wanted = [whole] if guess.features is None else [whole, guess.features]
    assert len(found) == len(wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        assert float(theirs.std()) > 0.01
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize("context", [0, 1])
@pytest.mark.parametrize("times", [2, 4])
def test_a_network_of_any_side_guesses_at_multiples_of_its_own(
    times: int, context: int, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"membrane": True, "feature_head": True, "context": context}
    config = Image2FeatureConfig(side=32, width=4, max_width=8, **asked)
    assert [config.side_for(side) for side in (8, 32, 63, 64, 200)] == [32, 32, 32, 64, 128]
    network = build_image2feature(config)
    graph = image2feature(config, store(network, tmp_path / "image2feature.safetensors"))
    side = 32 * times
    image = np.random.default_rng(0).random((1, 3, side, side), dtype=np.float32)
    hole = np.zeros((1, 1, side, side), bool)
    hole[..., : side // 2, 2:] = True  # whole cells of the pyramid are missing
    found = run_graph(graph, {"incomplete": image, "hole": hole})
    wanted = network(torch.from_numpy(image), torch.from_numpy(hole))
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-5)


def test_one_that_answers_the_centre_guesses_at_its_own_side_alone() -> None:
    assert Image2FeatureConfig(side=16, mask_aware=False).side_for(64) == 16


def test_where_nothing_is_known_it_answers_as_the_network_does(tmp_path: Path) -> None:
    config = Image2FeatureConfig(side=16, width=4, max_width=8, membrane=True, norm="none")
    network = build_image2feature(config)
    graph = image2feature(config, store(network, tmp_path / "image2feature.safetensors"))
    image, hole = np.ones((1, 3, 16, 16), np.float32), np.ones((1, 1, 16, 16), bool)
    (found,) = run_graph(graph, {"incomplete": image, "hole": hole})
    wanted = network(torch.from_numpy(image), torch.from_numpy(hole)).image
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)
