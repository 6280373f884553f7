"""From the figures of pictures to those of methods: means and how sure they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from swapfill.evaluation.figures import FIGURES

_LEVEL = 95  # % of the resampled means that an interval holds
_ROUNDING = 1e-9  # 0.3 / 0.1 is a little below 3


@dataclass(frozen=True)
class Estimate:
    """One figure of a method over its pictures."""

    mean: float
    low: float  # of the interval of the mean
    high: float
    median: float
    most: float
    count: int  # of pictures

    def shown(self, key: str) -> float:
        """Give the one number that a table has of figure `key`: mostly the mean."""
        return float(getattr(self, FIGURES[key].shown))


def summarise(
    figures: Mapping[str, Mapping[str, float]], seed: int, resamples: int
) -> dict[str, Estimate]:
    """Estimate each figure that any picture has.

    Args:
        figures: by picture, then by the figure's key.
        seed: of the bootstrap.
        resamples: how often the pictures are drawn anew.

    Returns:
        By the figure's key, in the order of `FIGURES`.
    """
    found: dict[str, Estimate] = {}
    for key in FIGURES:
        values = [of_picture[key] for of_picture in figures.values() if key in of_picture]
        if values:
            found[key] = estimate(values, seed, resamples)
    return found


def estimate(values: Sequence[float], seed: int, resamples: int) -> Estimate:
    """Estimate a mean, with its 95 % interval by the bootstrap.

    As many pictures are drawn with replacement `resamples` times; the interval is between the 2.5th
    and the 97.5th percentile of their means. Of equally many pictures the same ones are drawn,
    whatever the figure and the method.
    """
    numbers = np.asarray(values, float)
    drawn = np.random.default_rng(seed).integers(len(numbers), size=(resamples, len(numbers)))
    rest = (100 - _LEVEL) / 2
    low, high = np.percentile(numbers[drawn].mean(axis=1), [rest, 100 - rest])
    return Estimate(
        mean=float(numbers.mean()),
        low=float(low),
        high=float(high),
        median=float(np.median(numbers)),
        most=float(numbers.max()),
        count=len(numbers),
    )


def by_share(shares: Mapping[str, float], width: float = 0.1) -> dict[str, list[str]]:
    """Group pictures by the share of their pixels that is missing.

    Args:
        shares: by picture.
        width: of a group.

    Returns:
        The pictures of each group that has some, under names such as "10-20 %", rising.
    """
    groups: dict[int, list[str]] = {}
    for name, share in shares.items():
        groups.setdefault(int(share / width + _ROUNDING), []).append(name)
    percent = round(100 * width)
    return {f"{i * percent}-{(i + 1) * percent} %": groups[i] for i in sorted(groups)}


def best(values: Mapping[str, float], key: str) -> list[str]:
    """Name the methods whose figure `key` is the best; none where all are as good."""
    better = FIGURES[key].better

    def loss(value: float) -> float:
        return {"low": value, "high": -value, "one": abs(value - 1)}[better]

    losses = {name: loss(value) for name, value in values.items()}
    found = [name for name, value in losses.items() if value == min(losses.values())]
    return found if len(found) < len(values) else []
