"""How near filled pictures are to the truth."""

import torch
import torch.nn.functional as F
from torch import Tensor

_WINDOW, _DEVIATION = 11, 1.5  # pixels; of the Gaussian that SSIM is defined with
_STEADY = (0.01**2, 0.03**2)  # SSIM's constants at a range of 1


def compare(filled: Tensor, truth: Tensor, hole: Tensor) -> dict[str, Tensor]:
    """Compare a batch of results with the truth.

    Args:
        filled: results, exact outside the hole. [B, 3, H, W] in [0, 1].
        truth: of the same shape.
        hole: [B, 1, H, W], bool.

    Returns:
        Scalars, means over the batch: `hole_l1` (mean absolute difference in the hole), `psnr` (of
        the whole picture, dB), `ssim` (of the whole picture), `sharpness` (strength of the
        gradient in the hole over the truth's there: 1 is as sharp).
    """
    missing = hole.expand_as(truth)
    return {
        "hole_l1": (filled - truth).abs()[missing].mean(),
        "psnr": psnr(filled, truth).mean(),
        "ssim": ssim(filled, truth).mean(),
        "sharpness": _gradient(filled)[missing].mean() / _gradient(truth)[missing].mean(),
    }


def psnr(found: Tensor, wanted: Tensor) -> Tensor:
    """Peak signal to noise of each picture, dB; 100 at most, where they are equal. [B]."""
    error = (found - wanted).square().flatten(1).mean(dim=1)
    return -10 * error.clamp(min=1e-10).log10()


def ssim(found: Tensor, wanted: Tensor) -> Tensor:
    """Structural similarity of each picture (Wang et al., 2004): Gaussian window of 11. [B].

    The mean is over windows that lie wholly in the picture, whose sides are 11 at least.
    """
    places = torch.arange(_WINDOW, dtype=found.dtype, device=found.device) - _WINDOW // 2
    line = torch.exp(-places.square() / (2 * _DEVIATION**2))
    line = line / line.sum()
    window = (line[:, None] * line).expand(found.shape[1], 1, -1, -1)

    def local(x: Tensor) -> Tensor:
        return F.conv2d(x, window, groups=x.shape[1])

    mean_a, mean_b = local(found), local(wanted)
    spread_a = local(found * found) - mean_a.square()
    spread_b = local(wanted * wanted) - mean_b.square()
    shared = local(found * wanted) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + _STEADY[0]) * (2 * shared + _STEADY[1])
    size = (mean_a.square() + mean_b.square() + _STEADY[0]) * (spread_a + spread_b + _STEADY[1])
    return (likeness / size).flatten(1).mean(dim=1)


def _gradient(image: Tensor) -> Tensor:
    """Absolute differences to the right and lower neighbour, summed; 0 beyond the border."""
    across = F.pad(image.diff(dim=3).abs(), (0, 1))
    down = F.pad(image.diff(dim=2).abs(), (0, 0, 0, 1))
    return across + down + 1e-6  # so that a flat truth is no division by zero
