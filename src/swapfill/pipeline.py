"""One square window, coarse to fine: infer, match, translate (sections 3.2 and 3.4)."""

from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from swapfill.config import COARSEST, FillSettings
from swapfill.engines.interface import Engine, Query, Swapped

Array = TypeVar("Array")
_MATCHED = 256  # pixels; the side at which coherent matching asks


class Start(NamedTuple):
    """What a part of the holes is believed to hold: the frame before, moved, in a clip.

    `picture` is [B, S, S, 3] in [0, 1], `sure` [B, S, S]: where it is believed.
    """

    picture: npt.NDArray[np.float32]
    sure: npt.NDArray[np.bool_]


class Begun(NamedTuple, Generic[Array]):
    """A start on the engine: the window with it, [B, 3, S, S], and what it leaves open."""

    picture: Array
    left: Array


class Pieces(NamedTuple, Generic[Array]):
    """What is left to translate: the swap, the guess [B, 3, S, S] that guides it, and the hole."""

    swapped: Swapped[Array]
    guess: Array
    hole: Array


def ladder(side: int, settings: FillSettings) -> tuple[int, ...]:
    """Give the scales at which a window of `side` pixels is filled.

    The paper's are 128, 256, ... up to `side`. Coherent matching needs only one to match at and
    the last, to translate: matches are carried from one to the other, and what a scale between
    them would translate is never looked at. (Measured with and without: the same figures.) It
    guesses and matches at 256: what 128 pixels show decides less well (docs/results.md).
    """
    if settings.scales is not None:
        return settings.scales
    count = max(1, (side // COARSEST).bit_length())
    scales = tuple(COARSEST << i for i in range(count))
    if settings.matching == "coherent":
        first = min(_MATCHED, scales[-1])
        return (first, scales[-1]) if first < scales[-1] else (first,)
    return scales


def fill_windows(
    engine: Engine[Array],
    incomplete: npt.NDArray[np.float32],
    hole: npt.NDArray[np.bool_],
    settings: FillSettings,
    *,
    start: Start | None = None,
) -> npt.NDArray[np.float32]:
    """Fill a batch of windows of one size.

    Multi-scale inference (section 3.4): Image2Feature guesses at the first scale alone; above
    it, the lower scale's picture is upsampled and composited with the real pixels of its scale, so
    that there is sharp texture to copy.

    Args:
        engine: runs the steps.
        incomplete: I_0, [B, S, S, 3] in [0, 1]; what lies in the hole does not matter.
        hole: R, [B, S, S]; at least one pixel of each window is known.
        settings: scales, matching, refinement.
        start: where it is sure it is taken for the guess, and its features ask for pieces.

    Returns:
        I, the whole translated windows, known side included: [B, S, S, 3] in [0, 1].

    Raises:
        NoKnownPatchError: a hole leaves nothing to copy.
    """
    picture, missing = engine.put(np.where(hole[..., None], 0.0, incomplete), hole)
    side = incomplete.shape[1]
    fill = _coherently if settings.matching == "coherent" else _by_scales
    begun = None if start is None else _begun(engine, incomplete, hole, start)
    filled = fill(engine, picture, missing, ladder(side, settings), settings, begun)
    return engine.get(engine.resize(filled, side))


def _begun(
    engine: Engine[Array],
    incomplete: npt.NDArray[np.float32],
    hole: npt.NDArray[np.bool_],
    start: Start,
) -> Begun[Array]:
    left = hole & ~start.sure
    seen = np.where(hole[..., None], start.picture, incomplete)
    return Begun(*engine.put(np.where(left[..., None], 0.0, seen).astype(np.float32), left))


def carry_pieces(
    engine: Engine[Array],
    picture: Array,
    missing: Array,
    scales: tuple[int, ...],
    settings: FillSettings,
    begun: Begun[Array] | None = None,
) -> Pieces[Array]:
    """Match at the coarsest scale, and copy the same pieces at the window's own.

    Args:
        engine: runs the steps.
        picture: the window, [B, 3, S, S]; what lies in the hole does not matter.
        missing: R, [B, 1, S, S].
        scales: in pixels; matched at the first, copied at the last.
        settings: the bonus.
        begun: a start; it is sharp, so that the guess's own features ask.

    Raises:
        NoKnownPatchError: a hole leaves nothing to copy.
    """
    first, *finer = scales
    known, here = engine.resize(picture, first), engine.shrink(missing, first)
    guess, expected = _guessed(engine, known, here, begun, first)
    swapped = engine.swap(Query(guess, engine.encode(guess), here, expected), settings)
    for scale in finer:
        known, here = engine.resize(picture, scale), engine.shrink(missing, scale)
        guess = engine.composite(here, engine.resize(guess, scale), known)
        if begun is not None:
            left, seen = engine.shrink(begun.left, scale), engine.resize(begun.picture, scale)
            guess = engine.composite(left, guess, seen)
        query = Query(guess, engine.encode(guess), here, matched=swapped.matched)
        swapped = engine.swap(query, settings)
    return Pieces(_toned(engine, swapped, guess, here, settings), guess, here)


def _guessed(
    engine: Engine[Array], known: Array, hole: Array, begun: Begun[Array] | None, scale: int
) -> tuple[Array, Array | None]:
    """Infer what is missing at one scale; with a start, only what that leaves open."""
    if begun is None:
        return engine.infer(known, hole)
    seen, left = engine.resize(begun.picture, scale), engine.shrink(begun.left, scale)
    return engine.infer(seen, left)[0], None


def _coherently(
    engine: Engine[Array],
    picture: Array,
    missing: Array,
    scales: tuple[int, ...],
    settings: FillSettings,
    begun: Begun[Array] | None = None,
) -> Array:
    return translate_pieces(
        engine, carry_pieces(engine, picture, missing, scales, settings, begun), settings
    )


def translate_pieces(engine: Engine[Array], pieces: Pieces[Array], settings: FillSettings) -> Array:
    """Translate the pieces once, at the window's own scale; again for each refinement."""
    swapped, guess, hole = pieces
    filled = _translated(engine, swapped, guess, hole, settings)
    for _ in range(settings.refine):
        again = engine.composite(hole, filled, guess)
        query = Query(again, engine.encode(again), hole, matched=swapped.matched)
        swapped = _toned(engine, engine.swap(query, settings), guess, hole, settings)
        filled = _translated(engine, swapped, again, hole, settings)
    return filled


def _by_scales(
    engine: Engine[Array],
    picture: Array,
    missing: Array,
    scales: tuple[int, ...],
    settings: FillSettings,
    begun: Begun[Array] | None = None,
) -> Array:
    """Match and translate at every scale, the paper's way."""
    filled: Array | None = None
    for scale in scales:
        known, here = engine.resize(picture, scale), engine.shrink(missing, scale)
        if filled is None:
            guess, _ = _guessed(engine, known, here, begun, scale)
        else:
            guess = engine.composite(here, engine.resize(filled, scale), known)
        for _ in range(1 + settings.refine):
            keys = None
            if settings.matching == "blurred":
                keys = _blurred(engine, guess, here, known, scale)
            swapped = engine.swap(Query(guess, engine.encode(guess), here, None, keys), settings)
            swapped = _toned(engine, swapped, guess, here, settings)
            filled = _translated(engine, swapped, guess, here, settings)
            guess = engine.composite(here, filled, known)
    assert filled is not None
    return filled


def _toned(
    engine: Engine[Array],
    swapped: Swapped[Array],
    guess: Array,
    hole: Array,
    settings: FillSettings,
) -> Swapped[Array]:
    """Give the pieces' pixels in the hole the tone of the guess: where a guided network starts."""
    if not settings.tone:
        return swapped
    toned = engine.align_tone(swapped.pixels, guess, settings.tone)
    return replace(swapped, pixels=engine.composite(hole, toned, swapped.pixels))


def _translated(
    engine: Engine[Array],
    swapped: Swapped[Array],
    guess: Array,
    hole: Array,
    settings: FillSettings,
) -> Array:
    """Translate, and give what comes of it the guess's tone: a judge does not see colours drift."""
    filled = engine.translate(swapped, guess, hole)
    if settings.tone:
        return engine.align_tone(filled, guess, settings.tone)
    return filled


def _blurred(engine: Engine[Array], guess: Array, hole: Array, known: Array, side: int) -> Array:
    """Encode the guess among known pixels as blurry as it is: of half their resolution."""
    soft = engine.resize(engine.resize(known, side // 2), side)
    return engine.encode(engine.composite(hole, guess, soft))
