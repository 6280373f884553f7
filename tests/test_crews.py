import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from folder_files import ON_CPU, draw_folders, draw_mask, draw_photo, grey_fill, grey_painter
from swapfill import crews
from swapfill.config import FillSettings
from swapfill.crews import by_processes, by_threads
from swapfill.folders import Folders
from swapfill.images import Photograph
from swapfill.inpainter import Inpainter
from swapfill.picture_task import How, Outcome, PictureWorker, Task


def tasks(folders: Folders) -> Iterator[Task]:
    return (Task(name) for name in folders.names(lambda name, error: None))


def written(folder: Path) -> dict[str, bytes]:
    # A process that is killed leaves what it was writing, under a hidden name.
    files = (path for path in folder.rglob("[!.]*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_threads_write_the_bytes_of_one_after_the_other(tiny_bundle: Path, tmp_path: Path) -> None:
    photos, masks, out = draw_folders(tmp_path, count=7)
    painter = Inpainter.load(tiny_bundle, device="cpu", precision="fp32")
    folders, alone = Folders(photos, masks, out), Folders(photos, masks, tmp_path / "alone")
    outcomes = list(by_threads(painter, folders, How(), tasks(folders)))
    assert [one.status for one in outcomes] == ["done"] * 7
    each = [PictureWorker(painter, alone, How())(task) for task in tasks(alone)]
    assert sorted(outcomes) == sorted(each)
    assert written(out) == written(alone.output)


def test_reading_filling_and_writing_of_pictures_overlap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, masks, out = draw_folders(tmp_path)
    second_is_read, second_is_filled = threading.Event(), threading.Event()
    read, filled = itertools.count(1), itertools.count(1)
    digest, write = PictureWorker._digest, Photograph.write

    def reading(self: PictureWorker, *asked: Any) -> str:
        if next(read) == 2:
            second_is_read.set()
        return digest(self, *asked)

    def filling(*asked: Any) -> Any:
        if next(filled) == 2:
            second_is_filled.set()
        assert second_is_read.wait(timeout=20)  # while the first is filled
        return grey_fill(*asked)

    def writing(self: Photograph, *asked: Any, **named: Any) -> None:
        assert second_is_filled.wait(timeout=20)  # while the first is written
        write(self, *asked, **named)

    monkeypatch.setattr(PictureWorker, "_digest", reading)
    monkeypatch.setattr(Photograph, "write", writing)
    folders = Folders(photos, masks, out)
    painter = Inpainter(ON_CPU, FillSettings(), fill_windows=filling)
    outcomes = list(by_threads(painter, folders, How(), tasks(folders)))
    assert [one.status for one in outcomes] == ["done"] * 6


def test_tasks_are_drawn_only_as_there_is_room_for_them(tmp_path: Path) -> None:
    draw_photo(tmp_path / "photos/a.png")
    draw_mask(tmp_path / "mask.png")
    folders = Folders(tmp_path / "photos", tmp_path / "mask.png", tmp_path / "out")
    drawn = 0

    def endless() -> Iterator[Task]:
        nonlocal drawn
        while True:
            drawn += 1
            yield Task("a.png")

    outcomes = by_threads(grey_painter(), folders, How(), endless())
    for _ in range(5):
        assert next(outcomes).status == "done"
    assert drawn <= 5 + 8
    outcomes.close()  # type: ignore[attr-defined]


def test_a_crew_that_is_stopped_ends_what_it_has_begun_and_begins_no_more(tmp_path: Path) -> None:
    photos, masks, out = draw_folders(tmp_path, count=40)
    folders = Folders(photos, masks, out)
    outcomes = by_threads(grey_painter(), folders, How(), tasks(folders))
    next(outcomes)
    before = threading.active_count()
    outcomes.close()  # type: ignore[attr-defined]
    assert threading.active_count() < before
    assert 0 < len(written(out)) < 40


@pytest.mark.slow
def test_processes_write_the_bytes_of_threads(tiny_bundle: Path, tmp_path: Path) -> None:
    photos, masks, out = draw_folders(tmp_path)
    how = How(str(tiny_bundle), {"device": "cpu", "precision": "fp32"})
    folders, alone = Folders(photos, masks, out), Folders(photos, masks, tmp_path / "alone")
    outcomes = list(by_processes(2, folders, how, tasks(folders)))
    each = list(by_threads(how.load(), alone, how, tasks(alone)))
    assert sorted(outcomes) == sorted(each)
    assert written(out) == written(alone.output)


def start_grey(folders: Folders, how: How, threads: int) -> None:
    """Make a process ready without weights."""
    crews._worker = PictureWorker(grey_painter(), folders, how)


def work_or_die(task: Task) -> Outcome:
    """Do a task; the first time that it is done, "once.png" kills its process, and "fatal" ever."""
    died = Path(os.environ["DIED"])
    if "fatal" in task.name or ("once" in task.name and not died.exists()):
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    assert crews._worker is not None
    return crews._worker(task)


def test_a_process_that_is_killed_is_replaced_and_nothing_is_lost_or_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "_start", start_grey)
    monkeypatch.setattr(crews, "_work", work_or_die)
    monkeypatch.setenv("DIED", str(tmp_path / "died"))
    photos, masks, out = draw_folders(tmp_path, count=12)
    for name in ("a/once.png", "b/fatal.png"):
        draw_photo(photos / name)
        draw_mask(masks / name)
    folders = Folders(photos, masks, out)
    found = list(by_processes(2, folders, How(), tasks(folders)))
    assert sorted(one.name for one in found) == sorted(task.name for task in tasks(folders))
    failed = [one for one in found if one.status != "done"]
    assert [(one.name, one.status) for one in failed] == [("b/fatal.png", "failed")]
    assert "its process died twice" in failed[0].error
    alone = Folders(photos, masks, tmp_path / "alone")
    list(by_threads(grey_painter(), alone, How(), tasks(alone)))
    assert written(out) == {
        name: content for name, content in written(alone.output).items() if "fatal" not in name
    }


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """A pool's own processes would wait for ever on a pipe that they hold open themselves."""
    code = (
        "import multiprocessing, os, sys, time, swapfill.crews as crews\n"
        "def main():\n"
        "    spawn = multiprocessing.get_context('spawn')\n"
        "    child = spawn.Process(target=wait); child.start()\n"
        "    print(child.pid, flush=True); time.sleep(60)\n"
        "def wait():\n"
        "    crews.threading.Thread(target=crews._end_with_parent, daemon=True).start()\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__': main()\n"
    )
    (tmp_path / "parent.py").write_text(code)
    with subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists()
