"""The folder of a run: one process at a time, and what it was started with.

settings.json      the resolved settings            environment.json   each start of the run
metrics.jsonl      a line a step                    validation.jsonl   a line a look
state.pt           to go on                         network.safetensors, best.safetensors   to use
samples/STEP.png   the same pictures each time      finished.json      once it is done
"""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import torch

from swapfill.errors import ConfigError, OutputError
from swapfill.files import write_bytes_atomically
from swapfill.training.settings import TrainSettings

_PACKAGES = ("swapfill", "torch", "numpy", "pillow")
# What may change when a run goes on: how long it is, and what is only looked at or kept.
_FREE = (
    *("optim.steps", "optim.until", "optim.save_every", "optim.device", "optim.compile"),
    *("data.cache", "data.keep", "data.workers", "data.validation"),
)
_FREE_TABLES = ("validation.",)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder`, made if it is not there, for this process alone.

    The system lets go of the lock when its process ends, however it ends: none is ever stale.

    Raises:
        OutputError: the folder cannot be made, or another process trains in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "run.lock").open("a+b")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}, want a folder") from None
    with file:
        try:
            _lock(file)
        except OSError:
            file.seek(0)
            holder = file.read().decode(errors="replace").strip() or "unknown"
            raise OutputError(
                f"{folder}: another run is in it (process {holder}); want a folder of its own"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()} on {platform.node()}\n".encode())
        file.flush()
        yield
        file.truncate(0)


def _lock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 20)  # a byte beyond the text, or nobody else could read who holds it
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_settings(folder: Path, settings: TrainSettings) -> None:
    """Write settings.json; where a run is under way, its settings must be the same.

    Raises:
        ConfigError: they differ in more than how long to train or when to look; the first
            difference is named.
    """
    path = folder / "settings.json"
    if (folder / "state.pt").exists() and path.exists():
        _check_same(path, settings)
    write_bytes_atomically(path, settings.model_dump_json(indent=2).encode())


def _check_same(path: Path, settings: TrainSettings) -> None:
    try:
        before = TrainSettings.read(json.loads(path.read_text()), str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}, want a run's settings") from None
    old, new = _flat(before.model_dump(mode="json")), _flat(settings.model_dump(mode="json"))
    for name in sorted(old.keys() | new.keys()):
        free = name in _FREE or name.startswith(_FREE_TABLES)
        if not free and old.get(name) != new.get(name):
            raise ConfigError(
                f"{path}: {name} is {old.get(name)} in the run that is there and "
                f"{new.get(name)} now; want the same, or another run folder"
            )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def write_environment(folder: Path, device: torch.device, step: int, processes: int = 1) -> None:
    """Add this start of the run to environment.json: a list, so that each start is kept."""
    path = folder / "environment.json"
    try:
        starts = json.loads(path.read_text())
    except (OSError, ValueError):
        starts = []
    starts.append(
        {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "from_step": step,
            "command": shlex.join(sys.argv),
            "folder": str(Path.cwd()),
            "git": _git(),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in _PACKAGES},
            "system": platform.platform(),
            "device": str(device),
            "processes": processes,
            "threads": torch.get_num_threads(),
        }
    )
    write_bytes_atomically(path, json.dumps(starts, indent=2).encode())


def _git() -> dict[str, Any] | None:
    """Tell the commit of this package's checkout, and whether files differ from it."""
    here = str(Path(__file__).parent)

    def ask(*words: str) -> str:
        command = ["git", "-C", here, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip()

    try:
        ask("ls-files", "--error-unmatch", __file__)  # else it is someone else's checkout
        dirty = ask("status", "--porcelain", "--untracked-files=no")
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(dirty)}
    except (OSError, subprocess.SubprocessError):
        return None


def write_finished(folder: Path, step: int, *, early: bool) -> None:
    """Note that the run is done, and whether its looks ended it early."""
    content = json.dumps({"step": step, "early": early})
    write_bytes_atomically(folder / "finished.json", content.encode())


def finished(folder: Path, settings: TrainSettings) -> bool:
    """Tell whether the run has done all that its settings ask for."""
    try:
        found = json.loads((folder / "finished.json").read_text())
        return bool(found["early"] or found["step"] >= settings.optim.last_step)
    except (OSError, ValueError, KeyError, TypeError):
        return False
