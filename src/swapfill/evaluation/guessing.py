"""A coarse guess of a window, and how the paper's Table 1 shows one."""

from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from swapfill.config import COARSEST
from swapfill.engines.interface import Engine
from swapfill.inpainter import Floats
from swapfill.masks import Hole


def small_guess(engine: Engine[Any], incomplete: Floats, hole: Hole) -> Tensor:
    """Let an engine's first network guess windows, as they look at 128 pixels.

    Args:
        engine: on PyTorch.
        incomplete: I_0, [B, S, S, 3] in [0, 1], 0 in the hole.
        hole: R, [B, S, S].

    Returns:
        [B, 3, 128, 128] in [0, 1], float32: known pixels as they are.
    """
    picture, missing = engine.put(incomplete, hole)
    known, here = engine.resize(picture, COARSEST), engine.shrink(missing, COARSEST)
    guess: Tensor = engine.infer(known, here)[0]
    return guess.float().clone()  # not an inference tensor: gradients may be asked of it


def enlarged(small: Tensor, incomplete: Floats, hole: Hole) -> Floats:
    """Paste what is small into windows, enlarged bilinearly, as Table 1 does.

    Args:
        small: [B, 3, s, s] in [0, 1].
        incomplete: [B, S, S, 3].
        hole: [B, S, S].

    Returns:
        [B, S, S, 3]: outside the hole `incomplete`.
    """
    side = incomplete.shape[1]
    grown = F.interpolate(small, size=(side, side), mode="bilinear", align_corners=False)
    return np.where(hole[..., None], grown.permute(0, 2, 3, 1).cpu().numpy(), incomplete)
