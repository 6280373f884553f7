"""What each process does that test_training_team.py starts by torchrun: argv is its folder."""

import atexit
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import torch
import torch.distributed as dist

from swapfill.cli import main
from swapfill.errors import DataError
from swapfill.training.data import Batch
from swapfill.training.loop import Interrupted, Stage, run
from swapfill.training.progress import Progress
from swapfill.training.team import LeaderFailed, Team, gather
from test_training_loop import ToyStage, batches, settings

RANK = int(os.environ.get("RANK", "0"))  # pytest imports this file too, to look for examples


def train_stopped_once(command: list[str]) -> tuple[int, int]:
    """Train; let the second process alone be asked to stop before the third step; go on."""
    schedule = Stage.schedule

    def asked_to_stop(self: Stage) -> None:
        if RANK == 1 and self.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        schedule(self)

    Stage.schedule = asked_to_stop  # type: ignore[method-assign]
    first = main(command)
    Stage.schedule = schedule  # type: ignore[method-assign]
    return first, main(command)


def others(step: int) -> Generator[Batch, None, None]:
    """Give each process pictures of its own."""
    for batch in batches(step):
        yield Batch(batch.truth * (1 + RANK), batch.hole)


def train_toy(team: Team, folder: Path, fault: str = "") -> ToyStage:
    """Train a toy with batch norm and a judge; with a fault, in one of the processes."""
    stage = ToyStage(settings(ema=0.5))
    stage.join(team)

    def told(_: Progress) -> None:
        if fault == "leader":
            raise DataError("the leader's disk is full")

    if fault == "nan" and RANK == 1:
        stage.poison = lambda _, terms: terms.update(gap=torch.tensor(torch.nan))
    run(stage, others, folder, told, team=team)
    return stage


def outcome(team: Team, folder: Path, fault: str) -> str:
    """Name what a fault in one process is in this one."""
    try:
        train_toy(team, folder, fault)
    except (DataError, LeaderFailed, Interrupted) as raised:
        return type(raised).__name__
    return "none"


def tell_what_is_left(path: Path) -> None:
    """Runs last at the exit: what is registered first."""
    path.write_text(str(dist.is_initialized()))


if __name__ == "__main__":
    here = Path(sys.argv[1])
    atexit.register(tell_what_is_left, here / f"left{RANK}")
    codes = train_stopped_once(["train", str(here / "two.toml"), "--run", str(here / "together")])
    team = gather("cpu")
    state = train_toy(team, here / "toy").state_dict()
    faults = {fault: outcome(team, here / fault, fault) for fault in ("leader", "nan")}
    means = team.mean(torch.tensor([1.0 + RANK, 5.0])).tolist()
    claims = team.any(RANK == 1, False)
    found = {"codes": codes, "faults": faults, "means": means, "claims": claims, "state": state}
    torch.save(found, here / f"rank{RANK}.pt")
