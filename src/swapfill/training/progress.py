"""What a run tells of its steps."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from swapfill.errors import DataError
from swapfill.training.team import Team

# On an accelerator steps are queued ahead, and each look at a number waits until all are done.
_STEPS_AT_ONCE = 10


@dataclass(frozen=True)
class Progress:
    """One optimiser step, as told to the log, the progress bar and the tests alike."""

    step: int
    losses: dict[str, float]  # by name, before weighting; means over the processes
    seconds: float  # all that it took; of steps that are told together, their mean
    waited: float = 0.0  # seconds of these in which no batch was ready
    rate: float = 0.0  # the network's learning rate


class Tally:
    """The losses of steps that are done, left on the device until they are fetched together."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._at_once = 1 if team.device.type == "cpu" else _STEPS_AT_ONCE
        self._steps: list[tuple[int, dict[str, Tensor], float, float]] = []
        self._began = 0.0

    def start(self) -> None:
        """Note that a step begins."""
        if not self._steps:
            self._began = time.perf_counter()

    def add(self, step: int, terms: dict[str, Tensor], waited: float, rate: float) -> None:
        """Take in a step that is done; its terms are scalars."""
        self._steps.append((step, terms, waited, rate))

    @property
    def full(self) -> bool:
        """Whether it is time to fetch."""
        return len(self._steps) >= self._at_once

    def fetch(self) -> list[Progress]:
        """Give the steps since the last fetch, their losses averaged over the processes."""
        terms = [term.float() for _, found, _, _ in self._steps for term in found.values()]
        values = iter(self._team.mean(torch.stack(terms)).tolist())
        seconds = (time.perf_counter() - self._began) / len(self._steps)
        fetched = [
            Progress(step, {name: next(values) for name in found}, seconds, waited, rate)
            for step, found, waited, rate in self._steps
        ]
        self._steps.clear()
        return fetched


def check(steps: list[Progress], folder: Path) -> None:
    """Refuse losses that are no numbers.

    Raises:
        DataError: one is; the line names the step and its losses.
    """
    for one in steps:
        if not all(math.isfinite(value) for value in one.losses.values()):
            raise DataError(
                f"{folder}: step {one.step - 1}: losses are {one.losses}, want finite numbers; "
                "state.pt holds the last good step"
            )
