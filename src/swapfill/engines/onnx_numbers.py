"""In what numbers the convolutions of a graph count: floats, or bytes between known ranges.

A byte b stands for scale * (b - zero): so it must be known before between which numbers lies what
a convolution sees and what it answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_TINY = 1e-12


class Range(NamedTuple):
    """Between which numbers something lies; what lies beyond is cut off. 0 is always within."""

    low: float
    high: float

    @property
    def scale(self) -> float:
        """How far numbers are apart whose bytes follow each other."""
        return max(max(self.high, 0.0) - min(self.low, 0.0), _TINY) / 255

    @property
    def zero(self) -> int:
        """The byte that stands for 0."""
        return min(round(-min(self.low, 0.0) / self.scale), 255)


class Ranges(NamedTuple):
    """Of one convolution: of what it sees, of what it answers."""

    sees: Range
    answers: Range


@dataclass(frozen=True)
class Numbers:
    """How a network's convolutions count.

    Attributes:
        ranges: of those that count in bytes, by name.
        watched: those that may count in bytes show what they see and what they answer, as outputs
            of the graph: `sees NAME` and `answers NAME`.
    """

    ranges: Mapping[str, Ranges] = field(default_factory=dict)
    watched: bool = False


FLOATS = Numbers()
