"""Look at the network while it trains: figures, the best weights, sheets of samples."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from swapfill.files import write_bytes_atomically
from swapfill.training.data import Batch
from swapfill.training.encoder_stage import EncoderStage
from swapfill.training.loop import Stage
from swapfill.training.progress import Progress
from swapfill.training.samples import Pixels, sheet_of, write_sheet
from swapfill.training.settings import ValidationSettings
from swapfill.weights import save_from

Listener = Callable[[Progress], object]


def all_of(listeners: list[Listener]) -> Callable[[Progress], bool]:
    """Tell every listener, in order; True if any of them says that it is enough."""

    def tell(progress: Progress) -> bool:
        return True in [listener(progress) for listener in listeners]

    return tell


class Validation:
    """Measure on the same batches now and then; keep the best weights; say when it is enough.

    All it knows it reads back from validation.jsonl, so that a resumed run decides as an unbroken
    one does: lines of steps beyond the state (it was killed before it saved) are dropped.
    """

    def __init__(
        self,
        stage: Stage,
        batches: list[Batch],
        folder: Path,
        settings: ValidationSettings,
        show: Callable[[int, dict[str, float]], object] | None = None,
    ) -> None:
        self._stage, self._batches, self._settings = stage, batches, settings
        self._show = show
        self._log, self._weights = folder / "validation.jsonl", folder / "best.safetensors"
        self._looks: list[tuple[int, dict[str, float]]] = []

    def start(self) -> None:
        """Take up the looks of a run that goes on; the stage is at the step it goes on from."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        looks = [json.loads(line) for line in lines]
        looks = [look for look in looks if look["step"] <= self._stage.step]
        self._looks = [(look.pop("step"), look) for look in looks]
        self._write()

    def __call__(self, progress: Progress) -> bool:
        """Look if it is time; True once `patience` looks in a row have found nothing better."""
        if not is_due(progress.step, self._settings.every, self._stage.optim.last_step):
            return False
        before = self._best()
        figures = measure(self._stage, self._batches)
        self._looks.append((progress.step, figures))
        self._write()
        if self._show is not None:
            self._show(progress.step, figures)
        if self._best() != before:
            save_from(self._stage.result, self._weights)
        since = len(self._looks) - 1 - self._best()
        return 0 < self._settings.patience <= since

    def _best(self) -> int:
        """Which look was the best, the first of equals; -1 before any."""
        values = [next(iter(figures.values())) for _, figures in self._looks]
        return values.index(min(values)) if values else -1

    def _write(self) -> None:
        lines = [json.dumps({"step": step} | figures) + "\n" for step, figures in self._looks]
        write_bytes_atomically(self._log, "".join(lines).encode())


class Samples:
    """Paint the same pictures now and then, into samples/STEP.png."""

    def __init__(
        self,
        stage: Stage,
        batch: Batch,
        folder: Path,
        every: int,
        show: Callable[[int, Pixels], object] | None = None,
    ) -> None:
        self._stage, self._batch, self._every = stage, batch, every
        self._folder, self._show = folder / "samples", show

    def __call__(self, progress: Progress) -> None:
        """Paint if it is time; an encoder paints nothing."""
        if isinstance(self._stage, EncoderStage):
            return
        if not is_due(progress.step, self._every, self._stage.optim.last_step):
            return
        with _at_rest(self._stage.result), torch.no_grad():
            filled = self._stage.fill(self._batch)
        pixels = sheet_of(self._batch, filled)
        write_sheet(self._folder / f"{progress.step:06}.png", pixels)
        if self._show is not None:
            self._show(progress.step, pixels)


def measure(stage: Stage, batches: list[Batch]) -> dict[str, float]:
    """Give the stage's figures, means over batches of one size."""
    with _at_rest(stage.result), torch.no_grad():
        found = [stage.figures(batch) for batch in batches]
    return {name: float(sum(one[name] for one in found)) / len(found) for name in found[0]}


def is_due(step: int, every: int, last: int) -> bool:
    """Tell whether a step is one at which the network is looked at."""
    return step % every == 0 or step == last


@contextmanager
def _at_rest(network: nn.Module) -> Iterator[None]:
    """Use a network as it will be used: batch norms by what they have gathered."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
