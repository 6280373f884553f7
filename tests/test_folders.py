import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swapfill.errors import ImageError, MaskError, OutputError, SwapfillError
from swapfill.folders import Folders


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(of: Folders) -> list[str]:
    def fail(name: str, error: OSError) -> None:
        raise AssertionError(name)

    return sorted(of.names(fail))


def test_pictures_of_the_whole_tree_are_named_and_nothing_else(tmp_path: Path) -> None:
    found = ["a.jpg", "b/c.PNG", "b/d/e.tiff", "b/d/f.webp"]
    others = ["notes.txt", ".hidden.png", ".git/g.png", "b/none"]
    touch(*(tmp_path / name for name in [*found, *others]))
    (tmp_path / "folder.png").mkdir()
    assert names(Folders(tmp_path, None, tmp_path / "out")) == found


def test_results_and_masks_among_the_pictures_are_no_pictures(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "out/a.jpg", tmp_path / "masks/a.png")
    assert names(Folders(tmp_path, tmp_path / "masks", tmp_path / "out")) == ["a.jpg"]


def test_masks_beside_their_pictures_are_no_pictures(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "a_mask.png", tmp_path / "b/c.png", tmp_path / "b/c.jpg")
    beside = Folders(tmp_path, tmp_path, tmp_path / "out")
    assert names(beside) == ["a.jpg", "b/c.jpg", "b/c.png"]
    assert beside.mask_of("a.jpg") == tmp_path / "a_mask.png"
    with pytest.raises(MaskError, match="has no mask"):
        beside.mask_of("b/c.jpg")  # not b/c.png, which is a picture


def test_a_linked_folder_is_not_walked_and_a_linked_picture_is_one(tmp_path: Path) -> None:
    touch(tmp_path / "photos/a/b.jpg", tmp_path / "elsewhere/c.jpg")
    (tmp_path / "photos/a/round").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/linked.jpg").symlink_to(tmp_path / "elsewhere/c.jpg")
    found = names(Folders(tmp_path / "photos", None, tmp_path / "out"))
    assert found == ["a/b.jpg", "linked.jpg"]


def test_the_first_picture_of_a_million_is_named_before_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0

    def entries() -> Iterator[Any]:
        nonlocal looked
        for i in range(10**6):
            looked += 1
            yield SimpleNamespace(
                name=f"{i}.jpg", is_dir=lambda **_: False, is_file=lambda **_: True
            )

    monkeypatch.setattr("swapfill.folders.os.scandir", lambda path: nullcontext(entries()))
    found = Folders(tmp_path, None, tmp_path / "out").names(lambda name, error: None)
    assert [next(found), next(found)] == ["0.jpg", "1.jpg"]
    assert looked == 2


@pytest.mark.parametrize(
    ("masks", "taken"),
    [
        (["a/b.jpg.png", "a/b.jpg", "a/b.png", "a/b_mask.png"], "a/b.jpg.png"),
        (["a/b.jpg_mask.png", "a/b_mask.png", "a/b.png"], "a/b.jpg_mask.png"),
        (["a/b_mask.png", "a/b.png", "a/b.jpg"], "a/b_mask.png"),
        (["a/b.jpg", "a/b.png"], "a/b.jpg"),
        (["a/b.png", "a/b.tif"], "a/b.png"),
        (["a/b.gif", "b.png"], "a/b.gif"),
    ],
)
def test_a_mask_is_found_by_path_and_stem(tmp_path: Path, masks: list[str], taken: str) -> None:
    touch(*(tmp_path / "masks" / name for name in masks))
    of = Folders(tmp_path / "photos", tmp_path / "masks", tmp_path / "out")
    assert of.mask_of("a/b.jpg") == tmp_path / "masks" / taken


def test_pictures_of_one_stem_have_masks_of_their_own(tmp_path: Path) -> None:
    touch(*(tmp_path / "masks" / name for name in ("b.jpg.png", "b.png.png", "c.jpg", "c.png")))
    of = Folders(tmp_path / "photos", tmp_path / "masks", tmp_path / "out")
    found = [of.mask_of(name) for name in ("b.jpg", "b.png", "c.jpg", "c.png")]
    assert [path.name for path in found if path] == ["b.jpg.png", "b.png.png", "c.jpg", "c.png"]


def test_one_mask_or_none_serves_all(tmp_path: Path) -> None:
    touch(tmp_path / "mask.png")
    assert Folders(tmp_path, tmp_path / "mask.png", tmp_path).mask_of("a/b.jpg") == (
        tmp_path / "mask.png"
    )
    assert Folders(tmp_path, None, tmp_path).mask_of("a/b.jpg") is None


def test_a_picture_without_a_mask_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    with pytest.raises(MaskError, match=r"a/b.jpg: has no mask in .*masks, want .*a/b_mask.png"):
        Folders(tmp_path, tmp_path / "masks", tmp_path / "out").mask_of("a/b.jpg")


def test_a_folder_that_cannot_be_read_is_told_and_the_others_are_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a/b.jpg", tmp_path / "c/d.jpg")
    scan = os.scandir

    def locked(path: Path) -> Any:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("swapfill.folders.os.scandir", locked)
    told: list[tuple[str, str | None]] = []
    of = Folders(tmp_path, None, tmp_path / "out")
    assert list(of.names(lambda name, error: told.append((name, error.strerror)))) == ["c/d.jpg"]
    assert told == [("a/", "Permission denied")]


@pytest.mark.parametrize(
    ("photos", "masks", "output", "kind", "words"),
    [
        ("none", None, "out", ImageError, "none: is no folder"),
        ("file.png", None, "out", ImageError, "file.png: is no folder"),
        ("photos", "none", "out", MaskError, "none: there is no such file or folder"),
        ("photos", None, "file.png", OutputError, "file.png: is a file"),
        ("photos", None, "photos", OutputError, "photos: is the input itself"),
        ("photos", "masks", "masks", OutputError, "masks: is the input itself"),
        ("photos", None, "none/out", OutputError, "there is no folder"),
    ],
)
def test_folders_that_do_not_fit_are_refused_in_one_line(
    tmp_path: Path,
    photos: str,
    masks: str | None,
    output: str,
    kind: type[SwapfillError],
    words: str,
) -> None:
    touch(tmp_path / "file.png", tmp_path / "photos/a.png", tmp_path / "masks/a.png")
    of = Folders(tmp_path / photos, tmp_path / masks if masks else None, tmp_path / output)
    with pytest.raises(kind, match=words) as refused:
        of.check()
    assert "\n" not in str(refused.value)
    Folders(tmp_path / "photos", tmp_path / "masks", tmp_path / "new").check()
