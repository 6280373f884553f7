import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from drawn_pictures import Drawn, pictures, samples_of, tree_of
from folder_files import draw_mask, draw_photo
from swapfill.crews import by_processes
from swapfill.errors import ConfigError, ImageError
from swapfill.folder_run import Summary, fill_folder
from swapfill.folders import Folders
from swapfill.images import Photograph
from swapfill.picture_task import Task
from swapfill.style import Stylist
from swapfill.style_folder import StyleHow, StyleWorker


@pytest.fixture(scope="module")
def stylist(tiny_bundle: Path) -> Stylist:
    return Stylist.load(tiny_bundle)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    draw_photo(tmp_path / "contents/one.png")
    draw_photo(tmp_path / "contents/deep/two.jpg", seed=1)
    (tmp_path / "contents/notes.txt").write_text("left alone")
    draw_photo(tmp_path / "style.png", seed=2)
    return Folders(tmp_path / "contents", None, tmp_path / "out")


def _how(folders: Folders, bundle: Path, **more: Any) -> StyleHow:
    return StyleHow(str(bundle), styles=(folders.output.parent / "style.png",), **more)


def _run(stylist: Stylist, folders: Folders, how: StyleHow) -> tuple[int, int, int]:
    worker = StyleWorker(stylist, folders, how)
    summary: Summary = fill_folder(folders, how, lambda tasks: map(worker, tasks))
    return summary.done, summary.skipped, summary.failed


def test_a_folder_gives_the_same_tree_each_as_the_picture_alone(
    stylist: Stylist, folders: Folders, tiny_bundle: Path, tmp_path: Path
) -> None:
    assert _run(stylist, folders, _how(folders, tiny_bundle)) == (2, 0, 0)
    made = {p.relative_to(folders.output) for p in folders.output.rglob("*.*")}
    assert {p for p in made if p.parts[0] != ".swapfill"} == {
        Path("one.png"),
        Path("deep/two.jpg"),
        Path("report.json"),
    }
    for name in ("one.png", "deep/two.jpg"):
        alone = tmp_path / f"alone{Path(name).suffix}"
        stylist.stylize_file(folders.photos / name, [tmp_path / "style.png"], alone)
        assert (folders.output / name).read_bytes() == alone.read_bytes()
        assert (folders.output / name).read_bytes() != (folders.photos / name).read_bytes()


class Negative(Stylist):
    """Stands in for the networks: turns brightness over."""

    def __init__(self) -> None:
        super().__init__(cast(Any, SimpleNamespace(name="torch", device="cpu")))

    def _transfer(self, content: Any, *asked: Any) -> Any:
        return 1 - content


