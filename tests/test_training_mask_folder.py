from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swapfill.errors import DataError
from swapfill.training.mask_folder import MaskFolder


def mask(path: Path, *, left: int = 20, white: int = 255, size: tuple[int, int] = (40, 80)) -> None:
    pixels = np.zeros(size, np.uint8)
    pixels[10:30, :left] = white
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_masks_are_resized_mirrored_half_the_time_and_white_is_hole(tmp_path: Path) -> None:
    mask(tmp_path / "a.png")
    wanted = np.zeros((40, 40), np.bool_)
    wanted[10:30, :10] = True
    found = [MaskFolder.open(tmp_path).draw(np.random.default_rng(i), 40) for i in range(40)]
    straight = [np.array_equal(hole, wanted) for hole in found]
    assert all(
        one or np.array_equal(hole[:, ::-1], wanted)
        for one, hole in zip(straight, found, strict=True)
    )
    assert 8 < sum(straight) < 32


def test_every_mask_is_drawn_and_the_same_one_for_a_seed(tmp_path: Path) -> None:
    mask(tmp_path / "a.png", left=10)
    mask(tmp_path / "deep" / "b.png", left=60)
    masks = MaskFolder.open(tmp_path)
    sums = {int(masks.draw(np.random.default_rng(i), 80).sum()) for i in range(20)}
    assert sums == {10 * 40, 60 * 40}
    first, again = (masks.draw(np.random.default_rng(3), 40) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def refused(folder: Path, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        MaskFolder.open(folder).draw(np.random.default_rng(0), 8)
    assert "\n" not in str(caught.value)


def test_masks_that_are_no_hole_or_nothing_but_hole_are_refused_by_name(tmp_path: Path) -> None:
    mask(tmp_path / "none" / "a.png", white=127)
    refused(tmp_path / "none", r"a\.png: the mask has no white")
    mask(tmp_path / "all" / "b.png", left=80, size=(20, 80))
    Image.fromarray(np.full((20, 80), 255, np.uint8)).save(tmp_path / "all" / "b.png")
    refused(tmp_path / "all", r"b\.png: the mask is all hole")
    speck = np.zeros((200, 200), np.uint8)
    speck[0, 0] = 255
    (tmp_path / "speck").mkdir()
    Image.fromarray(speck).save(tmp_path / "speck" / "c.png")
    refused(tmp_path / "speck", r"c\.png at 8 x 8: the mask has no white")


def test_a_folder_without_masks_and_a_damaged_one_are_refused_by_name(tmp_path: Path) -> None:
    refused(tmp_path / "gone", "gone: no masks")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty: no masks")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "d.png").write_bytes(b"no picture")
    refused(tmp_path / "bad", r"d\.png: not a mask that can be read")


def test_masks_are_read_when_they_are_drawn_and_one_that_vanished_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        mask(tmp_path / f"{name}.png")
    masks = MaskFolder.open(tmp_path, workers=2)
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").unlink()
    with pytest.raises(DataError, match=r"\.png: not a mask that can be read: .*No such file"):
        masks.draw(np.random.default_rng(0), 40)


def test_a_mask_that_cannot_be_drawn_is_refused_before_any_is(tmp_path: Path) -> None:
    mask(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"b\.png: not a mask that can be read"):
        MaskFolder.open(tmp_path)
