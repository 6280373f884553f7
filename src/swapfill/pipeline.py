"""One square window, coarse to fine: infer, match, translate (sections 3.2 and 3.4)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from swapfill.config import COARSEST, FEATURE_STRIDE, FillSettings
from swapfill.engines.interface import Engine, Part, Query, Swapped
from swapfill.masks import Box, bounding_box, holds_square
from swapfill.registration import moved_pieces, registered
from swapfill.variance import preserved

Array = TypeVar("Array")
Moves = npt.NDArray[np.int64]
_MATCHED = 256  # pixels; the side at which coherent matching asks
_MATCHED_THIN = 512  # and that for thin holes
_THIN = 4  # times as thick as a thin hole is a window at least
_MARGIN = 16  # pixels around a hole that are translated with it


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
    """What is left to translate: the swap, the guess [B, 3, S, S] that guides it, and the hole.

    `moves` is by how many pixels each query's piece was moved, [N, 2] of a map; None if nothing was
    carried.
    """

    swapped: Swapped[Array]
    guess: Array
    hole: Array
    moves: list[Moves] | None


def ladder(side: int, settings: FillSettings, *, thin: bool = False) -> tuple[int, ...]:
    """Give the scales at which a window of `side` pixels is filled; `thin` is its hole (`is_thin`).

    The paper's are 128, 256, ... up to `side`. Coherent matching needs only one to match at and
    the last, to translate: matches are carried from one to the other, and what a scale between
    them would translate is never looked at. (Measured with and without: the same figures.) It
    guesses and matches at 256, where 128 pixels show too little, and a thin hole at 512: the depth
    of a wide one is guessed better from afar (docs/results.md).
    """
    if settings.scales is not None:
        return settings.scales
    count = max(1, (side // COARSEST).bit_length())
    scales = tuple(COARSEST << i for i in range(count))
    if settings.matching == "coherent":
        first = min(_MATCHED_THIN if thin else _MATCHED, scales[-1])
        return (first, scales[-1]) if first < scales[-1] else (first,)
    return scales


def is_thin(hole: npt.NDArray[np.bool_]) -> bool:
    """Tell whether no part of a window's hole, [S, S], is a quarter of the window thick."""
    return not holds_square(hole, hole.shape[0] // _THIN)


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
    side, filled = incomplete.shape[1], np.empty_like(incomplete)
    climbed = [ladder(side, settings, thin=is_thin(one)) for one in hole]
    for scales in sorted(set(climbed)):
        some = [i for i, its in enumerate(climbed) if its == scales]
        begins = None if start is None else Start(start.picture[some], start.sure[some])
        filled[some] = _filled(engine, incomplete[some], hole[some], settings, scales, begins)
    return filled


def _filled(
    engine: Engine[Array],
    incomplete: npt.NDArray[np.float32],
    hole: npt.NDArray[np.bool_],
    settings: FillSettings,
    scales: tuple[int, ...],
    start: Start | None,
) -> npt.NDArray[np.float32]:
    """Fill windows that climb the same scales."""
    picture, missing = engine.put(np.where(hole[..., None], 0.0, incomplete), hole)
    side = incomplete.shape[1]
    begun = None if start is None else _begun(engine, incomplete, hole, start)
    if settings.matching == "coherent":
        pieces = carry_pieces(engine, picture, missing, scales, settings, begun)
        boxes = boxes_around(hole, engine.span(side)) if scales[-1] == side else None
        filled = translate_pieces(engine, pieces, settings, boxes)
    else:
        filled = _by_scales(engine, picture, missing, scales, settings, begun)
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
    features, last = engine.encode(guess), first == scales[-1]
    swapped = engine.swap(Query(guess, features, here, expected, copied=last), settings)
    for scale in finer:
        known, here = engine.resize(picture, scale), engine.shrink(missing, scale)
        guess = engine.composite(here, engine.resize(guess, scale), known)
        if begun is not None:
            left, seen = engine.shrink(begun.left, scale), engine.resize(begun.picture, scale)
            guess = engine.composite(left, guess, seen)
        query = Query(guess, engine.encode(guess), here, None, None, swapped.matched)
        swapped = engine.swap(replace(query, copied=scale == scales[-1]), settings)
    moves = _registered(engine, swapped, guess, here) if finer else None
    swapped = _blended(engine, swapped, guess, here, moves)
    return Pieces(_toned(engine, swapped, guess, here, settings), guess, here, moves)


def _registered(
    engine: Engine[Array], swapped: Swapped[Array], picture: Array, hole: Array
) -> list[Moves]:
    """Put carried pieces in place by the pixel: tell how each is moved, a map each."""
    pictures, holes = engine.get(picture), engine.get(hole)[..., 0] > 0
    return [
        np.zeros((0, 2), np.int64) if its is None else registered(one, missing, its)
        for one, missing, its in zip(pictures, holes, engine.matches(swapped), strict=True)
    ]


def _blended(
    engine: Engine[Array],
    swapped: Swapped[Array],
    picture: Array,
    hole: Array,
    moves: list[Moves] | None,
) -> Swapped[Array]:
    """Copy the pixels of moved pieces again, and give their means the detail that copies had.

    Features, of whole cells, stay.
    """
    pasted, pictures = engine.get(swapped.pixels).copy(), engine.get(picture)
    holes = engine.get(hole)[..., 0] > 0
    for i, its in enumerate(engine.matches(swapped)):
        if its is None:
            continue
        if moves is not None:
            pasted[i] = moved_pieces(pasted[i], pictures[i], holes[i], its, moves[i])
        pasted[i] = preserved(pasted[i], pictures[i], holes[i], its)
    return replace(swapped, pixels=engine.put(pasted, holes)[0])


def _guessed(
    engine: Engine[Array], known: Array, hole: Array, begun: Begun[Array] | None, scale: int
) -> tuple[Array, Array | None]:
    """Infer what is missing at one scale; with a start, only what that leaves open."""
    if begun is None:
        return engine.infer(known, hole)
    seen, left = engine.resize(begun.picture, scale), engine.shrink(begun.left, scale)
    return engine.infer(seen, left)[0], None


def boxes_around(hole: npt.NDArray[np.bool_], span: int) -> list[Box]:
    """Give the part of each window that is translated: around its hole, a margin on each side.

    What lies farther off does not reach the hole: Feature2Image learned on tiles that end nearer.

    Args:
        hole: [B, S, S].
        span: what a part's sides are a multiple of, in pixels.
    """
    side = hole.shape[1]
    boxes = []
    for one in hole:
        box = (bounding_box(one) or Box(0, 0, 1, 1)).widened(_MARGIN, (side, side))
        top, bottom = _spanned(box.top, box.bottom, side, span)
        left, right = _spanned(box.left, box.right, side, span)
        boxes.append(Box(top, left, bottom, right))
    return boxes


def _spanned(first: int, end: int, side: int, span: int) -> tuple[int, int]:
    """Widen a stretch to a multiple of `span`, from a cell on, inside `side`."""
    length = min(-(-(end - first) // span) * span, side)
    start = (first + end - length) // 2 // FEATURE_STRIDE * FEATURE_STRIDE
    if start + length < end:
        start += FEATURE_STRIDE
    start = min(max(start, 0), side - length)
    return start, start + length


def translate_pieces(
    engine: Engine[Array],
    pieces: Pieces[Array],
    settings: FillSettings,
    boxes: Sequence[Box] | None = None,
) -> Array:
    """Translate the pieces once, at the window's own scale; again for each refinement.

    Args:
        engine: runs the steps.
        pieces: what `carry_pieces` gave.
        settings: tone, refinement.
        boxes: the part of each window that is wanted; all unless given.

    Returns:
        [B, 3, S, S]; outside the boxes, the guess: what is known.
    """
    swapped, guess, hole, moves = pieces
    filled = _translated(engine, swapped, guess, hole, settings, boxes)
    for _ in range(settings.refine):
        again = engine.composite(hole, filled, guess)
        query = Query(again, engine.encode(again), hole, matched=swapped.matched)
        swapped = _blended(engine, engine.swap(query, settings), again, hole, moves)
        swapped = _toned(engine, swapped, guess, hole, settings)
        filled = _translated(engine, swapped, again, hole, settings, boxes)
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
    boxes: Sequence[Box] | None = None,
) -> Array:
    """Translate, and give what comes of it the guess's tone: a judge does not see colours drift."""
    if boxes is None:
        filled = engine.translate(swapped, guess, hole)
    else:
        filled = _translated_in(engine, swapped, guess, hole, boxes)
    if settings.tone:
        return engine.align_tone(filled, guess, settings.tone)
    return filled


def _translated_in(
    engine: Engine[Array],
    swapped: Swapped[Array],
    guess: Array,
    hole: Array,
    boxes: Sequence[Box],
) -> Array:
    """Translate a box of each window: boxes of one size together."""
    filled = guess
    sizes = {(box.height, box.width) for box in boxes}
    for size in sorted(sizes):
        parts = [Part(i, b) for i, b in enumerate(boxes) if (b.height, b.width) == size]
        cells = [Part(i, Box(*(n // FEATURE_STRIDE for n in box))) for i, box in parts]
        here = Swapped(engine.cut(swapped.features, cells), engine.cut(swapped.pixels, parts), None)
        image = engine.translate(here, engine.cut(guess, parts), engine.cut(hole, parts))
        filled = engine.put_back(filled, image, parts)
    return filled


def _blurred(engine: Engine[Array], guess: Array, hole: Array, known: Array, side: int) -> Array:
    """Encode the guess among known pixels as blurry as it is: of half their resolution."""
    soft = engine.resize(engine.resize(known, side // 2), side)
    return engine.encode(engine.composite(hole, guess, soft))
