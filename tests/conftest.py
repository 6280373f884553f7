"""What several test modules need. Nothing here imports torch before a test asks for it."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# One thread: toy networks spend their time on handing out work (read when torch is imported).
os.environ.setdefault("OMP_NUM_THREADS", "1")


def write_tiny_bundle(folder: Path) -> Path:
    """Write a whole bundle with random weights: every part is there, its pictures are mush."""
    import torch

    from swapfill.bundle import BundleConfig, write_sums
    from swapfill.config import EncoderConfig, Feature2ImageConfig, Image2FeatureConfig
    from swapfill.encoder import CompactEncoder
    from swapfill.feature2image import Feature2Image
    from swapfill.networks import Image2Feature, initialise
    from swapfill.weights import save_from

    config = BundleConfig(
        name="tiny",
        description="random weights, for tests",
        encoder=EncoderConfig(width=4),
        image2feature=Image2FeatureConfig(width=8, max_width=16, norm="group", feature_head=True),
        feature2image={"all": Feature2ImageConfig(side=128, width=8, max_width=16, norm="none")},
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(config.model_dump_json(indent=2))
    networks = {
        "encoder": CompactEncoder(config.encoder.width),
        "image2feature": Image2Feature(config.image2feature),
        "feature2image": Feature2Image(config.feature2image["all"]),
    }
    for name, network in networks.items():
        initialise(network, torch.Generator().manual_seed(0))
        save_from(network, folder / f"{name}.safetensors")
    write_sums(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle's folder, for reading only: one for the whole run."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def own_bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may damage."""
    import shutil

    return Path(shutil.copytree(tiny_bundle, tmp_path / "own"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A PNG photograph of 96 x 80 pixels (width x height): a ramp with noise."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(60, 190, 96)[None, :, None] + np.zeros((80, 96, 3))
    pixels = np.clip(ramp + rng.normal(0, 12, ramp.shape), 0, 255).astype(np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """A mask for `photo`: white in rows 30 to 49, columns 40 to 63."""
    pixels = np.zeros((80, 96), np.uint8)
    pixels[30:50, 40:64] = 255
    path = tmp_path / "mask.png"
    Image.fromarray(pixels).save(path)
    return path
