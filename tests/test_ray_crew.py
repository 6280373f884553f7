"""`swapfill inpaint --ray` on a cluster of two workers, one of which is killed."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from folder_files import draw_folders
from swapfill.crews import by_threads
from swapfill.errors import ConfigError
from swapfill.folder_run import fill_folder
from swapfill.folders import Folders
from swapfill.picture_task import How, Outcome, Task
from swapfill.ray_crew import by_ray

# Ray's own warnings (of sockets, of what pandas will drop) are not this project's.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
COUNT = 64


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster of a head that does no work and two workers, all on this machine."""
    pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # At Ray's 15 a busy machine leaves them nothing.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (Ray spells it so)
    cluster: Any = import_module("ray.cluster_utils").Cluster

    memory: dict[str, Any] = {"object_store_memory": 80 * 2**20}
    made = cluster(initialize_head=True, head_node_args={"num_cpus": 0, **memory})
    yield made, [made.add_node(num_cpus=1, **memory) for _ in range(2)]
    made.shutdown()


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    """Tell of each result which file it is, and when it was written."""
    found = (path for kind in ("jpg", "png") for path in folder.rglob(f"[!.]*.{kind}"))
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def test_a_worker_that_is_killed_loses_nothing_and_nothing_is_done_twice(
    cluster: Any, tiny_bundle: Path, tmp_path: Path
) -> None:
    made, workers = cluster
    photos, masks, out = draw_folders(tmp_path, count=COUNT)
    how = How(str(tiny_bundle), {"device": "cpu", "precision": "fp32"})
    folders, alone = Folders(photos, masks, out), Folders(photos, masks, tmp_path / "alone")
    before: dict[Path, tuple[int, int]] = {}
    told: list[Outcome] = []

    def kill_one() -> None:
        # Two workers have 16 pictures each: with 18 done and not yet told, both are in the middle.
        while len(list((out / ".swapfill").rglob("*.json"))) < 18:
            time.sleep(0.005)
        before.update(stamps(out))
        made.remove_node(workers[0], allow_graceful=False)

    def crew(tasks: Iterator[Task]) -> Iterator[Outcome]:
        threading.Thread(target=kill_one, daemon=True).start()
        for outcome in by_ray(made.address, folders, how, tasks):
            told.append(outcome)
            yield outcome

    summary = fill_folder(folders, how, crew)
    assert (summary.done, summary.skipped, summary.failed) == (COUNT, 0, 0)
    assert len({one.name for one in told}) == len(told) == COUNT
    after = stamps(out)
    assert 16 < len(before) < COUNT  # it was half-way
    assert {path: after[path] for path in before} == before
    assert not (out / ".swapfill" / "receipts").exists()

    fill_folder(alone, how, lambda tasks: by_threads(how.load(), alone, how, tasks))
    assert len(after) == COUNT
    for path in after:
        name = path.relative_to(out)
        assert path.read_bytes() == (alone.output / name).read_bytes()

    again = fill_folder(folders, how, lambda tasks: by_ray(made.address, folders, how, tasks))
    assert (again.done, again.skipped) == (0, COUNT)


def test_without_ray_it_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"package ray is missing, want: pip install") as refused:
        next(by_ray("local", Folders(tmp_path, None, tmp_path / "out"), How(), iter(())))
    assert "\n" not in str(refused.value)
