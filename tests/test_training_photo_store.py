"""Photographs of any source, decoded once or at each draw."""

import gzip
import struct
import threading
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from photo_files import Pixels, as_folder, as_tar, encoded, noise, png, tar_of
from swapfill.errors import DataError
from swapfill.training import photo_store
from swapfill.training.held import rgb
from swapfill.training.photo_store import PhotoStore, open_store

Keep = Literal["decoded", "encoded"]
both = pytest.mark.parametrize("keep", ["decoded", "encoded"])


@pytest.fixture
def members() -> dict[str, bytes]:
    """Three pictures among other things, in the order of their names."""
    cut = png(9, 40, 40)
    return {
        "a.png": png(0),
        "b.jpg": b"not a picture",
        "c.PNG": png(1, 20, 9),
        "cut.png": cut[: len(cut) // 2],
        "notes.txt": b"to be left alone",
        "sub/d.png": png(2),
    }


def opened(
    sources: list[Path], cache: Path, keep: Keep = "decoded", unreadable: float = 1.0
) -> tuple[PhotoStore, list[str]]:
    said: list[str] = []
    store = open_store(sources, cache, said.append, keep=keep, unreadable=unreadable)
    return store, said


def left_in(cache: Path) -> list[Path]:
    """What is in the cache but for locks, which hold nothing."""
    return [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]


@both
@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_pictures_are_read_bit_for_bit_from_a_folder_and_from_a_tar_alike(
    kind: str, keep: Keep, members: dict[str, bytes], tmp_path: Path
) -> None:
    source = tmp_path / "photos"
    source = as_folder(members, source) if kind == "folder" else as_tar(members, source)
    store, _ = opened([source], tmp_path / "cache", keep)
    assert len(store) == 3
    assert store.shortest == 9
    for i, wanted in enumerate([noise(0), noise(1, 20, 9), noise(2)]):
        np.testing.assert_array_equal(store[i], wanted)


@both
@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_what_cannot_be_read_is_skipped_with_a_note_that_names_it(
    kind: str, keep: Keep, members: dict[str, bytes], tmp_path: Path
) -> None:
    source = tmp_path / "photos"
    source = as_folder(members, source) if kind == "folder" else as_tar(members, source)
    _, skipped = opened([source], tmp_path / "cache", keep)
    assert len(skipped) == 2
    assert skipped[0] == f"{source}: b.jpg: is no picture of a known kind"
    assert skipped[1].startswith(f"{source}: cut.png: ")


@pytest.mark.parametrize(
    "error",
    [OSError, SyntaxError, ValueError, KeyError, struct.error, Image.DecompressionBombError],
)
def test_whatever_a_damaged_file_raises_only_skips_it(
    error: type[Exception],
    members: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Flipped bytes made Pillow raise each of the first three."""
    decode = rgb

    def fail(content: bytes) -> Pixels:
        if content == members["a.png"]:
            raise error("damaged")
        return decode(content)

    monkeypatch.setattr("swapfill.training.photo_store.rgb", fail)
    store, skipped = opened([as_folder(members, tmp_path / "photos")], tmp_path / "cache")
    assert len(store) == 2
    assert skipped[0].startswith(f"{tmp_path / 'photos'}: a.png: ")
    assert "damaged" in skipped[0]


@both
def test_several_sources_follow_each_other(
    keep: Keep, members: dict[str, bytes], tmp_path: Path
) -> None:
    tar = as_tar({"x.png": png(7)}, tmp_path / "x.tar")
    folder = as_folder(members, tmp_path / "photos")
    store, _ = opened([tar, folder], tmp_path / "cache", keep)
    assert len(store) == 4
    np.testing.assert_array_equal(store[0], noise(7))
    np.testing.assert_array_equal(store[1], noise(0))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "LA"])
def test_pictures_of_any_mode_come_as_rgb(mode: str, tmp_path: Path) -> None:
    picture = Image.fromarray(noise(0)).convert(mode)
    (tmp_path / "photos").mkdir()
    picture.save(tmp_path / "photos" / "a.tif")
    store, skipped = opened([tmp_path / "photos"], tmp_path / "cache")
    assert skipped == []
    np.testing.assert_array_equal(store[0], np.asarray(picture.convert("RGB")))


@both
def test_a_second_opening_decodes_no_more_than_is_drawn(
    keep: Keep, members: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = as_folder(members, tmp_path / "photos"), tmp_path / "cache"
    first = [opened([folder], cache, keep)[0][i] for i in range(3)]
    decode, decoded = rgb, []

    def count(content: bytes) -> Pixels:
        decoded.append(content)
        return decode(content)

    monkeypatch.setattr("swapfill.training.photo_store.rgb", count)
    again, _ = opened([folder], cache, keep)
    assert decoded == []
    for i in range(3):
        np.testing.assert_array_equal(again[i], first[i])
    assert len(decoded) == (3 if keep == "encoded" else 0)


@both
@pytest.mark.parametrize("name", ["a.png", "sub/d.png", "new.png"])
def test_a_picture_that_changes_in_a_folder_is_seen(
    name: str, keep: Keep, members: dict[str, bytes], tmp_path: Path
) -> None:
    folder, cache = as_folder(members, tmp_path / "photos"), tmp_path / "cache"
    opened([folder], cache, keep)
    (folder / name).write_bytes(png(77, 13, 13))
    store, _ = opened([folder], cache, keep)
    assert any(np.array_equal(store[i], noise(77, 13, 13)) for i in range(len(store)))


def test_a_tar_that_changes_is_seen(members: dict[str, bytes], tmp_path: Path) -> None:
    path, cache = as_tar(members, tmp_path / "x.tar"), tmp_path / "cache"
    opened([path], cache)
    as_tar({"only.png": png(5)}, path)
    store, _ = opened([path], cache)
    assert len(store) == 1


@pytest.mark.parametrize("left", ["*.u8", "*.json"])
def test_half_a_cache_is_made_anew(left: str, members: dict[str, bytes], tmp_path: Path) -> None:
    folder, cache = as_folder(members, tmp_path / "photos"), tmp_path / "cache"
    opened([folder], cache)
    next(cache.glob(left)).unlink()
    store, _ = opened([folder], cache)
    np.testing.assert_array_equal(store[0], noise(0))


def test_a_missing_source_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.tar: no such tar file, folder or list"):
        opened([tmp_path / "gone.tar"], tmp_path / "cache")


@pytest.mark.parametrize("content", [b"", b"not a tar file", b"\0" * 511])
def test_a_file_that_is_no_tar_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.tar: not a whole tar file") as caught:
        opened([tmp_path / "x.tar"], tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path / "cache") == []


def test_a_cut_tar_is_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    path = as_tar(members, tmp_path / "x.tar")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"x\.tar: not a whole tar file"):
        opened([path], tmp_path / "cache")


@pytest.mark.parametrize("members", [{}, {"a.txt": b"words"}, {"a.png": b"no picture"}])
@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_sources_without_a_picture_are_refused_and_leave_nothing_behind(
    kind: str, members: dict[str, bytes], tmp_path: Path
) -> None:
    source = tmp_path / "photos"
    if kind == "folder":
        source.mkdir()
    source = as_folder(members, source) if kind == "folder" else as_tar(members, source)
    with pytest.raises(DataError, match="photos: no picture that can be read"):
        opened([source], tmp_path / "cache")
    assert left_in(tmp_path / "cache") == []


def test_a_cache_that_cannot_be_written_is_one_line(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    folder = as_folder(members, tmp_path / "photos")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        DataError, match="file: File exists; photographs are kept decoded in"
    ) as caught:
        opened([folder], tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_what_was_decoded_before_this_version_is_still_found(tmp_path: Path) -> None:
    """The name of what is kept is the sum of the list of all names, sizes and times."""
    import hashlib

    folder = as_folder({"b.png": png(1), "a/c.png": png(2)}, tmp_path / "photos")
    files = [folder / "a" / "c.png", folder / "b.png"]
    stamps = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    key = hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]
    opened([folder], tmp_path / "cache")
    assert {path.name for path in left_in(tmp_path / "cache")} == {f"{key}.u8", f"{key}.json"}


@both
@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_too_many_unreadable_pictures_stop_the_run_and_the_first_is_named(
    kind: str, keep: Keep, members: dict[str, bytes], tmp_path: Path
) -> None:
    source = tmp_path / "photos"
    source = as_folder(members, source) if kind == "folder" else as_tar(members, source)
    words = r"b\.jpg: .*; of 5 pictures 2 cannot be read, want at most 39% \(data\.unreadable\)"
    with pytest.raises(DataError, match=words) as caught:
        opened([source], tmp_path / "cache", keep, unreadable=0.39)
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path / "cache") == []
    assert len(opened([source], tmp_path / "cache", keep, unreadable=0.4)[0]) == 3


@both
def test_workers_change_neither_pictures_nor_their_order(keep: Keep, tmp_path: Path) -> None:
    folder = as_folder({f"{i:02}.png": png(i) for i in range(20)}, tmp_path / "photos")
    for workers in (0, 1, 3):
        store = open_store([folder], tmp_path / f"cache{workers}", keep=keep, workers=workers)
        for i in range(20):
            np.testing.assert_array_equal(store[i], noise(i))


def test_no_more_than_a_few_pictures_are_in_memory_while_all_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive, most, decode = set[int](), [0], rgb

    class Counted(np.ndarray):
        def __del__(self) -> None:
            alive.discard(id(self))

    def count(content: bytes) -> Pixels:
        pixels = decode(content).view(Counted)
        alive.add(id(pixels))
        most[0] = max(most[0], len(alive))
        return pixels

    monkeypatch.setattr("swapfill.training.photo_store.rgb", count)
    folder = as_folder({f"{i:02}.png": png(i) for i in range(40)}, tmp_path / "photos")
    open_store([folder], tmp_path / "cache", keep="encoded", workers=2)
    assert 0 < most[0] <= 7  # two in the making, three ready, one in use, one just done with


def test_two_at_once_read_the_pictures_once(tmp_path: Path) -> None:
    folder = as_folder({f"{i:02}.png": png(i) for i in range(20)}, tmp_path / "photos")
    folder.joinpath("bad.png").write_bytes(b"no picture")
    said, stores = list[str](), list[PhotoStore]()

    def open_it() -> None:
        stores.append(open_store([folder], tmp_path / "cache", said.append))

    threads = [threading.Thread(target=open_it) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(store) for store in stores] == [20, 20, 20]
    assert len(said) == 1


def test_what_a_killed_process_left_is_made_anew(tmp_path: Path) -> None:
    folder = as_folder({"a.png": png(0)}, tmp_path / "photos")
    opened([folder], tmp_path / "cache")
    (pixels,) = (tmp_path / "cache").glob("*.u8")
    pixels.rename(pixels.with_name(f"{pixels.name}.part"))
    store, _ = opened([folder], tmp_path / "cache")
    np.testing.assert_array_equal(store[0], noise(0))
    assert not list((tmp_path / "cache").glob("*.part"))


def test_how_far_it_is_is_told_now_and_then(
    members: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_store, "_SECONDS_BETWEEN_NEWS", -1.0)
    _, said = opened([as_folder(members, tmp_path / "photos")], tmp_path / "cache")
    assert said[-1] == "5 photographs are read, the last is sub/d.png"


def test_an_encoded_picture_that_changes_or_vanishes_is_named(tmp_path: Path) -> None:
    folder = as_folder({f"{i}.png": png(i) for i in range(4)}, tmp_path / "photos")
    store, _ = opened([folder], tmp_path / "cache", "encoded")
    (folder / "0.png").unlink()
    with pytest.raises(DataError, match=r"0\.png: vanished while the photographs were read$"):
        store[0]
    (folder / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1\.png: was cut short while the photographs were read$"):
        store[1]
    (folder / "2.png").write_bytes(b"x" * len(png(2)))
    with pytest.raises(DataError, match=r"2\.png: changed while it was trained on: ") as caught:
        store[2]
    assert "\n" not in str(caught.value)
    other = encoded(np.zeros((15, 12, 3), np.uint8))
    (folder / "3.png").write_bytes(other.ljust(len(png(3)), b"\0"))
    with pytest.raises(DataError, match=r"3\.png: changed .*: a picture of 15 x 12 pixels"):
        store[3]


def test_a_compressed_tar_is_read_but_not_in_place(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(tar_of({"a.png": png(0), "b.png": png(1)})))
    store, _ = opened([path], tmp_path / "cache")
    np.testing.assert_array_equal(store[1], noise(1))
    words = r"x\.tar\.gz: is compressed, want it unpacked for data\.keep = 'encoded'$"
    with pytest.raises(DataError, match=words):
        opened([path], tmp_path / "cache", "encoded")
    assert not list((tmp_path / "cache").glob("*.index*"))[1:]
