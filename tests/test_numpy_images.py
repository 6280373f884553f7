import numpy as np
import pytest
import torch
import torch.nn.functional as F

from swapfill.engines import numpy_images


def image(side: int) -> np.ndarray:
    return np.random.default_rng(side).random((2, 3, side, side), dtype=np.float32)


@pytest.mark.parametrize(("own", "side"), [(64, 16), (48, 20), (16, 64), (24, 40), (8, 8)])
def test_images_are_resampled_as_torch_does(own: int, side: int) -> None:
    given = image(own)
    how = "area" if side < own else "bicubic"
    wanted = F.interpolate(torch.from_numpy(given), size=(side, side), mode=how).clamp(0, 1)
    found = numpy_images.resize(given, side)
    np.testing.assert_allclose(found, wanted.numpy(), atol=5e-6)  # torch's taps are float32
    assert found.dtype == np.float32


def test_rows_and_columns_are_not_exchanged() -> None:
    given = np.zeros((1, 1, 8, 8), np.float32)
    given[..., 1, 6] = 1
    assert np.argwhere(numpy_images.resize(given, 4)[0, 0]).tolist() == [[0, 3]]


def test_a_cell_is_missing_if_any_pixel_of_it_is() -> None:
    hole = np.zeros((2, 1, 8, 8), bool)
    hole[0, 0, 3, 4] = True
    assert numpy_images.shrink(hole, 2)[:, 0].tolist() == [
        [[False, True], [False, False]],
        [[False, False], [False, False]],
    ]


def test_a_hole_that_grows_is_repeated() -> None:
    hole = np.array([[True, False], [False, True]])[None, None]
    grown = numpy_images.shrink(hole, 6)[0, 0]
    np.testing.assert_array_equal(grown, hole[0, 0].repeat(3, axis=0).repeat(3, axis=1))


def blurred(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """By a Gaussian of `sigma` pixels, borders repeated."""
    radius = max(1, round(3 * sigma))
    steps = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1)
    x = F.pad(x, (radius,) * 4, mode="replicate")
    x = F.conv2d(x, kernel[..., None], groups=x.shape[1])
    return F.conv2d(x, kernel[:, :, None], groups=x.shape[1])


@pytest.mark.parametrize("sigma", [0.2, 1.5, 4.0])
def test_tone_is_a_gap_blurred_and_grown(sigma: float) -> None:
    filled, reference = image(64), image(64)[::-1].copy()
    one, two = torch.from_numpy(filled), torch.from_numpy(reference)
    gap = blurred(F.interpolate(two - one, size=(16, 16), mode="area"), sigma)
    wanted = (one + F.interpolate(gap, size=(64, 64), mode="bicubic")).clamp(0, 1)
    found = numpy_images.toned(filled, reference, sigma, 16)
    np.testing.assert_allclose(found, wanted.numpy(), atol=2e-6)
