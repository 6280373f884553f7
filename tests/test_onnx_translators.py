from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from onnx_models import run_graph, store
from swapfill.architectures import build_feature2image
from swapfill.config import Feature2ImageConfig
from swapfill.engines.onnx_translators import feature2image
from swapfill.feature2image import Guide

KINDS: list[dict[str, Any]] = [
    {},
    {"norm": "group", "upsampling": "deconvolution"},
    {"norm": "none", "guided": True},
    {"norm": "group", "guided": True, "upsampling": "deconvolution"},
    {"stride": 8, "in_channels": 512},
    {"stride": 2, "in_channels": 128},
    {"kind": "resnet"},
    {"kind": "resnet", "norm": "group", "upsampling": "deconvolution"},
    {"width": 40},  # wider than the widest
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)) or "plain")
def test_the_graph_answers_as_the_network_does(kind: dict[str, Any], tmp_path: Path) -> None:
    """At any multiple of its side, and in any batch."""
    config = Feature2ImageConfig(**{"side": 32, "width": 8, "max_width": 24, **kind})
    network = build_feature2image(config)
    graph = feature2image(config, store(network, tmp_path / "feature2image.safetensors"))
    rng = np.random.default_rng(0)
    rows, columns = 64 // config.stride, 32 // config.stride
    features = rng.random((2, config.in_channels, rows, columns), dtype=np.float32)
    arrays: dict[str, Any] = {"features": features}
    guide = {
        "pixels": rng.random((2, 3, 64, 32), dtype=np.float32),
        "guess": rng.random((2, 3, 64, 32), dtype=np.float32),
        "hole": rng.random((2, 1, 64, 32)) > 0.5,
    }
    if config.guided:
        arrays |= guide
    (found,) = run_graph(graph, arrays)
    wanted = network(
        torch.from_numpy(features), Guide(*(torch.from_numpy(a) for a in guide.values()))
    )
    assert float(wanted.std()) > 0.03
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)
