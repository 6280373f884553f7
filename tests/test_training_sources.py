"""Folders, lists, patterns; and data sets as they unpack."""

import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photo_files import Pixels, as_folder, as_tar, encoded, noise, png, tar_of
from swapfill.errors import DataError
from swapfill.training import sources
from swapfill.training.photo_store import PhotoStore, open_store
from swapfill.training.sources import pictures_of, places_of


def holds(store: PhotoStore, *wanted: Pixels) -> bool:
    return len(store) == len(wanted) and all(
        np.array_equal(store[i], pixels) for i, pixels in enumerate(wanted)
    )


def test_a_list_names_pictures_in_its_order_from_its_own_folder(tmp_path: Path) -> None:
    as_folder({"b.png": png(1), "deep/a.png": png(2), "c.png": png(3)}, tmp_path)
    (tmp_path / "list.txt").write_text(f"# mine\nb.png\n\n{tmp_path}/deep/a.png\n")
    assert holds(open_store([tmp_path / "list.txt"], tmp_path / "cache"), noise(1), noise(2))


def test_a_list_that_grows_or_whose_picture_changes_is_read_anew(tmp_path: Path) -> None:
    as_folder({"a.png": png(1)}, tmp_path)
    (tmp_path / "list.txt").write_text("a.png\n")
    open_store([tmp_path / "list.txt"], tmp_path / "cache")
    as_folder({"a.png": png(2)}, tmp_path)
    (tmp_path / "list.txt").write_text("a.png\na.png\n")
    assert holds(open_store([tmp_path / "list.txt"], tmp_path / "cache"), noise(2), noise(2))


def refused(source: str | Path, words: str, cache: Path) -> None:
    with pytest.raises(DataError, match=words) as caught:
        open_store([source], cache)
    assert "\n" not in str(caught.value)
    assert [p for p in cache.glob("*") if p.is_file() and p.suffix != ".lock"] == []


def test_a_list_with_a_picture_that_is_not_there_is_refused_by_both_names(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("gone.png\n")
    words = r"list\.txt: .*gone\.png: No such file"
    refused(tmp_path / "list.txt", words, tmp_path / "cache")


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    refused(tmp_path / "list.txt", r"list\.txt: cannot be read", tmp_path / "cache")


def test_a_folder_that_vanishes_while_it_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = as_folder({"a.png": png(1)}, tmp_path / "photos"), sources.pictures_of

    def then_gone(source: Path) -> list[Path]:
        paths = list(found(source))
        for path in paths:
            path.unlink()
        return paths

    monkeypatch.setattr("swapfill.training.photo_store.stamps_of", lambda _: iter(()))
    monkeypatch.setattr(sources, "pictures_of", then_gone)
    words = r"a\.png: vanished while the photographs were read"
    refused(folder, words, tmp_path / "cache")


def test_pictures_come_in_the_order_of_their_paths_part_by_part(tmp_path: Path) -> None:
    names = ["b/2.png", "b/10.png", "a-b/1.png", "a/z.JPG", "a.png", "a/b/c.webp", "B.TIFF"]
    folder = as_folder(dict.fromkeys([*names, "a/notes.md", "c"], b""), tmp_path / "photos")
    (folder / "dir.png").mkdir()
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    found = list(pictures_of(folder))
    assert found == sorted(folder / name for name in names)


def test_a_folder_is_walked_without_a_list_of_all_its_pictures(tmp_path: Path) -> None:
    folder = as_folder({f"{i:02}/a.png": b"" for i in range(30)}, tmp_path / "photos")
    paths = pictures_of(folder)
    assert len(list(islice(paths, 2))) == 2
    for i in range(2, 30):  # what was not reached yet was not looked at
        (folder / f"{i:02}" / "a.png").unlink()
    assert list(paths) == []


def test_a_pattern_is_the_shards_it_spells_out(tmp_path: Path) -> None:
    for i in range(3):
        as_tar({"a.png": png(i)}, tmp_path / f"s-{i:03}.tar")
    store = open_store([f"{tmp_path}/s-{{000..002}}.tar"], tmp_path / "cache")
    assert holds(store, noise(0), noise(1), noise(2))


def test_a_shard_of_a_pattern_that_is_missing_is_named(tmp_path: Path) -> None:
    as_tar({"a.png": png(0)}, tmp_path / "s-0.tar")
    refused(f"{tmp_path}/s-{{0..1}}.tar", r"s-1\.tar: no such tar file", tmp_path / "cache")


def test_a_folder_whose_name_has_braces_is_a_folder(tmp_path: Path) -> None:
    folder = as_folder({"a.png": png(0)}, tmp_path / "{0..9}")
    assert holds(open_store([folder], tmp_path / "cache"), noise(0))


@pytest.mark.parametrize("pattern", ["s-{0..1.tar", "${GONE}-{0..1}.tar"])
def test_a_pattern_that_makes_no_sense_is_refused(pattern: str, tmp_path: Path) -> None:
    refused(pattern, r"\.tar: (not a pattern of shards|no such tar file)", tmp_path / "cache")


def test_without_webdataset_a_pattern_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "webdataset.shardlists", None)
    words = r"s-\{0\.\.1\}\.tar: a pattern of shards needs webdataset, want pip install .*train"
    refused("s-{0..1}.tar", words, tmp_path / "cache")


