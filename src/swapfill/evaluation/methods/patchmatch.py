"""PatchMatch (Barnes et al., 2009) as pypatchmatch has it."""

from typing import Any

import numpy as np

from swapfill.evaluation.methods.interface import Fill, Method, Pixels, Wanted, versions
from swapfill.masks import Hole

_PATCH = 5  # pixels a side
_SEED = 0  # of each picture's random search


def _load(wanted: Wanted) -> Fill:
    return _fill


def _fill(picture: Pixels, hole: Hole) -> Pixels:
    import patchmatch

    patchmatch.set_random_seed(_SEED)
    mask = hole.astype(np.uint8) * 255
    filled: Pixels = patchmatch.inpaint(np.ascontiguousarray(picture), mask, patch_size=_PATCH)
    return filled


def _settings(wanted: Wanted) -> dict[str, Any]:
    found = versions(wanted.name, patchmatch="pypatchmatch")
    return {"patch": _PATCH, "seed": _SEED} | found


PATCHMATCH = Method(
    "patchmatch",
    "PatchMatch (Barnes et al., 2009), pypatchmatch",
    describe=_settings,
    load=_load,
)