@settings(deadline=None, max_examples=30)
@given(pictures())
def test_a_folder_of_any_pictures_keeps_its_tree_its_modes_and_all_outside_the_masks(
    drawn: list[Drawn],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folders = Folders(*(Path(name) / part for part in ("contents", "masks", "out")))
        assert folders.masks is not None
        for picture in drawn:
            picture.draw(folders.photos, folders.masks)
        how = StyleHow(styles=(draw_photo(Path(name) / "style.png"),))
        assert _run(Negative(), folders, how) == (len(drawn), 0, 0)
        assert tree_of(folders.output) == {picture.name for picture in drawn}
        for picture in drawn:
            (mode, old), (made, new) = (
                samples_of(folder / picture.name) for folder in (folders.photos, folders.output)
            )
            assert (made, new.shape, new.dtype) == (mode, old.shape, old.dtype)
            np.testing.assert_array_equal(new[~picture.hole], old[~picture.hole])
            if mode in ("RGB", "L") and picture.hole.any():
                np.testing.assert_array_equal(new[picture.hole], 255 - old[picture.hole])


@pytest.mark.slow
def test_processes_write_the_bytes_of_this_thread(
    stylist: Stylist, folders: Folders, tiny_bundle: Path, tmp_path: Path
) -> None:
    how = _how(folders, tiny_bundle, options={"device": "cpu"})
    _run(stylist, folders, how)
    others = Folders(folders.photos, None, tmp_path / "by-processes")
    summary = fill_folder(others, how, lambda tasks: by_processes(2, others, how, tasks))
    assert (summary.done, summary.failed) == (2, 0)
    for name in ("one.png", "deep/two.jpg"):
        assert (others.output / name).read_bytes() == (folders.output / name).read_bytes()


def test_failures_are_reported_and_tried_again(
    stylist: Stylist, folders: Folders, tiny_bundle: Path
) -> None:
    (folders.photos / "deep/bad.png").write_text("no picture")
    how = _how(folders, tiny_bundle, weights=(2.0,))
    assert _run(stylist, folders, how) == (2, 0, 1)
    report = json.loads((folders.output / "report.json").read_text())
    assert (report["done"], report["skipped"], report["failed"]) == (2, 0, 1)
    assert report["styles"] == [str(how.styles[0])]
    assert report["weights"] == [2.0]
    (failure,) = report["failures"]
    assert failure["photo"] == "deep/bad.png"
    assert "is not a picture" in failure["error"]
    draw_photo(folders.photos / "deep/bad.png", seed=5)
    assert _run(stylist, folders, how) == (1, 2, 0)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("nothing", 0),
        ("content", 1),
        ("result", 1),
        ("style", 2),
        ("weights", 2),
        ("settings", 2),
        ("force", 2),
    ],
)
def test_what_is_done_is_skipped_by_content(
    stylist: Stylist, folders: Folders, tiny_bundle: Path, change: str, again: int
) -> None:
    how = _how(folders, tiny_bundle)
    _run(stylist, folders, how)
    if change == "content":
        draw_photo(folders.photos / "one.png", seed=7)
    elif change == "result":
        (folders.output / "one.png").write_bytes(b"another")
    elif change == "style":
        draw_photo(how.styles[0], seed=8)
    elif change == "weights":
        how = _how(folders, tiny_bundle, weights=(2.0,))
    elif change == "settings":
        stylist = Stylist(stylist.engine, stylist.settings.model_copy(update={"strength": 0.5}))
    elif change == "force":
        how = _how(folders, tiny_bundle, force=True)
    assert _run(stylist, folders, how) == (again, 2 - again, 0)
    assert Photograph.open(folders.output / "one.png").size == (20, 24)


def test_masks_say_where_to_work(
    stylist: Stylist, folders: Folders, tiny_bundle: Path, tmp_path: Path
) -> None:
    mask = draw_mask(tmp_path / "mask.png")
    folders = Folders(folders.photos, mask, folders.output)
    assert _run(stylist, folders, _how(folders, tiny_bundle)) == (2, 0, 0)
    where = np.asarray(Image.open(mask)) > 127
    before, after = (
        np.asarray(Image.open(p / "one.png")) for p in (folders.photos, folders.output)
    )
    assert np.array_equal(before[~where], after[~where])
    assert not np.array_equal(before[where], after[where])


def test_a_style_that_cannot_be_used_is_told_before_anything_is_written(
    stylist: Stylist, folders: Folders, tiny_bundle: Path, tmp_path: Path
) -> None:
    how = _how(folders, tiny_bundle, weights=(1.0, 2.0))
    with pytest.raises(ConfigError, match="weights"):
        StyleWorker(stylist, folders, how)
    draw_photo(tmp_path / "style.png", size=(10, 10))
    with pytest.raises(ImageError, match="10 x 10"):
        StyleWorker(stylist, folders, _how(folders, tiny_bundle))
    (tmp_path / "style.png").unlink()
    with pytest.raises(ImageError, match=r"style\.png: there is no such file"):
        StyleWorker(stylist, folders, _how(folders, tiny_bundle))
    assert not folders.output.exists()


def test_a_picture_that_is_not_there_any_more_is_one_line(
    stylist: Stylist, folders: Folders, tiny_bundle: Path
) -> None:
    outcome = StyleWorker(stylist, folders, _how(folders, tiny_bundle))(Task("gone.png"))
    assert outcome.status == "failed"
    assert "gone.png: cannot be read" in outcome.error
