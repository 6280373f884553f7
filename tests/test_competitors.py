"""The competitors that benchmarks/competitors.py times have the published shapes."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def competitors() -> ModuleType:
    path = ROOT / "benchmarks" / "competitors.py"
    spec = importlib.util.spec_from_file_location("competitors", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["competitors"] = module
    spec.loader.exec_module(module)
    return module


# Millions of parameters: LaMa as published; MI-GAN as its published code has them, but for noise.
@pytest.mark.parametrize(
    ("name", "millions"), [("Big-LaMa", 51), ("LaMa-Fourier", 27), ("MI-GAN 512", 5.97)]
)
def test_it_has_as_many_parameters_as_the_original(
    competitors: ModuleType, name: str, millions: float
) -> None:
    network = competitors.networks()[name]
    found = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert found == pytest.approx(millions, rel=0.005)


@torch.inference_mode()
def test_each_answers_a_picture(competitors: ModuleType) -> None:
    """At 64 pixels: LaMa takes any size, MI-GAN is built for one."""
    for network in (competitors.lama(1), competitors.Migan(64)):
        answer = network.eval()(torch.rand(1, 4, 64, 64))
        assert answer.shape == (1, 3, 64, 64)
        assert answer.isfinite().all()
        assert answer.std() > 0
