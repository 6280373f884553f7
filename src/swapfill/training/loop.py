"""The loop: steps, checkpoints, logs. It knows no network."""

import copy
import json
import math
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from swapfill.errors import BundleError, DataError
from swapfill.files import write_atomically, write_bytes_atomically
from swapfill.training.data import Batch
from swapfill.training.progress import Progress, Tally, check
from swapfill.training.quality import compare
from swapfill.training.settings import OptimSettings
from swapfill.training.team import ALONE, Team
from swapfill.weights import save_from


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

    @property
    def heaviest(self) -> int:
        """A step that takes as much memory as any."""
        return 0

    def adam(self, network: nn.Module, rate: float) -> torch.optim.Adam:
        """Build Adam with the run's momentum."""
        return torch.optim.Adam(network.parameters(), lr=rate, betas=(self.optim.momentum, 0.999))

    def set_judge(self, discriminator: nn.Module) -> None:
        """Add the discriminator that this stage trains against."""
        self.judge = discriminator
        self.judge_optimizer = self.adam(discriminator, self.optim.discriminator_rate)

    def join(self, team: Team) -> None:
        """Let `team` call the networks that learn; all are compiled first if that is asked for."""
        parts = [part for part in vars(self).values() if isinstance(part, nn.Module)]
        for part in parts if self.optim.compile else []:
            part.compile()  # in place: names in weights files stay as they are
        self.network = team.join(self.network, sync_norm=self.optim.sync_norm)
        if self.judge is not None:
            self.judge = team.join(self.judge, sync_norm=self.optim.sync_norm)

    def descend(self, loss: Tensor) -> None:
        """Do one step of the network's optimiser.

        Without normalisation a single batch can throw a network off: at `optim.clip` 0 one did, and
        its last ReLUs never fired again.
        """
        self.optimizer.zero_grad()
        loss.backward()
        if self.optim.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.optim.clip)
        self.optimizer.step()

    def descend_judge(self, loss: Tensor) -> None:
        """Do one step of the discriminator's optimiser."""
        assert self.judge_optimizer is not None
        self.judge_optimizer.zero_grad()
        loss.backward()
        self.judge_optimizer.step()

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
        self._copy_buffers()

    def share_buffers(self, team: Team) -> None:
        """Average what batch norms have gathered: each process has seen pictures of its own.

        Running means of means are means: how often it is done makes no difference.
        """
        if team.size == 1:
            return
        networks = [part for part in (self.network, self.judge) if part is not None]
        team.average([b for part in networks for b in part.buffers() if b.is_floating_point()])
        self._copy_buffers()

    def _copy_buffers(self) -> None:
        if self.average is not None:
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
    batches: Callable[[int], Generator[Batch, None, None]],
    folder: Path,
    on_step: Callable[[Progress], object],
    *,
    team: Team = ALONE,
    due: Callable[[int], bool] = lambda step: True,
) -> None:
    """Train `stage` up to its last step, going on from `folder`/state.pt if that is there.

    Args:
        stage: its networks at their start, joined to `team`.
        batches: gives the batches from a step on, this process's share of each; it is closed
            however the run ends, and what made them with it.
        folder: of the run; the leader writes metrics.jsonl and state.pt into it.
        on_step: told of every step, at the leader; its answer True ends the run there.
        team: the processes that train together.
        due: whether `on_step` must be told of a step before the next one begins. Others it may
            hear of late: on an accelerator the losses of some steps are fetched at once.

    Raises:
        Interrupted: SIGINT or SIGTERM came, to any of the processes; the state is saved.
        DataError: a loss is not a number; the last good state is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    resume(stage, folder)
    if team.leads:
        _trim(folder / "metrics.jsonl", stage.step)
    log = folder / "metrics.jsonl" if team.leads else Path(os.devnull)
    tally, optim = Tally(team), stage.optim
    with _listening() as caught, log.open("a") as metrics, closing(batches(stage.step)) as source:

        def tell(steps: list[Progress]) -> bool:
            check(steps, folder)
            metrics.writelines(json.dumps(vars(progress)) + "\n" for progress in steps)
            return True in [on_step(progress) is True for progress in steps]

        enough = False
        while stage.step < optim.last_step and not enough:
            _step(stage, source, tally, team)
            saving = stage.step % optim.save_every == 0
            soon = saving or due(stage.step) or stage.step == optim.last_step
            if not (soon or tally.full or (caught and team.size == 1)):
                continue
            stage.share_buffers(team)
            enough = team.led(partial(tell, tally.fetch()))
            (stopping,) = team.any(bool(caught))
            if saving or stopping:
                metrics.flush()
                team.led(partial(save, stage, folder))
            if stopping:
                raise Interrupted(f"{folder}: stopped at step {stage.step}, saved")
    team.led(partial(save, stage, folder))


def _step(stage: Stage, source: Iterator[Batch], tally: Tally, team: Team) -> None:
    tally.start()
    asked = time.perf_counter()
    batch = next(source)
    waited = time.perf_counter() - asked
    stage.schedule()
    terms = stage.learn(team.take(batch))
    stage.update_average()
    stage.step += 1
    tally.add(stage.step, terms, waited, stage.optimizer.param_groups[0]["lr"])


def save(stage: Stage, folder: Path) -> None:
    """Write `folder`/state.pt, to go on, and network.safetensors, to use; each atomically.

    Raises:
        DataError: a weight is not a number; the old files are kept.
        OutputError: a file cannot be written; the old one is kept.
    """
    for name, weight in stage.network.state_dict().items():
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
        stage.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
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
