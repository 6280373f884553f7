from pathlib import Path

import numpy as np
import torch

from swapfill.bundle import Bundle
from swapfill.engines import load_engine
from swapfill.evaluation.guessing import enlarged, small_guess
from swapfill.inpainter import Floats
from swapfill.masks import Hole


def window(side: int) -> tuple[Floats, Hole]:
    hole = np.zeros((1, side, side), np.bool_)
    hole[:, side // 4 : side // 2, side // 4 : side // 2] = True
    picture = np.random.default_rng(0).random((1, side, side, 3), np.float32)
    picture[hole] = 0
    return picture, hole


def test_a_guess_is_the_engines_at_128_and_can_be_derived_from(tiny_bundle: Path) -> None:
    engine = load_engine("torch", Bundle.open(tiny_bundle), "cpu", "fp32")
    picture, hole = window(256)
    found = small_guess(engine, picture, hole)
    known, missing = engine.put(picture, hole)
    small, here = engine.resize(known, 128), engine.shrink(missing, 128)
    assert torch.equal(found, engine.infer(small, here)[0])
    scale = torch.ones((), requires_grad=True)
    (found * scale).sum().backward()
    assert scale.grad is not None


def test_what_is_enlarged_is_pasted_into_the_hole_alone() -> None:
    picture, hole = window(64)
    small = torch.rand(1, 3, 32, 32)
    found = enlarged(small, picture, hole)
    np.testing.assert_array_equal(found[~hole], picture[~hole])
    # Bilinear: three quarters of the nearer pixel and a quarter of the next, along each side.
    near, next_ = small[0, :, 10, 10:12].T.numpy(), small[0, :, 11, 10:12].T.numpy()
    wanted = 0.75 * (0.75 * near[0] + 0.25 * near[1]) + 0.25 * (0.75 * next_[0] + 0.25 * next_[1])
    np.testing.assert_allclose(found[0, 21, 21], wanted, atol=1e-6)
