from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnx_models import write_bundle
from swapfill.bundle import SHARED, BundleConfig
from swapfill.config import EncoderConfig, Feature2ImageConfig, Image2FeatureConfig
from swapfill.engines.onnx_calibration import ranges_of
from swapfill.engines.onnx_numbers import Numbers
from swapfill.engines.onnx_runtime import choose_provider

SMALL: dict[str, Any] = {"width": 8, "max_width": 16}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Numbers]:
    config = BundleConfig(
        name="small",
        encoder=EncoderConfig(width=4),
        image2feature=Image2FeatureConfig(**SMALL),
        feature2image={SHARED: Feature2ImageConfig(side=64, norm="none", guided=True, **SMALL)},
    )
    folder: Path = tmp_path_factory.mktemp("bundles") / "small"
    return ranges_of(write_bundle(config, folder), choose_provider("cpu"))


def test_every_convolution_is_measured_but_those_that_are_seen_as_they_are(
    measured: dict[str, Numbers],
) -> None:
    assert list(measured) == ["encoder", "feature2image"]
    assert list(measured["encoder"].ranges) == [*(f"layers.{i}" for i in range(5)), "last"]
    names = measured["feature2image"].ranges
    assert "tail.to_half" in names
    assert not {"tail.at_half", "tail.to_full"} & set(names)
    assert sum(name.startswith("decoder.0.") for name in names) == 4  # kernels of 2 x 2


def test_what_one_answers_the_next_one_sees(measured: dict[str, Numbers]) -> None:
    ranges = measured["encoder"].ranges
    assert ranges["layers.1"].answers == ranges["layers.2"].sees
    assert ranges["layers.1"].answers.low == 0  # a ReLU's
    assert ranges["layers.1"].answers.high > 0.1


def test_pixels_are_known_to_lie_between_their_ends(measured: dict[str, Numbers]) -> None:
    sees = measured["encoder"].ranges["layers.0"].sees
    np.testing.assert_allclose(sees, (-1, 1), atol=0.1)
