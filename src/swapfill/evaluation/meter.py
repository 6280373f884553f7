"""All figures of one picture, and what they depend on."""

import json
from typing import TYPE_CHECKING, Any

from swapfill.evaluation.figures import RANGE, SIGMA, VERSION, WINDOW, score
from swapfill.evaluation.methods.interface import Pixels
from swapfill.masks import Hole

if TYPE_CHECKING:
    from swapfill.evaluation.perception import Lpips, VggDistance


class Meter:
    """Measures filled pictures; the distances that need weights are given to it, or left out."""

    def __init__(self, vgg: "VggDistance | None" = None, lpips: "Lpips | None" = None) -> None:
        self._vgg, self._lpips = vgg, lpips

    @property
    def settings(self) -> dict[str, Any]:
        """What the figures depend on, as JSON has it: no two with other ones compare."""
        return {
            "formulas": VERSION,
            "ssim": {
                "window": f"Gaussian, {WINDOW} x {WINDOW}, sigma {SIGMA}",
                "padding": "mirrored; the mean is over windows wholly in the picture",
                "covariance": "of the population (no sample covariance)",
            },
            "data_range": RANGE,
            "colour_space": "RGB, 8 bits a channel; SSIM is the mean of the channels",
            "vgg": self._vgg.source if self._vgg else None,
            "lpips": "0.1, AlexNet" if self._lpips else None,
        }

    @property
    def key(self) -> str:
        """The settings as text."""
        return json.dumps(self.settings, sort_keys=True)

    def measure(self, truth: Pixels, filled: Pixels, hole: Hole) -> dict[str, float]:
        """Give the figures of a picture, by the keys of `figures.FIGURES`; see `figures.score`."""
        figures = score(truth, filled, hole)
        if self._vgg:
            figures["vgg"] = self._vgg(truth, filled, hole)
        if self._lpips:
            figures["lpips"] = self._lpips.distance(truth, filled)
        return figures
