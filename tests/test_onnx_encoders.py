from pathlib import Path

import numpy as np
import pytest
import torch

from onnx_models import run_graph, store
from swapfill.config import EncoderConfig
from swapfill.encoder import build_encoder
from swapfill.engines.onnx_encoders import encoder


@pytest.mark.parametrize(
    "config",
    [
        EncoderConfig(width=4),
        EncoderConfig(kind="vgg19", layer="relu2_1"),
        EncoderConfig(kind="vgg19", layer="relu3_1"),
        EncoderConfig(kind="vgg19", layer="relu4_1"),
    ],
    ids=lambda config: f"{config.kind}-{config.layer}",
)
def test_the_graph_answers_as_the_network_does(config: EncoderConfig, tmp_path: Path) -> None:
    """At any size, any batch."""
    network = build_encoder(config)
    graph = encoder(config, store(network, tmp_path / "encoder.safetensors"))
    rng = np.random.default_rng(0)
    for size in ((2, 3, 32, 48), (1, 3, 64, 24)):
        image = rng.random(size, dtype=np.float32)
        (found,) = run_graph(graph, {"image": image})
        wanted = network(torch.from_numpy(image)).numpy()
        assert np.abs(wanted).mean() > 0.1
        np.testing.assert_allclose(found, wanted, atol=3e-5, rtol=1e-4)