@pytest.mark.parametrize(
    "source",
    [
        "pipe:touch {there}",
        "PIPE:touch {there}",
        "{{pipe,pipe}}:touch {there}",
        "{{a,pipe:touch {there}}}",
        "a.tar::pipe:touch {there}::{{0..1}}",
        "ssh://host/a.tar",
        "s3://bucket/a-{{0..1}}.tar",
        "file:///etc/passwd",
    ],
)
def test_what_would_run_a_program_is_refused_and_not_run(source: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    (tmp_path / "a.tar").write_bytes(tar_of({"a.png": png(0)}))
    source = source.format(there=there)
    with pytest.raises(DataError, match=r": nothing is read from \w+:, want files|no such") as info:
        places_of([source])
    assert "\n" not in str(info.value)
    with pytest.raises(DataError):
        open_store([source], tmp_path / "cache")
    assert not there.exists()


def jpeg(seed: int) -> tuple[bytes, Pixels]:
    """A JPEG's file, and its pixels once decoded."""
    import io

    data = encoded(noise(seed, 24, 32), "JPEG")
    with Image.open(io.BytesIO(data)) as picture:
        return data, np.asarray(picture)


@pytest.mark.parametrize("keep", ["decoded", "encoded"])
@pytest.mark.parametrize(
    ("folder", "first", "second"),
    [
        ("train2017", "000000000009.jpg", "000000000025.jpg"),  # COCO
        (  # ImageNet CLS-LOC
            "ILSVRC/Data/CLS-LOC/train",
            "n01440764/n01440764_10026.JPEG",
            "n01443537/n01443537_10007.JPEG",
        ),
        ("ILSVRC/Data/CLS-LOC/val", "ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG"),
        ("paris_train_original", "001_im.JPG", "002_im.JPG"),  # Paris StreetView
        ("paris_eval_gt", "001_im.png.jpg", "002_im.png.jpg"),
    ],
)
def test_data_sets_are_read_as_they_unpack(
    folder: str, first: str, second: str, keep: str, tmp_path: Path
) -> None:
    (a, a_pixels), (b, b_pixels) = jpeg(1), jpeg(2)
    as_folder({first: a, second: b, "LOC_train.xml": b"<annotation/>"}, tmp_path / folder)
    store = open_store([tmp_path / folder], tmp_path / "cache", keep=keep)  # type: ignore[arg-type]
    assert holds(store, a_pixels, b_pixels)


@pytest.mark.parametrize("keep", ["decoded", "encoded"])
def test_imagenet_is_read_as_it_is_downloaded_a_tar_of_tars(keep: str, tmp_path: Path) -> None:
    (a, a_pixels), (b, b_pixels), (c, c_pixels) = jpeg(1), jpeg(2), jpeg(3)
    classes = {
        "n01440764.tar": tar_of({"n01440764_10026.JPEG": a, "n01440764_10027.JPEG": b}),
        "n01443537.tar": tar_of({"n01443537_10007.JPEG": c}),
    }
    path = as_tar(classes, tmp_path / "ILSVRC2012_img_train.tar")
    store = open_store([path], tmp_path / "cache", keep=keep)  # type: ignore[arg-type]
    assert holds(store, a_pixels, b_pixels, c_pixels)
