"""What is judged, and how: the settings of `swapfill evaluate`, each with its default and rule."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from swapfill.config import Settings

Protocol = Literal["paper", "free-form", "boxes", "masks"]

SMALLEST = 32  # pixels a side of a picture: the least that every figure is defined for
_PAPER_SIDE = 512
_Shares = tuple[Annotated[float, Field(gt=0, lt=1)], Annotated[float, Field(gt=0, lt=1)]]


class NeuralPatchSettings(Settings):
    """Neural patch synthesis ([35]): its energy, minimised at one scale after the other.

    Its authors' weights (texture and variation 5e-6 in the article, 1e-4 in their code) are of sums
    over another VGG on pixels of 0 to 255. Here each term is a mean, the texture relative to the
    strength of the known features, so that no weight depends on the weights file.
    """

    scales: tuple[Annotated[int, Field(ge=32)], ...] = (128, 256, 512)  # pixels, rising
    iterations: Annotated[int, Field(ge=0)] = 100  # of L-BFGS at each scale, as in their code
    history: Annotated[int, Field(ge=1)] = 25  # steps that L-BFGS remembers, as in their code
    content: Annotated[float, Field(ge=0)] = 1.0  # of the squared distance to the scale below
    texture: Annotated[float, Field(ge=0)] = 0.5  # of each layer's distance to its matches
    variation: Annotated[float, Field(ge=0)] = 0.02  # of the squared differences of neighbours

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if not self.scales or list(self.scales) != sorted(set(self.scales)):
            raise ValueError(f"scales are {self.scales}, want rising sides")
        return self


class GatysSettings(Settings):
    """Style by Gram matrices ([13]).

    Its authors' weights (1 to 1,000 or 10,000) are of sums over their VGG's features, squared for
    the content and to the fourth power for the style. Here each term is relative to what it is to
    be, so that no weight depends on the weights file or on the size of the pictures.
    """

    iterations: Annotated[int, Field(ge=0)] = 500  # of L-BFGS, as in their code
    history: Annotated[int, Field(ge=1)] = 100
    content: Annotated[float, Field(ge=0)] = 1.0  # of the features' relative squared error
    style: Annotated[float, Field(ge=0)] = 100.0  # of the Gram matrices', mean over the layers


class StyleSwapSettings(Settings):
    """Patch-based style ([7]): the swapped features turned into pixels by optimisation."""

    iterations: Annotated[int, Field(ge=0)] = 100  # of L-BFGS
    history: Annotated[int, Field(ge=1)] = 25
    # Of the squared differences of neighbours, against the features' relative squared error.
    # Theirs, 1e-6, is of sums over another VGG.
    variation: Annotated[float, Field(ge=0)] = 0.02


class EvaluateSettings(Settings):
    """Pictures, holes and statistics."""

    protocol: Protocol = "paper"
    # Side in pixels of the square that pictures are resized to; 0: as they are.
    size: Annotated[int, Field(ge=0)] = _PAPER_SIDE
    # Missing pixels over all, least and most; the pictures take the ranges in turn.
    shares: tuple[_Shares, ...] = ((0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5))
    limit: Annotated[int, Field(ge=0)] = 0  # pictures that are taken, the first ones; 0: all
    seed: int = 0  # of holes and of the bootstrap
    resamples: Annotated[int, Field(ge=1)] = 2000  # of the bootstrap

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if self.size and self.size < SMALLEST:
            raise ValueError(f"size is {self.size}, want 0 or at least {SMALLEST} pixels")
        if self.protocol == "paper" and not self.size:
            raise ValueError("size is 0, want the side of the square that paper resizes to")
        for least, most in self.shares:
            if least >= most:
                raise ValueError(f"shares are {least}-{most}, want the least first")
        if not self.shares:
            raise ValueError("shares are empty, want ranges such as 0.1-0.2")
        return self
