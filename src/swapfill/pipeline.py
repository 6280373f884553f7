"""One square window, coarse to fine: infer, match, translate (sections 3.2 and 3.4)."""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from swapfill.config import COARSEST, FillSettings
from swapfill.engines.interface import Engine, Query

Array = TypeVar("Array")


def ladder(side: int, settings: FillSettings) -> tuple[int, ...]:
    """Give the scales at which a window of `side` pixels is filled.

    The paper's are 128, 256, ... up to `side`. Coherent matching needs only the first, to match,
    and the last, to translate: matches are carried from one to the other, and what a scale between
    them would translate is never looked at. (Measured with and without: the same figures.)
    """
    if settings.scales is not None:
        return settings.scales
    count = max(1, (side // COARSEST).bit_length())
    scales = tuple(COARSEST << i for i in range(count))
    if settings.matching == "coherent" and count > 1:
        return scales[0], scales[-1]
    return scales


def fill_windows(
    engine: Engine[Array],
    incomplete: npt.NDArray[np.float32],
    hole: npt.NDArray[np.bool_],
    settings: FillSettings,
) -> npt.NDArray[np.float32]:
    """Fill a batch of windows of one size.

    Multi-scale inference (section 3.4): Image2Feature guesses at the coarsest scale alone; above
    it, the lower scale's picture is upsampled and composited with the real pixels of its scale, so
    that there is sharp texture to copy.

    Args:
        engine: runs the steps.
        incomplete: I_0, [B, S, S, 3] in [0, 1]; what lies in the hole does not matter.
        hole: R, [B, S, S]; at least one pixel of each window is known.
        settings: scales, matching, refinement.

    Returns:
        I, the whole translated windows, known side included: [B, S, S, 3] in [0, 1].

    Raises:
        NoKnownPatchError: a hole leaves nothing to copy.
    """
    side = incomplete.shape[1]
    picture, missing = engine.put(np.where(hole[..., None], 0.0, incomplete), hole)
    filled: Array | None = None
    matched: Any = None
    for scale in ladder(side, settings):
        known, here = engine.resize(picture, scale), engine.shrink(missing, scale)
        expected: Array | None = None
        if filled is None:
            guess, expected = engine.infer(known, here)
        else:
            guess = engine.composite(here, engine.resize(filled, scale), known)
        for _ in range(1 + settings.refine):
            keys = None
            if settings.matching == "blurred":
                keys = _blurred(engine, guess, here, known, scale)
            query = Query(engine.encode(guess), here, expected, keys, matched)
            swapped, matched = engine.swap(query, settings)
            filled = engine.translate(swapped)
            if settings.tone:
                filled = engine.align_tone(filled, guess, settings.tone)
            guess, expected = engine.composite(here, filled, known), None
    assert filled is not None
    return engine.get(engine.resize(filled, side))


def _blurred(engine: Engine[Array], guess: Array, hole: Array, known: Array, side: int) -> Array:
    """Encode the guess among known pixels as blurry as it is: of half their resolution."""
    soft = engine.resize(engine.resize(known, side // 2), side)
    return engine.encode(engine.composite(hole, guess, soft))
