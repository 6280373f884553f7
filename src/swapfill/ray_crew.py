"""A crew on many machines: Ray Data hands out tasks, processes with a model each do them.

The folders are to be seen by all machines under the same paths. Ray does a block of tasks again
when the machine that had it is lost. So that no picture is done twice, a worker leaves a receipt
for each before it puts the result in its place; who comes after it finds both, and passes on.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from itertools import islice
from typing import Any

from swapfill.crews import by_threads
from swapfill.errors import ConfigError
from swapfill.folders import STATE, Folders
from swapfill.journal import Entry
from swapfill.picture_task import How, Outcome, Task
from swapfill.receipts import Receipts

LOCAL = "local"  # the address of a cluster that is made for the run, of this machine alone

_TASKS_IN_BLOCK = 16  # that are handed out together: done again together, too
_MOST_BLOCKS = 10_000
_TASKS_AT_ONCE = 1_000_000  # that Ray is given; their names are in memory


def by_ray(address: str, folders: Folders, how: How, tasks: Iterator[Task]) -> Iterator[Outcome]:
    """Do tasks on a cluster; outcomes come as they are ready.

    Args:
        address: of a cluster, as `ray.init` takes it ("auto" finds one that runs here), or `LOCAL`.
        folders: seen by all machines under the same absolute paths.
        how: how pictures are filled; the model is there on all machines.
        tasks: what to do.

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster.
    """
    ray = join(address)
    here = folders.absolute()
    receipts = Receipts(here.output / STATE)
    try:
        while some := list(islice(tasks, _TASKS_AT_ONCE)):
            for outcome in _on_cluster(ray, here, how, some):
                yield outcome
                receipts.discard(outcome.name)  # it is in the journal now
    finally:
        ray.shutdown()
    receipts.clear()


def join(address: str) -> Any:
    """Import Ray and join a cluster.

    Args:
        address: as `ray.init` takes it, or `LOCAL`.

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    if address == LOCAL:
        _keep_to_this_machine()
    try:
        ray, _ = import_module("ray"), import_module("ray.data")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--ray: the package {error.name} is missing, want: pip install 'swapfill[ray]'"
        ) from error
    logging.getLogger("ray").setLevel(logging.ERROR)  # and of all below it
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    asked: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == LOCAL:
        asked |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(address, **asked)
    except (ConnectionError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"--ray {address}: no such cluster: {said}") from error
    return ray


def _keep_to_this_machine() -> None:
    """Set how a cluster that is made here is to be: Ray reads it from the environment."""
    # At Ray's 15, a busy machine leaves a server nothing.
    os.environ.setdefault("RAY_worker_niceness", "0")
    if "ray" in sys.modules:
        return  # it has read the rest already, half of which would be worse than none
    # Whoever may use Ray's ports may run anything. Told, as on Windows and macOS, that no other
    # machine is to join, it listens on 127.0.0.1, but for a port of each replica.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    if "RAY_AUTH_MODE" not in os.environ:  # a token of this run, in no file
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_urlsafe(32))


def _on_cluster(ray: Any, folders: Folders, how: How, tasks: list[Task]) -> Iterator[Outcome]:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # we have our own
    context.print_on_execution_start = False
    blocks = min(-(-len(tasks) // _TASKS_IN_BLOCK), _MOST_BLOCKS)
    gpus = int(ray.cluster_resources().get("GPU", 0)) if how.options.get("device") != "cpu" else 0
    workers = max(gpus or int(ray.cluster_resources().get("CPU", 1)), 1)
    given = ray.data.from_items([_row(task) for task in tasks], override_num_blocks=blocks)
    rows = given.map_batches(
        _Worker,
        fn_constructor_args=(folders, how),
        batch_size=None,  # a block
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers),
        num_cpus=0 if gpus else 1,
        num_gpus=1 if gpus else 0,
    )
    for row in rows.iter_rows():
        entry = Entry(row["source"], row["result"]) if row["source"] else None
        yield Outcome(os.fsdecode(row["name"]), row["status"], entry, os.fsdecode(row["error"]))


def _row(task: Task) -> dict[str, Any]:
    """Make a task a row; names are bytes, for a file may be called what is no text."""
    source, result = task.known or ("", "")
    return {"name": os.fsencode(task.name), "source": source, "result": result}


class _Worker:
    """Does blocks of tasks, in a process that Ray started."""

    def __init__(self, folders: Folders, how: How) -> None:
        receipts = Receipts(folders.output / STATE)
        self._painter, self._folders = how.load(), folders
        self._how = replace(how, receipts=receipts)

    def __call__(self, block: dict[str, Any]) -> dict[str, list[Any]]:
        tasks = (
            Task(os.fsdecode(bytes(name)), Entry(source, result) if source else None)
            for name, source, result in zip(
                block["name"], block["source"], block["result"], strict=True
            )
        )
        done = list(by_threads(self._painter, self._folders, self._how, tasks))
        entries = [one.entry or Entry("", "") for one in done]
        return {
            "name": [os.fsencode(one.name) for one in done],
            "status": [one.status for one in done],
            "error": [os.fsencode(one.error) for one in done],
            "source": [entry.source for entry in entries],
            "result": [entry.result for entry in entries],
        }
