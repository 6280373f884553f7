"""Figures: how near a filled picture is to the truth, and how much like a photograph.

No figure is read alone: blur is good for l1, PSNR and SSIM, and only sharpness shows it.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from swapfill.evaluation.methods.interface import Pixels
from swapfill.masks import Hole

Floats = NDArray[np.float64]

VERSION = 1  # of the formulas: pictures are scored again where it changed
WINDOW, SIGMA, RANGE = 11, 1.5, 255  # of SSIM, after Wang et al. (2004); the last one of PSNR too

_LEAST_ERROR = 1e-9  # squared 8-bit steps: equal pictures have 138 dB, not infinitely many
_EDGE = np.ones((3, 3), np.uint8)
_CORE = np.ones((9, 9), np.uint8)  # sharpness is looked at 4 pixels away from the seam


@dataclass(frozen=True)
class Figure:
    """What a figure is called, and how it is to be read."""

    key: str
    title: str
    unit: str
    better: Literal["low", "high", "one"]  # one: the nearer to 1
    digits: int
    about: str
    shown: Literal["mean", "median", "most"] = "mean"  # in a table of methods


_ALL = (
    Figure("l1_hole", "l1, hole", "%", "low", 2, "mean absolute difference over the hole"),
    Figure("psnr_hole", "PSNR, hole", "dB", "high", 2, "peak signal to noise over the hole"),
    Figure("ssim_hole", "SSIM, hole", "", "high", 4, "mean of SSIM's map over the hole"),
    Figure("l1_picture", "l1", "%", "low", 2, "mean absolute difference over the picture"),
    Figure("psnr_picture", "PSNR", "dB", "high", 2, "peak signal to noise over the picture"),
    Figure("ssim_picture", "SSIM", "", "high", 4, "structural similarity of the whole picture"),
    Figure(
        "vgg",
        "VGG distance",
        "",
        "low",
        4,
        "squared distance of unit features relu1_2, relu2_2, relu3_1 over the hole, their mean",
    ),
    Figure("lpips", "LPIPS", "", "low", 4, "learned distance of the whole pictures, AlexNet"),
    Figure("sharpness", "sharpness", "", "one", 2, "gradient energy in the hole over the truth's"),
    Figure("seam", "seam", "", "one", 2, "gradient across the hole's edge over the truth's"),
    Figure(
        "changed",
        "changed",
        "steps",
        "low",
        0,
        "largest change outside the hole, of 255; the table has the largest of all pictures",
        "most",
    ),
    Figure(
        "seconds",
        "time",
        "s",
        "low",
        3,
        "wall time to fill one picture, the model loaded; the table has the median",
        "median",
    ),
    Figure(
        "memory",
        "memory",
        "MB",
        "low",
        0,
        "most resident memory of the method's own process while it filled the picture",
    ),
    Figure("gpu_memory", "GPU memory", "MB", "low", 0, "most bytes of tensors on the GPU"),
)
FIGURES = {figure.key: figure for figure in _ALL}
# Of whole sets of pictures, by features of Inception v3; `sets` computes them.
SET_FIGURES = {
    "fid": "Frechet distance of Inception features (Heusel et al., 2017): lower is better",
    "kid": "kernel distance of Inception features (Binkowski et al., 2018): lower is better",
    "p-ids": "% of pairs where a linear SVM takes the filled one for the truer: higher is better",
    "u-ids": "% of pictures that a linear SVM takes for the other kind: higher is better",
}


def score(truth: Pixels, filled: Pixels, hole: Hole) -> dict[str, float]:
    """Compare a filled picture with the truth.

    SSIM: Gaussian window 11 x 11 of sigma 1.5, each RGB channel by itself, data range 255, no
    sample covariance; at the border the picture is mirrored, and the mean of the whole picture is
    over windows that lie wholly in it. PSNR: data range 255 over all three channels.

    Args:
        truth: [H, W, 3], RGB, at least 11 pixels a side.
        filled: of the same shape.
        hole: [H, W]; some pixels are missing and some known.

    Returns:
        By the keys of `FIGURES`: all that need neither weights nor a clock.
    """
    difference = np.abs(truth.astype(float) - filled)
    mean, local = structural_similarity(  # type: ignore[no-untyped-call]
        truth,
        filled,
        channel_axis=2,
        data_range=RANGE,
        gaussian_weights=True,
        sigma=SIGMA,
        use_sample_covariance=False,
        full=True,
    )
    return {
        "l1_hole": 100 / RANGE * float(difference[hole].mean()),
        "psnr_hole": _psnr(difference[hole]),
        "ssim_hole": float(local[hole].mean()),
        "l1_picture": 100 / RANGE * float(difference.mean()),
        "psnr_picture": _psnr(difference),
        "ssim_picture": float(mean),
        "changed": float(difference[~hole].max()),
        **_gradients(truth, filled, hole),
    }


def _psnr(difference: Floats) -> float:
    error = max(float((difference**2).mean()), _LEAST_ERROR)
    return float(10 * np.log10(RANGE**2 / error))


def _gradients(truth: Pixels, filled: Pixels, hole: Hole) -> dict[str, float]:
    """Compare the gradients of the grey pictures well inside the hole, and along its edge."""
    mask = hole.astype(np.uint8)
    core = cv2.erode(mask, _CORE) > 0
    core = core if core.any() else hole
    edge = cv2.dilate(mask, _EDGE) > cv2.erode(mask, _EDGE)
    there, here = _gradient(truth), _gradient(filled)
    return {
        "sharpness": _ratio((here[core] ** 2).mean(), (there[core] ** 2).mean()),
        "seam": _ratio(here[edge].mean(), there[edge].mean()),
    }


def _gradient(picture: Pixels) -> Floats:
    grey = picture.astype(float).mean(axis=2)
    return np.asarray(np.hypot(*np.gradient(grey)))


def _ratio(found: float, wanted: float) -> float:
    return float(found / max(wanted, _LEAST_ERROR))
