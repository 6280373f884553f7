import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from evaluation_files import boxed, drawn
from swapfill.evaluation.figures import FIGURES, score
from swapfill.evaluation.methods.interface import Pixels

Floats = NDArray[np.float64]


@pytest.fixture
def pair() -> tuple[Pixels, Pixels, NDArray[np.bool_]]:
    """A truth, a fill that is off inside the hole and by one step outside, and the hole."""
    truth, hole = drawn(1), boxed()
    filled = np.where(hole[..., None], drawn(2), truth)
    filled[3, 4, 0] = truth[3, 4, 0] + 1
    return truth, filled, hole


def test_ssim_and_psnr_are_those_of_scikit_image(
    pair: tuple[Pixels, Pixels, NDArray[np.bool_]],
) -> None:
    truth, filled, hole = pair
    found = score(*pair)
    mean, local = structural_similarity(  # type: ignore[no-untyped-call]
        truth,
        filled,
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    assert found["ssim_picture"] == pytest.approx(mean, abs=1e-6)
    assert found["ssim_hole"] == pytest.approx(local[hole].mean(), abs=1e-6)
    whole = peak_signal_noise_ratio(truth, filled, data_range=255)  # type: ignore[no-untyped-call]
    inside = peak_signal_noise_ratio(  # type: ignore[no-untyped-call]
        truth[hole], filled[hole], data_range=255
    )
    assert found["psnr_picture"] == pytest.approx(whole, abs=1e-6)
    assert found["psnr_hole"] == pytest.approx(inside, abs=1e-6)


def ssim_by_definition(a: Floats, b: Floats) -> Floats:
    """Wang et al. (2004), equation 13, of one channel: the map, in a Gaussian window of 11."""

    def local(x: Floats) -> Floats:
        return np.asarray(gaussian_filter(x, 1.5, radius=5))

    mean_a, mean_b = local(a), local(b)
    spread_a, spread_b = local(a * a) - mean_a**2, local(b * b) - mean_b**2
    shared = local(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return np.asarray(
        (2 * mean_a * mean_b + c1)
        * (2 * shared + c2)
        / ((mean_a**2 + mean_b**2 + c1) * (spread_a + spread_b + c2))
    )


def test_ssim_is_that_of_its_definition(pair: tuple[Pixels, Pixels, NDArray[np.bool_]]) -> None:
    truth, filled, hole = pair
    maps = [
        ssim_by_definition(truth[..., i].astype(float), filled[..., i].astype(float))
        for i in range(3)
    ]
    found = score(*pair)
    inside = np.mean([m[5:-5, 5:-5].mean() for m in maps])
    assert found["ssim_picture"] == pytest.approx(inside, abs=1e-6)
    assert found["ssim_hole"] == pytest.approx(np.mean([m[hole].mean() for m in maps]), abs=1e-6)


def test_l1_and_psnr_are_those_of_their_definition(
    pair: tuple[Pixels, Pixels, NDArray[np.bool_]],
) -> None:
    truth, filled, hole = pair
    found, off = score(*pair), np.abs(truth.astype(float) - filled)
    assert found["l1_hole"] == pytest.approx(off[hole].mean() / 2.55)
    assert found["l1_picture"] == pytest.approx(off.mean() / 2.55)
    error = (off[hole] ** 2).mean()
    assert found["psnr_hole"] == pytest.approx(20 * np.log10(255 / np.sqrt(error)))


def test_sharpness_and_seam_are_those_of_the_projects_judge(
    pair: tuple[Pixels, Pixels, NDArray[np.bool_]],
) -> None:
    truth, filled, hole = pair
    mask = hole.astype(np.uint8)

    def gradient(picture: Pixels) -> Floats:
        down, across = np.gradient(picture.astype(float).mean(2))
        return np.asarray(np.hypot(down, across))

    core = cv2.erode(mask, np.ones((9, 9), np.uint8)) > 0
    small = np.ones((3, 3), np.uint8)
    edge = (cv2.dilate(mask, small) - cv2.erode(mask, small)) > 0
    there, here = gradient(truth), gradient(filled)
    found = score(*pair)
    assert found["sharpness"] == pytest.approx((here[core] ** 2).mean() / (there[core] ** 2).mean())
    assert found["seam"] == pytest.approx(here[edge].mean() / there[edge].mean())


def test_changed_is_the_largest_change_outside_the_hole(
    pair: tuple[Pixels, Pixels, NDArray[np.bool_]],
) -> None:
    truth, filled, hole = pair
    assert score(*pair)["changed"] == 1
    filled[0, 0, 2] = truth[0, 0, 2] - 7
    filled[20, 20] = 255 - truth[20, 20]  # in the hole
    assert score(truth, filled, hole)["changed"] == 7


def test_equal_pictures_have_finite_figures() -> None:
    flat = np.full((32, 32, 3), 128, np.uint8)
    found = score(flat, flat, boxed(32, 32))
    assert found["l1_hole"] == 0
    assert found["ssim_picture"] == 1
    assert np.isfinite(list(found.values())).all()
    assert found["psnr_hole"] > 130


def test_a_hole_too_thin_for_a_core_has_a_sharpness_all_the_same() -> None:
    truth, hole = drawn(), np.zeros((48, 56), np.bool_)
    hole[10:12, 5:50] = True
    assert score(truth, truth, hole)["sharpness"] == pytest.approx(1)


def test_every_figure_is_described() -> None:
    assert score(drawn(), drawn(), boxed()).keys() <= FIGURES.keys()
    assert all(figure.about and figure.title for figure in FIGURES.values())
