"""Weights of the losses: those of the config, or those that give a term its share."""

from collections.abc import Mapping

import torch
from torch import Tensor

from swapfill.training.settings import LossSettings
from swapfill.training.team import ALONE, Team


class Balance:
    """Add up the terms of a generator's loss.

    A term whose ratio is set (`loss.ratio`) gets the weight that makes it that multiple of the
    weighted image term: over the first steps it is what they have been so far, after
    `loss.ratio.steps` it stays. So it depends on the steps alone, and goes with the state of the
    run. Processes that train together measure together.
    """

    team: Team = ALONE

    def __init__(self, weights: LossSettings) -> None:
        self._weights = weights
        self._sums: dict[str, float] = {}  # magnitudes of the measured terms

    def total(self, terms: Mapping[str, Tensor], step: int) -> Tensor:
        """Weigh the terms of a step, the image term among them, and add them up."""
        if self._weights.ratio.asked and step < self._weights.ratio.steps:
            found = self.team.mean(torch.stack([term.detach() for term in terms.values()]))
            for name, value in zip(terms, found.abs().tolist(), strict=True):
                self._sums[name] = self._sums.get(name, 0.0) + value
        weighed = (self.weight(name) * term for name, term in terms.items())
        return sum(weighed, torch.zeros_like(terms["image"]))

    def weight(self, name: str) -> float:
        """Give the weight of a term as it is now."""
        given: float = getattr(self._weights, name)
        ratio = self._weights.ratio.of(name)
        if not ratio or not self._sums.get(name):  # not measured, or there is nothing to weigh
            return given
        return ratio * self._weights.image * self._sums["image"] / self._sums[name]

    def state_dict(self) -> dict[str, float]:
        """Give what has been measured."""
        return dict(self._sums)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Take back what `state_dict` gave."""
        self._sums = dict(state)
