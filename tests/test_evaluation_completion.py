import numpy as np
import pytest
import torch
import torch.nn.functional as F

from evaluation_files import boxed, drawn
from swapfill.config import GlcicConfig
from swapfill.evaluation.completion import SEAM, blended, complete_squares
from swapfill.glcic import CompletionNetwork
from swapfill.inpainter import Floats
from swapfill.masks import Hole, grow
from swapfill.networks import initialise


def window(side: int = 64) -> tuple[Floats, Hole]:
    hole = boxed(side, side)
    picture = drawn(height=side, width=side).astype(np.float32) / np.float32(255)
    return np.where(hole[..., None], np.float32(0), picture), hole


def test_what_is_outside_the_hole_stays() -> None:
    incomplete, hole = window()
    found = blended(np.zeros_like(incomplete), incomplete, hole)
    np.testing.assert_array_equal(found[~hole], incomplete[~hole])


def test_gradients_are_the_fills_and_the_tone_is_the_pictures() -> None:
    incomplete, hole = window()
    flat = np.where(hole[..., None], incomplete, np.float32(0.75))
    rng = np.random.default_rng(0)
    fill = rng.uniform(0, 0.2, incomplete.shape).astype(np.float32)
    inside = ~grow(~hole, SEAM)
    found = blended(fill, flat, hole)
    assert abs(found[inside].mean() - 0.75) < 0.03  # though the fill is darker
    shift = (found - fill)[inside]
    assert shift.std() < 0.05 < fill[inside].std()
    other = blended(np.clip(fill + 0.1, 0, 1), flat, hole)
    np.testing.assert_allclose(other[inside], found[inside], atol=2e-3)


def test_a_thin_hole_is_telea_alone() -> None:
    incomplete, _ = window()
    hole = np.zeros((64, 64), np.bool_)
    hole[30:34, 10:50] = True
    dark, light = (blended(np.full_like(incomplete, grey), incomplete, hole) for grey in (0.0, 1.0))
    np.testing.assert_array_equal(dark, light)


@pytest.mark.parametrize("side", [32, 64])
def test_windows_are_completed_at_the_side_of_the_training(side: int) -> None:
    network = CompletionNetwork(GlcicConfig(width=2))
    initialise(network, torch.Generator().manual_seed(0))
    network.eval()
    incomplete, hole = window()
    found = complete_squares(network, side, incomplete[None], hole[None])
    assert found.shape == (1, 64, 64, 3)
    picture = torch.from_numpy(incomplete)[None].permute(0, 3, 1, 2)
    missing = torch.from_numpy(hole)[None, None]
    small = F.interpolate(picture, size=(side, side), mode="area")
    with torch.no_grad():
        answer = network(small, F.adaptive_max_pool2d(missing.float(), side) > 0)
    grown = F.interpolate(answer, size=(64, 64), mode="bilinear", align_corners=False)
    wanted = blended(grown[0].permute(1, 2, 0).numpy(), incomplete, hole)
    np.testing.assert_allclose(found[0], wanted, atol=1e-6)
