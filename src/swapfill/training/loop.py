"""The loop: steps, checkpoints, logs. It knows no network."""

import copy
import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from swapfill.errors import BundleError, DataError
from swapfill.files import write_atomically, write_bytes_atomically
from swapfill.training.data import Batch
from swapfill.training.quality import compare
from swapfill.training.settings import OptimSettings
from swapfill.weights import save_from


@dataclass(frozen=True)
class Progress:
    """One optimiser step, as told to the log, the progress bar and the tests alike."""

    step: int
    losses: dict[str, float]  # by name, before weighting
    seconds: float


class Stage:
    """What a run changes. A stage adds its networks and says what one batch does to them."""

    name: str

    def __init__(self, network: nn.Module, optim: OptimSettings) -> None:
        self.network, self.optim = network, optim
        self.average = _copy_of(network) if optim.ema else None
        self.optimizer = self.adam(network, optim.learning_rate)
        self.judge: nn.Module | None = None
        self.judge_optimizer: torch.optim.Adam | None = None
        self.step = 0

    def adam(self, network: nn.Module, rate: float) -> torch.optim.Adam:
        """Build Adam with the run's momentum."""
        return torch.optim.Adam(network.parameters(), lr=rate, betas=(self.optim.momentum, 0.999))

    def set_judge(self, discriminator: nn.Module) -> None:
        """Add the discriminator that this stage trains against."""
        self.judge = discriminator
        self.judge_optimizer = self.adam(discriminator, self.optim.discriminator_rate)

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """Do one optimiser step; give each loss term before weighting."""
        raise NotImplementedError

    def fill(self, batch: Batch) -> Tensor:
        """Paint whole pictures, [B, 3, H, W] in [0, 1], with `result`; it is in eval mode."""
        raise NotImplementedError

    def figures(self, batch: Batch) -> dict[str, Tensor]:
        """Measure `result` on a batch; the first figure decides what is best: less is better."""
        filled = torch.where(batch.hole, self.fill(batch), batch.truth)
        return compare(filled, batch.truth, batch.hole)

    def schedule(self) -> None:
        """Set the learning rates of this step: a function of the step alone."""
        optim, share = self.optim, 1.0
        if optim.warmup:
            share = min(1.0, (self.step + 1) / optim.warmup)
        if optim.cosine:
            share *= 0.5 * (1 + math.cos(math.pi * min(1.0, self.step / optim.steps)))
        pairs = [(self.optimizer, optim.learning_rate)]
        if self.judge_optimizer is not None:
            pairs.append((self.judge_optimizer, optim.discriminator_rate))
        for optimizer, rate in pairs:
            for group in optimizer.param_groups:
                group["lr"] = rate * share

    def update_average(self) -> None:
        """Move the averaged weights towards the current ones; buffers are copied."""
        if self.average is None:
            return
        # A short memory at first, so that the random start is forgotten.
        decay = min(self.optim.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
            for kept, buffer in zip(self.average.buffers(), self.network.buffers(), strict=True):
                kept.copy_(buffer)

    @property
    def result(self) -> nn.Module:
        """The network to use: the averaged one if there is one."""
        return self.network if self.average is None else self.average

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run needs to go on."""
        parts = self._parts()
        return {"step": self.step} | {name: part.state_dict() for name, part in parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = state["step"]

    def _parts(self) -> dict[str, Any]:
        parts = {
            "network": self.network,
            "average": self.average,
            "optimizer": self.optimizer,
            "judge": self.judge,
            "judge_optimizer": self.judge_optimizer,
        }
        return {name: part for name, part in parts.items() if part is not None}


def _copy_of(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).requires_grad_(False).eval()


class Interrupted(Exception):  # noqa: N818 (a run that was asked to end has not failed)
    """A signal asked the run to end; its state has been saved."""


def run(
    stage: Stage,
    batches: Callable[[int], Iterator[Batch]],
    folder: Path,
    on_step: Callable[[Progress], object],
) -> None:
    """Train `stage` up to its last step, going on from `folder`/state.pt if that is there.

    Args:
        stage: its networks at their start.
        batches: gives the batches from a step on.
        folder: of the run; metrics.jsonl and state.pt are written into it.
        on_step: told of every step; its answer True ends the run there.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the state is saved.
        DataError: a loss is not a number; the last good state is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    resume(stage, folder)
    _trim(folder / "metrics.jsonl", stage.step)
    source = batches(stage.step)
    with _listening() as asked_to_stop, (folder / "metrics.jsonl").open("a") as metrics:
        enough = False
        while stage.step < stage.optim.last_step and not enough:
            start = time.perf_counter()
            stage.schedule()
            terms = {name: float(value) for name, value in stage.learn(next(source)).items()}
            if not all(math.isfinite(value) for value in terms.values()):
                raise DataError(
                    f"{folder}: step {stage.step}: losses are {terms}, want finite numbers; "
                    "state.pt holds the last good step"
                )
            stage.update_average()
            stage.step += 1
            progress = Progress(stage.step, terms, time.perf_counter() - start)
            metrics.write(json.dumps(vars(progress)) + "\n")
            enough = on_step(progress) is True
            stopping = bool(asked_to_stop)
            if stopping or stage.step % stage.optim.save_every == 0:
                metrics.flush()
                save(stage, folder)
            if stopping:
                raise Interrupted(f"{folder}: stopped at step {stage.step}, saved")
    save(stage, folder)


def save(stage: Stage, folder: Path) -> None:
    """Write `folder`/state.pt, to go on, and network.safetensors, to use; each atomically.

    Raises:
        DataError: a weight is not a number; the old files are kept.
        OutputError: a file cannot be written; the old one is kept.
    """
    for name, weight in stage.network.named_parameters():
        if not bool(weight.isfinite().all()):  # a loss may be finite and its gradient not
            raise DataError(
                f"{folder}: step {stage.step}: weight {name} is not a finite number; "
                "state.pt holds an earlier step"
            )
    write_atomically(folder / "state.pt", lambda out: torch.save(stage.state_dict(), out))
    save_from(stage.result, folder / "network.safetensors")


def resume(stage: Stage, folder: Path) -> None:
    """Take up `folder`/state.pt if it is there.

    Raises:
        BundleError: the state is damaged, or of other networks.
    """
    path = folder / "state.pt"
    if not path.exists():
        return
    try:
        stage.load_state_dict(torch.load(path, weights_only=True))
    except _NOT_A_STATE as error:
        first = str(error).strip().splitlines()
        raise BundleError(f"{path}: not a state of this run: {' '.join(first[:2])}") from None


def _trim(log: Path, step: int) -> None:
    """Drop what a killed process wrote after it last saved: steps to be done again, half a line."""
    lines = log.read_text().splitlines() if log.exists() else []
    kept = [line for line in lines if _step_of(line) <= step]
    if kept != lines:
        write_bytes_atomically(log, "".join(line + "\n" for line in kept).encode())


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


_NOT_A_STATE = (RuntimeError, UnpicklingError, KeyError, TypeError, ValueError, EOFError, OSError)


@contextmanager
def _listening() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM; a second one does what it did before."""
    caught: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {n: signal.getsignal(n) or signal.SIG_DFL for n in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
