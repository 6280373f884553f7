"""Settings of style transfer: each default, unit and rule."""

from typing import Annotated

from pydantic import Field

from swapfill.config import FEATURE_STRIDE, Settings, Share

LEAST_SIDE = 3 * FEATURE_STRIDE  # pixels of a style: one patch of 3 x 3 cells


class StyleSettings(Settings):
    """How a picture takes on a style."""

    strength: Share = 1.0  # blends the swapped features with the content's; 0 is the content
    keep_colours: bool = False  # swap brightness alone
    # Longer side, in pixels, at which the first pieces are matched: less makes larger pieces, and
    # leaves less of the content.
    coarsest: Annotated[int, Field(ge=64, le=512)] = 256
    style_scale: Annotated[float, Field(ge=0.25, le=4)] = 1.0  # of the style's pieces
    tone: Annotated[float, Field(ge=0, le=50)] = 5.0  # weight of brightness beside features
    detail: Share = 0.5  # of the content in what each finer scale asks
