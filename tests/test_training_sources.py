from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swapfill.errors import DataError
from swapfill.training import sources
from swapfill.training.data import PhotoStore


def picture(path: Path, seed: int) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def test_a_list_names_pictures_in_its_order_from_its_own_folder(tmp_path: Path) -> None:
    first, second = picture(tmp_path / "b.png", 1), picture(tmp_path / "deep" / "a.png", 2)
    picture(tmp_path / "c.png", 3)
    (tmp_path / "list.txt").write_text(f"# mine\nb.png\n\n{tmp_path}/deep/a.png\n")
    store = PhotoStore.open([tmp_path / "list.txt"], tmp_path / "cache")
    assert len(store) == 2
    np.testing.assert_array_equal(store[0], first)
    np.testing.assert_array_equal(store[1], second)


def test_a_list_that_grows_or_whose_picture_changes_is_read_anew(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1)
    (tmp_path / "list.txt").write_text("a.png\n")
    PhotoStore.open([tmp_path / "list.txt"], tmp_path / "cache")
    changed = picture(tmp_path / "a.png", 2)
    (tmp_path / "list.txt").write_text("a.png\na.png\n")
    store = PhotoStore.open([tmp_path / "list.txt"], tmp_path / "cache")
    assert len(store) == 2
    np.testing.assert_array_equal(store[1], changed)


def refused(source: Path, words: str, unreadable: float = 1.0) -> None:
    with pytest.raises(DataError, match=words) as caught:
        PhotoStore.open([source], source.parent / "cache", unreadable=unreadable)
    assert "\n" not in str(caught.value)
    assert list((source.parent / "cache").glob("*")) == []


def test_a_list_with_a_picture_that_is_not_there_is_refused_by_both_names(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("gone.png\n")
    refused(tmp_path / "list.txt", r"list\.txt: .*gone\.png: No such file")


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    refused(tmp_path / "list.txt", r"list\.txt: cannot be read")


def test_a_folder_that_vanishes_while_it_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "photos" / "a.png", 1)
    found = sources.pictures_of

    def then_gone(source: Path) -> list[Path]:
        paths = found(source)
        for path in paths:
            path.unlink()
        return paths

    monkeypatch.setattr(sources, "stamps_of", lambda _: [])
    monkeypatch.setattr(sources, "pictures_of", then_gone)
    monkeypatch.setattr("swapfill.training.data.stamps_of", lambda _: [])
    refused(tmp_path / "photos", r"a\.png: vanished while the photographs were read")


def test_too_many_unreadable_pictures_stop_the_run_and_the_first_is_named(tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / "photos" / f"{i}.png", i)
    (tmp_path / "photos" / "bad.png").write_bytes(b"no picture")
    refused(
        tmp_path / "photos",
        r"bad\.png: .*; of 4 pictures 1 cannot be read, want at most 20% \(data\.unreadable\)",
        0.2,
    )
    assert len(PhotoStore.open([tmp_path / "photos"], tmp_path / "cache", unreadable=0.25)) == 3
