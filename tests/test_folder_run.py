import json
import os
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from drawn_pictures import Drawn, pictures, samples_of, tree_of
from folder_files import draw_folders, draw_mask, draw_photo, grey_painter
from swapfill.crews import by_threads
from swapfill.errors import ImageError, OutputError
from swapfill.folder_run import Crew, Summary, fill_folder
from swapfill.folders import Folders
from swapfill.picture_task import How, Outcome, Task


def grey_crew(folders: Folders, how: How | None = None, **settings: Any) -> Crew:
    return lambda tasks: by_threads(grey_painter(**settings), folders, how or How(), tasks)


def counts(summary: Summary) -> tuple[int, int, int]:
    return summary.done, summary.skipped, summary.failed


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def test_the_results_have_the_tree_names_and_formats_of_the_pictures(tmp_path: Path) -> None:
    photos, masks, out = draw_folders(tmp_path)
    draw_photo(photos / "a/0.png", seed=9)  # beside 0.jpg
    folders = Folders(photos, masks, out)
    assert counts(fill_folder(folders, How(), grey_crew(folders))) == (7, 0, 0)
    found = {p.relative_to(out) for p in out.rglob("*.*") if ".swapfill" not in p.parts}
    assert found == {p.relative_to(photos) for p in photos.rglob("*.*")} | {Path("report.json")}
    for path in photos.rglob("*.*"):
        assert (out / path.relative_to(photos)).read_bytes()[:4] == path.read_bytes()[:4]
    assert (out / "a/0.png").read_bytes()[-99:] != (out / "a/0.jpg").read_bytes()[-99:]


