"""GLCIC at work ([16]): complete, then hide the seam as its authors do."""

import numpy as np
import torch
import torch.nn.functional as F

from swapfill.blending import align_rim
from swapfill.evaluation.guessing import enlarged
from swapfill.evaluation.pictures import to_bytes
from swapfill.glcic import CompletionNetwork
from swapfill.inpainter import Floats
from swapfill.masks import Hole, grow

SEAM = 3  # pixels inside the hole's edge that are continued from outside; as in their code
_RADIUS = 1  # pixels around each that Telea's method looks at; as in their code


@torch.inference_mode()
def complete_squares(
    network: CompletionNetwork, side: int, incomplete: Floats, hole: Hole
) -> Floats:
    """Complete windows at the side of the network's training, enlarge, blend.

    Args:
        network: on its device, in eval mode.
        side: pixels; windows are brought to it (the paper: GLCIC "is limited to 256x256").
        incomplete: I_0, [B, S, S, 3] in [0, 1], 0 in the hole.
        hole: R, [B, S, S].

    Returns:
        [B, S, S, 3]: outside the hole `incomplete`.
    """
    device = next(network.parameters()).device
    picture = torch.from_numpy(incomplete).permute(0, 3, 1, 2).to(device)
    missing = torch.from_numpy(hole)[:, None].to(device)
    if incomplete.shape[1] != side:
        picture = F.interpolate(picture, size=(side, side), mode="area")
        missing = F.adaptive_max_pool2d(missing.float(), side) > 0
    filled = enlarged(network(picture, missing), incomplete, hole)
    return np.stack(list(map(blended, filled, incomplete, hole)))


def blended(filled: Floats, incomplete: Floats, hole: Hole) -> Floats:
    """Continue the picture over the seam by Telea's method, then fit what is inside to that.

    That is OpenCV's `seamlessClone`, which their code calls, as it does it: it leaves a few pixels
    at the edge of the hole to the continued picture and takes the rest's gradients. Here the
    membrane of `blending` solves the same equation (Poisson's) for holes of any place and form.

    Args:
        filled: [S, S, 3] in [0, 1]; what it holds outside the hole does not matter.
        incomplete: [S, S, 3].
        hole: [S, S].

    Returns:
        [S, S, 3]: outside the hole `incomplete`.
    """
    import cv2

    known, mask = to_bytes(incomplete), hole.astype(np.uint8)
    smooth = cv2.inpaint(known, mask, _RADIUS, cv2.INPAINT_TELEA)
    beyond = smooth.astype(np.float32) / np.float32(255)
    inside = ~grow(~hole, SEAM)  # the rest is Telea's
    return np.where(hole[..., None], align_rim(filled, beyond, inside), incomplete)
