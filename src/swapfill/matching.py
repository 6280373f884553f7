"""How a map is asked and answered: the paper's patch-swap, and this project's departures from it.

literal    section 3.3.2: features of the guess ask, the nearest patch is copied.
blurred    the same, but candidates are compared as blurry as the guess is; sharp ones are copied.
coherent   at the coarsest scale Image2Feature's *expected* features ask and neighbouring queries
           agree (`coherence`); above it matches are carried up, so that the same pieces are copied.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from swapfill.alignment import align
from swapfill.beside import Beside
from swapfill.coherence import agree, carry, nearest
from swapfill.patch_swap import (
    PATCH,
    Match,
    candidates,
    paste,
    touching,
)
from swapfill.shortlists import offsets_around, shortlist, taken, with_shared
from swapfill.variation import preference

LISTED = 8  # candidates of its own of each query, beside those at offsets that all share
SWEEPS = 4  # and then queries reconsider: as good as twice as many without


def coherent_match(
    features: Tensor,
    hole: Tensor,
    expected: Tensor | None,
    bonus: float,
    seed: int = 0,
    beside: Beside | None = None,
) -> Match:
    """Match one map at the coarsest scale.

    Args:
        features: of the guess composited with the known pixels, [C, h, w].
        hole: r, [1, h, w], bool, with at least one cell.
        expected: expected unit features, [C, h, w]; the guess's own unless given.
        bonus: of neighbouring pieces that go on in each other, in units of cosine.
        seed: of another try; see `variation`.
        beside: channels of colours and places, compared as well; and how cells look.

    Raises:
        NoKnownPatchError: there is no candidate.
    """
    unit = F.normalize(features.float(), dim=0)
    asks = keys = unit
    if expected is not None:
        asks = torch.where(hole, expected.float(), unit)
    if beside is not None:
        asks, keys = torch.cat([asks, beside.asks]), torch.cat([unit, beside.keys])
    preferred = preference(seed, hole.shape[1] - PATCH + 1, hole.shape[2] - PATCH + 1)
    own = shortlist(asks, hole, keys, LISTED, preferred)
    valid = candidates(hole).cpu().numpy()
    offsets = offsets_around(unit, valid)
    listed = with_shared(own, asks, keys, offsets, valid, preferred)
    index = agree(listed, unit, bonus, SWEEPS, None if beside is None else beside.look)
    score = taken(listed, index)
    place = torch.stack([index // listed.width, index % listed.width], dim=1)
    return Match(listed.query, place, score)


def carried_match(coarse: Match, features: Tensor, hole: Tensor, factor: int) -> Match:
    """Carry a coarser scale's matches up to one map: the same pieces, aligned in finer cells.

    Args:
        coarse: what was matched on a map `factor` times as coarse, whose hole covers this one's.
        features: of this map, [C, h, w].
        hole: r, [1, h, w], bool.
        factor: fine cells a coarse cell spans.
    """
    asked, valid = touching(hole), candidates(hole)
    query = asked.nonzero()
    moved = align(coarse, features, hole, factor)
    place = carry(coarse, query, factor, (valid.shape[0], valid.shape[1]), moved)
    lost = ~valid[place[:, 0], place[:, 1]]
    if bool(lost.any()):  # clamped at the border into the hole: the nearest candidate instead
        known = valid.nonzero()
        place[lost] = known[nearest(place[lost].float(), known.float())]
    return Match(query, place, torch.ones(len(query), device=hole.device))


def swap_coherently(
    features: Tensor,
    hole: Tensor,
    expected: Tensor | None,
    coarse: Match | None,
    factor: int,
    bonus: float,
    values: Tensor | None = None,
    seed: int = 0,
    beside: Beside | None = None,
    *,
    copied: bool = True,
) -> tuple[Tensor, Match | None]:
    """Swap one map [C, h, w] by coherent or, above the coarsest scale, carried matches.

    `values` [D, h, w] are what is copied; the features unless given. `seed` is of another try,
    `beside` is compared as well. With `copied` false the values come back as they are.
    """
    values = features if values is None else values
    if not bool(hole.any()):
        return values, None
    found = (
        coherent_match(features, hole, expected, bonus, seed, beside)
        if coarse is None
        else carried_match(coarse, features, hole, factor)
    )
    return paste(values, hole, found) if copied else values, found


def with_pixels(features: Tensor, picture: Tensor) -> Tensor:
    """Put each cell's pixels beside its features, so that both are copied together.

    Args:
        features: [B, C, h, w].
        picture: [B, 3, S, S] in [0, 1], S a multiple of h = w.

    Returns:
        [B, C + 3 (S/h)^2, h, w].
    """
    cell = picture.shape[2] // features.shape[2]
    return torch.cat([features, F.pixel_unshuffle(picture, cell).to(features)], dim=1)


def apart(values: Tensor, picture: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """Undo `with_pixels` after a swap: features [B, C, h, w] and the picture of the pieces.

    A cell that the hole only touches was swapped whole: its known pixels are put back.
    """
    cell = picture.shape[2] // values.shape[2]
    channels = values.shape[1] - picture.shape[1] * cell**2
    pasted = F.pixel_shuffle(values[:, channels:], cell)
    return values[:, :channels], torch.where(hole, pasted, picture)
