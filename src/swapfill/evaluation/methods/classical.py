"""Methods that learn nothing: the mean colour, OpenCV's two, scikit-image's biharmonic."""

from functools import partial
from typing import Any

import numpy as np

from swapfill.evaluation.methods.interface import Fill, Method, Pixels, Wanted, versions
from swapfill.masks import Hole

_RADIUS = 3  # pixels around each that OpenCV looks at


def fill_with_mean(picture: Pixels, hole: Hole) -> Pixels:
    """Paint the hole in the mean colour of what is known: [H, W, 3]."""
    colour = picture[~hole].mean(axis=0).astype(np.uint8)
    return np.where(hole[..., None], colour, picture)


def _mean(wanted: Wanted) -> Fill:
    return fill_with_mean


def _telea(wanted: Wanted) -> Fill:
    import cv2

    return partial(_fill_with_opencv, kind=cv2.INPAINT_TELEA)


def _navier_stokes(wanted: Wanted) -> Fill:
    import cv2

    return partial(_fill_with_opencv, kind=cv2.INPAINT_NS)


def _fill_with_opencv(picture: Pixels, hole: Hole, kind: int) -> Pixels:
    import cv2

    filled = cv2.inpaint(picture, hole.astype(np.uint8), _RADIUS, kind)
    return np.asarray(filled, np.uint8)


def _biharmonic(wanted: Wanted) -> Fill:
    from skimage.restoration import inpaint_biharmonic

    def fill(picture: Pixels, hole: Hole) -> Pixels:
        filled = inpaint_biharmonic(picture, hole, channel_axis=-1)
        return np.asarray(np.clip(filled * 255 + 0.5, 0, 255), np.uint8)

    return fill


def _opencv_settings(wanted: Wanted) -> dict[str, Any]:
    return {"radius": _RADIUS} | versions(wanted.name, cv2="opencv-python-headless")


def _biharmonic_settings(wanted: Wanted) -> dict[str, Any]:
    return dict(versions(wanted.name, skimage="scikit-image"))


MEAN = Method(
    "mean",
    "the mean colour of what is known",
    describe=lambda wanted: {},
    load=_mean,
)
TELEA = Method(
    "telea",
    "fast marching (Telea, 2004), OpenCV",
    describe=_opencv_settings,
    load=_telea,
)
NAVIER_STOKES = Method(
    "navier-stokes",
    "fluid dynamics (Bertalmio et al., 2001), OpenCV",
    describe=_opencv_settings,
    load=_navier_stokes,
)
BIHARMONIC = Method(
    "biharmonic",
    "biharmonic equations (Damelin and Hoang, 2018), scikit-image",
    describe=_biharmonic_settings,
    load=_biharmonic,
)
