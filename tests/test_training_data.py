"""Batches, and the squares that they are cut from."""

import itertools
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image

from photo_files import Pixels, as_folder, noise, png
from swapfill.random_holes import mixed_hole
from swapfill.training.data import Batch, batches, order, square
from swapfill.training.photo_store import PhotoStore, open_store


def store_of(
    count: int,
    tmp_path: Path,
    height: int = 12,
    width: int = 15,
    keep: Literal["decoded", "encoded"] = "decoded",
) -> PhotoStore:
    pictures = {f"{i:03}.png": png(i, height, width) for i in range(count)}
    return open_store([as_folder(pictures, tmp_path / "many")], tmp_path / "cache", keep=keep)


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
    store: PhotoStore,
    *,
    seed: int = 0,
    batch_size: int = 2,
    start: int = 0,
    count: int = 4,
    rank: int = 0,
    ranks: int = 1,
    workers: int = 0,
    prepare: Callable[[Batch], Batch] | None = None,
) -> list[Batch]:
    source = batches(
        store,
        lambda rng, side: mixed_hole(rng, (side, side)),
        seed=seed,
        batch_size=batch_size,
        side=16,
        whole=0.5,
        start=start,
        rank=rank,
        ranks=ranks,
        workers=workers,
        prepare=prepare,
    )
    with closing(source):
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


def test_the_batches_of_several_processes_are_those_of_one_with_a_larger_batch(
    tmp_path: Path,
) -> None:
    store = store_of(5, tmp_path)
    whole = drawn(store, batch_size=6, start=1, count=2)
    parts = [drawn(store, batch_size=2, start=1, count=2, rank=r, ranks=3) for r in range(3)]
    together = [
        Batch(torch.cat([b.truth for b in step]), torch.cat([b.hole for b in step]))
        for step in zip(*parts, strict=True)
    ]
    assert same(together, whole)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("keep", ["decoded", "encoded"])
def test_neither_workers_nor_what_is_kept_changes_the_batches(
    workers: int, keep: Literal["decoded", "encoded"], tmp_path: Path
) -> None:
    whole = drawn(store_of(5, tmp_path), count=8, start=2)
    store = store_of(5, tmp_path, keep=keep)
    assert same(drawn(store, count=8, start=2, workers=workers), whole)


def test_batches_that_are_closed_leave_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    drawn(store_of(5, tmp_path), count=3, workers=3)
    assert set(threading.enumerate()) == before


def test_a_batch_is_prepared_by_the_thread_that_made_it(tmp_path: Path) -> None:
    threads = set()

    def prepare(batch: Batch) -> Batch:
        threads.add(threading.current_thread())
        return Batch(1 - batch.truth, batch.hole)

    store = store_of(5, tmp_path)
    found = drawn(store, count=3, workers=1, prepare=prepare)
    for batch, plain in zip(found, drawn(store, count=3), strict=True):
        assert torch.equal(batch.truth, 1 - plain.truth)
    assert threads
    assert threading.current_thread() not in threads


def test_a_picture_gets_another_crop_and_hole_each_epoch(tmp_path: Path) -> None:
    first, second = drawn(store_of(1, tmp_path, 60, 60), batch_size=1, count=2)
    assert not torch.equal(first.truth, second.truth)
    assert not torch.equal(first.hole, second.hole)
