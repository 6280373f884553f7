"""Another try: which places of the picture a seed prefers to copy from.

Not in the paper, whose fill is one. A hole has many plausible contents; a person who does not like
the first asks for another, and wants it to be one thing, not noise: so preferences change slowly
from place to place, and neighbouring queries follow them together.
"""

import numpy as np
from numpy.typing import NDArray

_STRENGTH = 0.12  # most that a place gains or loses, in cosine
_POINTS = 6  # a side; between them preferences are interpolated


def preference(seed: int, rows: int, columns: int) -> NDArray[np.float32] | None:
    """Give what each candidate gains by a seed: [rows, columns], in cosine; None for seed 0.

    The same for a map of any size, so that a seed means the same place at every scale.
    """
    if not seed:
        return None
    points = np.random.default_rng(seed % 2**64).uniform(-1, 1, (_POINTS, _POINTS))
    at = np.arange(_POINTS)
    across = np.linspace(0, _POINTS - 1, columns)
    wide = np.stack([np.interp(across, at, row) for row in points])
    down = np.linspace(0, _POINTS - 1, rows)
    tall = np.stack([np.interp(down, at, column) for column in wide.T], axis=1)
    return (_STRENGTH * tall).astype(np.float32)
