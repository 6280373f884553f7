import io
import itertools
import struct
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from swapfill.errors import DataError
from swapfill.random_holes import mixed_hole
from swapfill.training import data
from swapfill.training.data import Batch, PhotoStore, batches, order, prefetch, square

Pixels = NDArray[np.uint8]


def noise(seed: int, height: int = 12, width: int = 15) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def png(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def members() -> dict[str, bytes]:
    """Three pictures among other things, in the order of their names."""
    cut = png(noise(9, 40, 40))
    return {
        "a.png": png(noise(0)),
        "b.jpg": b"not a picture",
        "c.PNG": png(noise(1, 20, 9)),
        "cut.png": cut[: len(cut) // 2],
        "notes.txt": b"to be left alone",
        "sub/d.png": png(noise(2)),
    }


def as_folder(members: dict[str, bytes], where: Path) -> Path:
    for name, content in members.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(content)
    return where


def as_tar(members: dict[str, bytes], where: Path) -> Path:
    with tarfile.open(where, "w") as archive:
        for name, content in members.items():
            held = tarfile.TarInfo(name)
            held.size = len(content)
            archive.addfile(held, io.BytesIO(content))
        folder = tarfile.TarInfo("folder.png")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    return where


def opened(sources: list[Path], cache: Path) -> tuple[PhotoStore, list[str]]:
    skipped: list[str] = []
    return PhotoStore.open(sources, cache, skipped.append), skipped


def store_of(count: int, tmp_path: Path, height: int = 12, width: int = 15) -> PhotoStore:
    pictures = {f"{i:03}.png": png(noise(i, height, width)) for i in range(count)}
    return PhotoStore.open([as_folder(pictures, tmp_path / "many")], tmp_path / "cache")


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_pictures_are_read_bit_for_bit_from_a_folder_and_from_a_tar_alike(
    kind: str, members: dict[str, bytes], tmp_path: Path
) -> None:
    source = tmp_path / "photos"
    source = as_folder(members, source) if kind == "folder" else as_tar(members, source)
    store, _ = opened([source], tmp_path / "cache")
    assert len(store) == 3
    for i, wanted in enumerate([noise(0), noise(1, 20, 9), noise(2)]):
        np.testing.assert_array_equal(store[i], wanted)


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_what_cannot_be_read_is_skipped_with_a_note_that_names_it(
    kind: str, members: dict[str, bytes], tmp_path: Path
) -> None:
    source = tmp_path / "photos"
    source = as_folder(members, source) if kind == "folder" else as_tar(members, source)
    _, skipped = opened([source], tmp_path / "cache")
    assert len(skipped) == 2
    assert skipped[0].startswith(f"{source}: b.jpg: ")
    assert skipped[1].startswith(f"{source}: cut.png: ")


@pytest.mark.parametrize(
    "error", [OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError]
)
def test_whatever_a_damaged_file_raises_only_skips_it(
    error: type[Exception],
    members: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Flipped bytes made Pillow raise each of the first three."""
    decode = data._rgb

    def fail(content: bytes) -> Pixels:
        if content == members["a.png"]:
            raise error("damaged")
        return decode(content)

    monkeypatch.setattr(data, "_rgb", fail)
    store, skipped = opened([as_folder(members, tmp_path / "photos")], tmp_path / "cache")
    assert len(store) == 2
    assert skipped[0] == f"{tmp_path / 'photos'}: a.png: damaged"


def test_several_sources_follow_each_other(members: dict[str, bytes], tmp_path: Path) -> None:
    tar = as_tar({"x.png": png(noise(7))}, tmp_path / "x.tar")
    folder = as_folder(members, tmp_path / "photos")
    store, _ = opened([tar, folder], tmp_path / "cache")
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


def test_a_second_opening_decodes_nothing(
    members: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = as_folder(members, tmp_path / "photos"), tmp_path / "cache"
    first, _ = opened([folder], cache)

    def refuse(_: bytes) -> Pixels:
        raise AssertionError("decoded again")

    monkeypatch.setattr(data, "_rgb", refuse)
    again, _ = opened([folder], cache)
    for i in range(3):
        np.testing.assert_array_equal(again[i], first[i])


@pytest.mark.parametrize("name", ["a.png", "sub/d.png", "new.png"])
def test_a_picture_that_changes_in_a_folder_is_seen(
    name: str, members: dict[str, bytes], tmp_path: Path
) -> None:
    folder, cache = as_folder(members, tmp_path / "photos"), tmp_path / "cache"
    opened([folder], cache)
    (folder / name).write_bytes(png(noise(77, 13, 13)))
    store, _ = opened([folder], cache)
    assert any(np.array_equal(store[i], noise(77, 13, 13)) for i in range(len(store)))


def test_a_tar_that_changes_is_seen(members: dict[str, bytes], tmp_path: Path) -> None:
    path, cache = as_tar(members, tmp_path / "x.tar"), tmp_path / "cache"
    opened([path], cache)
    as_tar({"only.png": png(noise(5))}, path)
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
    with pytest.raises(DataError, match=r"gone\.tar: no such tar file or folder"):
        opened([tmp_path / "gone.tar"], tmp_path / "cache")


@pytest.mark.parametrize("content", [b"", b"not a tar file", b"\0" * 511])
def test_a_file_that_is_no_tar_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.tar: not a whole tar file") as caught:
        opened([tmp_path / "x.tar"], tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


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
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_one_line(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    folder = as_folder(members, tmp_path / "photos")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="file: File exists; photographs are decoded") as caught:
        opened([folder], tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_every_epoch_is_a_permutation_of_its_own() -> None:
    epochs = [[order(3, 10, epoch * 10 + i) for i in range(10)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert [order(3, 10, i) for i in range(10)] == epochs[0]
    assert [order(4, 10, i) for i in range(10)] != epochs[0]


def ramp(height: int, width: int) -> Pixels:
    """Red tells the column, green the row."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, np.zeros_like(rows)], axis=2).astype(np.uint8)


@pytest.mark.parametrize("size", [(40, 64), (64, 40), (20, 20), (10, 12)])
def test_a_whole_picture_is_resized_to_the_square_and_half_of_them_mirrored(
    size: tuple[int, int],
) -> None:
    photo = noise(0, *size)
    wanted = np.asarray(Image.fromarray(photo).resize((20, 20), Image.Resampling.BICUBIC))
    mirrored = 0
    for seed in range(60):
        found = square(photo, np.random.default_rng(seed), 20, 1.0)
        straight = np.array_equal(found, wanted)
        assert straight or np.array_equal(found, wanted[:, ::-1])
        mirrored += not straight
    assert 15 < mirrored < 45


@pytest.mark.parametrize("size", [(200, 120), (120, 200)])
def test_a_crop_is_a_square_between_its_own_resolution_and_the_whole_short_side(
    size: tuple[int, int],
) -> None:
    photo = ramp(*size)
    spans, middles = [], []
    for seed in range(80):
        found = square(photo, np.random.default_rng(seed), 30, 0.0).astype(float)
        # from the middle of the first cell to that of the last: 29 of 30 cells
        across = abs(found[15, -2, 0] - found[15, 1, 0]) * 30 / 27
        down = (found[-2, 15, 1] - found[1, 15, 1]) * 30 / 27
        assert across == pytest.approx(down, abs=3)
        assert 28 <= down <= 122
        spans.append(down)
        middles.append((found[15, 15, 1] / size[0], found[15, 15, 0] / size[1]))
    assert min(spans) < 40
    assert max(spans) > 105
    for axis in zip(*middles, strict=True):
        assert min(axis) < 0.4
        assert max(axis) > 0.6


@pytest.mark.parametrize("size", [(30, 80), (12, 30), (16, 16)])
def test_a_picture_smaller_than_the_square_is_cropped_to_its_short_side(
    size: tuple[int, int],
) -> None:
    photo = ramp(*size)
    for seed in range(10):
        found = square(photo, np.random.default_rng(seed), 30, 0.0)
        assert found.shape == (30, 30, 3)
        assert int(found[-1, 0, 1]) - int(found[0, 0, 1]) == pytest.approx(size[0] - 1, abs=2)


def test_the_share_of_whole_pictures_is_kept() -> None:
    photo = ramp(100, 200)
    whole = 0
    for seed in range(200):
        found = square(photo, np.random.default_rng(seed), 20, 0.25)
        whole += abs(int(found[0, 0, 0]) - int(found[0, -1, 0])) > 150
    assert 30 < whole < 70


def drawn(
    store: PhotoStore, *, seed: int = 0, batch_size: int = 2, start: int = 0, count: int = 4
) -> list[Batch]:
    source = batches(
        store,
        lambda rng, side: mixed_hole(rng, (side, side)),
        seed=seed,
        batch_size=batch_size,
        side=16,
        whole=0.5,
        start=start,
    )
    return list(itertools.islice(source, count))


def test_a_batch_is_pictures_in_0_to_1_and_bool_holes(tmp_path: Path) -> None:
    (batch,) = drawn(store_of(5, tmp_path), batch_size=3, count=1)
    assert (batch.truth.shape, batch.truth.dtype) == ((3, 3, 16, 16), torch.float32)
    assert (batch.hole.shape, batch.hole.dtype) == ((3, 1, 16, 16), torch.bool)
    assert 0 <= batch.truth.min() < 0.1
    assert 0.9 < batch.truth.max() <= 1
    assert batch.hole.flatten(1).any(dim=1).all()


def test_a_batch_is_its_picture_channel_by_channel(tmp_path: Path) -> None:
    """Not transposed, not BGR: against the square itself."""
    store = store_of(1, tmp_path, 16, 16)
    (batch,) = drawn(store, batch_size=1, count=1)
    pixels = (batch.truth[0].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
    assert any(np.array_equal(pixels, p) for p in (noise(0, 16, 16), noise(0, 16, 16)[:, ::-1]))


def same(a: list[Batch], b: list[Batch]) -> bool:
    return all(
        torch.equal(x.truth, y.truth) and torch.equal(x.hole, y.hole)
        for x, y in zip(a, b, strict=True)
    )


def test_a_batch_is_a_function_of_seed_and_step_alone(tmp_path: Path) -> None:
    store = store_of(5, tmp_path)
    whole = drawn(store, count=6)
    assert same(drawn(store, count=6), whole)
    assert same(drawn(store, start=4, count=2), whole[4:])
    assert not same(drawn(store, seed=1, count=6), whole)
    np.random.seed(0)  # global generators have no part in it
    torch.manual_seed(1)
    assert same(drawn(store, count=6), whole)


def test_a_pictures_crop_and_hole_do_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    store = store_of(5, tmp_path)

    def flat(batch_size: int, count: int) -> Batch:
        found = drawn(store, batch_size=batch_size, count=count)
        return Batch(torch.cat([b.truth for b in found]), torch.cat([b.hole for b in found]))

    assert same([flat(1, 12)], [flat(4, 3)])
    assert same([flat(3, 4)], [flat(4, 3)])


def test_a_picture_gets_another_crop_and_hole_each_epoch(tmp_path: Path) -> None:
    first, second = drawn(store_of(1, tmp_path, 60, 60), batch_size=1, count=2)
    assert not torch.equal(first.truth, second.truth)
    assert not torch.equal(first.hole, second.hole)


def tokens(count: int) -> list[Batch]:
    return [Batch(torch.tensor(i), torch.tensor(i)) for i in range(count)]


def test_prefetching_keeps_every_item_and_its_order() -> None:
    found = list(prefetch(iter(tokens(20))))
    assert [int(item.truth) for item in found] == list(range(20))


def test_prefetching_makes_items_ahead_but_not_without_end() -> None:
    made, enough = [], threading.Event()

    def source() -> Iterator[Batch]:
        for item in tokens(1000):
            made.append(item)
            if len(made) == 5:
                enough.set()
            yield item

    items = prefetch(source(), depth=3)
    next(items)
    assert enough.wait(5)  # one used, three ready, one in the hand
    assert len(made) == 5


def test_an_error_in_the_background_arrives_where_it_is_met() -> None:
    def source() -> Iterator[Batch]:
        yield from tokens(2)
        raise DataError("the third is broken")

    items = prefetch(source())
    assert [int(next(items).truth) for _ in range(2)] == [0, 1]
    with pytest.raises(DataError, match="the third is broken"):
        next(items)
