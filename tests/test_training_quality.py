import math
from typing import Any

import numpy as np
import pytest
import torch

from swapfill.training.quality import compare, psnr, ssim


def pictures(seed: int) -> torch.Tensor:
    return torch.rand(2, 3, 24, 31, generator=torch.Generator().manual_seed(seed)).double()


def test_ssim_and_psnr_are_those_of_scikit_image() -> None:
    metrics: Any = pytest.importorskip("skimage.metrics")
    found, wanted = pictures(0), 0.7 * pictures(0) + 0.3 * pictures(1)
    for i in range(2):
        a, b = (x[i].permute(1, 2, 0).numpy() for x in (found, wanted))
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        _, full = metrics.structural_similarity(
            a, b, channel_axis=2, data_range=1.0, win_size=11, full=True, **options
        )
        inner = np.asarray(full)[5:-5, 5:-5].mean()
        assert float(ssim(found, wanted)[i]) == pytest.approx(inner, abs=1e-6)
        assert float(psnr(found, wanted)[i]) == pytest.approx(
            metrics.peak_signal_noise_ratio(b, a, data_range=1.0)
        )


def test_l1_is_over_the_hole_alone() -> None:
    truth = pictures(0).float()
    hole = torch.zeros(2, 1, 24, 31, dtype=torch.bool)
    hole[:, :, 4:8, 4:8] = True
    found = compare(torch.where(hole, truth + 0.25, truth), truth, hole)
    assert float(found["hole_l1"]) == pytest.approx(0.25)
    outside = compare(torch.where(hole, truth, truth + 0.25), truth, hole)
    assert float(outside["hole_l1"]) == 0


def test_equal_pictures_are_as_good_as_can_be() -> None:
    truth = pictures(0).float()
    hole = truth[:, :1] > 0.5
    found = {name: float(value) for name, value in compare(truth, truth, hole).items()}
    assert list(found) == ["hole_l1", "psnr", "ssim", "sharpness"]
    assert found["hole_l1"] == 0
    assert found["psnr"] == pytest.approx(100)
    assert found["ssim"] == pytest.approx(1)
    assert found["sharpness"] == pytest.approx(1)


def test_blur_is_less_sharp_and_flat_pictures_give_numbers() -> None:
    truth = pictures(0).float()
    hole = torch.ones(2, 1, 24, 31, dtype=torch.bool)
    flat = torch.full_like(truth, 0.5)
    assert float(compare(0.5 * truth + 0.25, truth, hole)["sharpness"]) == pytest.approx(0.5, 0.01)
    assert all(math.isfinite(float(v)) for v in compare(truth, flat, hole).values())
