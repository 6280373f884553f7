"""Methods that fill squares: they get the windows that this project's own pipeline fills."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from swapfill.config import FillSettings
from swapfill.evaluation.methods.interface import Fill
from swapfill.masks import Hole

if TYPE_CHECKING:
    from swapfill.engines.interface import Engine
    from swapfill.inpainter import Floats

    # From windows I_0, [B, S, S, 3] in [0, 1], 0 in the hole, and their holes [B, S, S] to the
    # filled windows. What stands there outside the hole decides how they are blended: the pipeline
    # spreads its difference to the picture, at the rim, over the hole. Known pixels: not at all.
    FillSquares = Callable[[Floats, Hole], Floats]


def by_squares(fill_squares: "FillSquares") -> Fill:
    """Give what fills any hole of any picture, window by window."""
    from swapfill.inpainter import Inpainter

    def fill_windows(
        engine: "Engine[Any]", incomplete: "Floats", hole: Hole, settings: FillSettings
    ) -> "Floats":
        return fill_squares(incomplete, hole)

    return Inpainter(cast("Engine[Any]", None), FillSettings(), fill_windows=fill_windows).fill