@settings(deadline=None, max_examples=30)
@given(pictures())
def test_a_folder_of_any_pictures_keeps_its_tree_its_modes_and_all_that_is_known(
    drawn: list[Drawn],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folders = Folders(*(Path(name) / part for part in ("photos", "masks", "out")))
        assert folders.masks is not None
        for picture in drawn:
            picture.draw(folders.photos, folders.masks)
        assert counts(fill_folder(folders, How(), grey_crew(folders))) == (len(drawn), 0, 0)
        assert tree_of(folders.output) == {picture.name for picture in drawn}
        for picture in drawn:
            before, after = folders.photos / picture.name, folders.output / picture.name
            (mode, old), (made, new) = samples_of(before), samples_of(after)
            assert (made, new.shape, new.dtype) == (mode, old.shape, old.dtype)
            np.testing.assert_array_equal(new[~picture.hole], old[~picture.hole])
            assert picture.kind != "none" or after.read_bytes() == before.read_bytes()


def test_a_second_run_does_only_what_is_new_or_changed(tmp_path: Path) -> None:
    photos, masks, out = draw_folders(tmp_path)
    folders = Folders(photos, masks, out)
    fill_folder(folders, How(), grey_crew(folders))
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.jpg")}
    assert counts(fill_folder(folders, How(), grey_crew(folders))) == (0, 6, 0)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.jpg")} == before
    draw_photo(photos / "a/0.jpg", seed=50)
    draw_photo(photos / "c/new.png")
    draw_mask(masks / "c/new.png")
    assert counts(fill_folder(folders, How(), grey_crew(folders))) == (2, 5, 0)
    how = How(force=True)
    assert counts(fill_folder(folders, how, grey_crew(folders, how))) == (7, 0, 0)


def test_failures_are_collected_and_tried_again(tmp_path: Path) -> None:
    photos, masks, out = draw_folders(tmp_path)
    (photos / "a/0.jpg").write_text("no picture")
    (masks / "b/1.png").unlink()
    folders = Folders(photos, masks, out)
    assert counts(fill_folder(folders, How(), grey_crew(folders))) == (4, 0, 2)
    found = report(out)
    assert [one["photo"] for one in found["failures"]] == ["a/0.jpg", "b/1.png"]
    assert "is not a picture" in found["failures"][0]["error"]
    assert (found["done"], found["failed"], found["model"]) == (4, 2, "default")
    draw_photo(photos / "a/0.jpg")
    draw_mask(masks / "b/1.png")
    assert counts(fill_folder(folders, How(), grey_crew(folders))) == (2, 4, 0)
    assert report(out)["failures"] == []


def test_a_folder_that_cannot_be_read_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, masks, out = draw_folders(tmp_path)
    scan = os.scandir

    def locked(path: Path) -> Any:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("swapfill.folders.os.scandir", locked)
    folders = Folders(photos, masks, out)
    assert counts(fill_folder(folders, How(), grey_crew(folders))) == (3, 0, 1)
    (failure,) = report(out)["failures"]
    assert failure["photo"] == "a/"
    assert failure["error"].endswith("photos/a: cannot be read: Permission denied")


def test_progress_counts_pictures_up_to_all_of_them(tmp_path: Path) -> None:
    photos, masks, out = draw_folders(tmp_path, count=30)
    folders, told = Folders(photos, masks, out), list[tuple[int, int | None]]()
    fill_folder(folders, How(), grey_crew(folders), on_progress=lambda *both: told.append(both))
    assert [done for done, _ in told] == list(range(1, 31))
    assert told[-1] == (30, 30)
    assert {total for _, total in told} <= {None, 30}


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/notes.txt").touch()
    folders = Folders(tmp_path / "photos", None, tmp_path / "out")
    with pytest.raises(ImageError, match=r"photos: holds no picture, want files that end in .png"):
        fill_folder(folders, How(), grey_crew(folders))


def test_a_folder_is_refused_to_a_second_run_at_the_same_time(tmp_path: Path) -> None:
    photos, masks, out = draw_folders(tmp_path, count=1)
    folders = Folders(photos, masks, out)

    def nested(tasks: Iterator[Task]) -> Iterator[Outcome]:
        fill_folder(folders, How(), grey_crew(folders))
        yield from ()

    with pytest.raises(OutputError, match="another run"):
        fill_folder(folders, How(), nested)


def test_a_hundred_thousand_pictures_need_no_more_memory_than_a_thousand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def skips(tasks: Iterator[Task]) -> Iterator[Outcome]:
        for task in tasks:
            yield Outcome(task.name, "skipped")

    peaks = []
    for count in (1_000, 100_000):
        monkeypatch.setattr(
            Folders, "names", lambda *_, n=count: (f"folder/{i}.jpg" for i in range(n))
        )
        (tmp_path / str(count)).mkdir()
        folders = Folders(tmp_path, None, tmp_path / str(count))
        tracemalloc.start()
        assert fill_folder(folders, How(), skips).skipped == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 100_000


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from folder_files import grey_painter
from swapfill.crews import by_threads
from swapfill.folder_run import fill_folder
from swapfill.folders import Folders
from swapfill.picture_task import How
folders = Folders(*(Path(each) for each in {folders!r}))
def stop(done, of_all):
    if done == 5:
        os.kill(os.getpid(), signal.SIGKILL)
fill_folder(folders, How(), lambda t: by_threads(grey_painter(), folders, How(), t),
            on_progress=stop)
"""


def test_a_run_that_is_killed_goes_on_and_does_nothing_twice(tmp_path: Path) -> None:
    photos, masks, out = draw_folders(tmp_path, count=20)
    where = [str(path) for path in (photos, masks, out)]
    code = KILLED.format(tests=str(Path(__file__).parent), folders=where)
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    folders, alone = Folders(photos, masks, out), Folders(photos, masks, tmp_path / "alone")
    done, skipped, failed = counts(fill_folder(folders, How(), grey_crew(folders)))
    assert (done + skipped, failed) == (20, 0)
    assert skipped == 5  # all that was told before the kill
    fill_folder(alone, How(), grey_crew(alone))
    for path in photos.rglob("*.*"):
        name = path.relative_to(photos)
        assert (out / name).read_bytes() == (alone.output / name).read_bytes()
