from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from swapfill.errors import MaskError
from swapfill.mask_kinds import Mask, hole_of, holes_of, is_tensor

SIZE = (2, 3)
HOLE = np.array([[True, False, False], [False, False, True]])


def kinds(folder: Path) -> dict[str, Mask]:
    image = Image.fromarray(HOLE.astype(np.uint8) * 255)
    image.save(folder / "mask.png")
    return {
        "path": folder / "mask.png",
        "text": str(folder / "mask.png"),
        "image": image,
        "bool": HOLE,
        "uint8": np.where(HOLE, 128, 127).astype(np.uint8),
        "uint16": np.where(HOLE, 32768, 32767).astype(np.uint16),
        "float": np.where(HOLE, 0.5, 0.49),
        "one of a batch": HOLE[None],
        "bool tensor": torch.from_numpy(HOLE),
        "float tensor": torch.from_numpy(HOLE).to(torch.bfloat16)[None, None],
    }


def test_every_kind_of_mask_gives_its_hole(tmp_path: Path) -> None:
    for kind, mask in kinds(tmp_path).items():
        np.testing.assert_array_equal(hole_of(mask, SIZE), HOLE, err_msg=kind)


def test_a_batch_takes_one_mask_for_all_or_one_each() -> None:
    both = np.stack([HOLE, ~HOLE])
    np.testing.assert_array_equal(holes_of(both, 2, SIZE), both)
    np.testing.assert_array_equal(holes_of(torch.from_numpy(both)[:, None], 2, SIZE), both)
    np.testing.assert_array_equal(holes_of(HOLE, 2, SIZE), np.stack([HOLE, HOLE]))


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (HOLE.T, r"\(1, 3, 2\), want 2 x 3"),
        (np.stack([HOLE, HOLE]), r"for 1 picture"),
        (HOLE.astype(np.int64), "int64, want bool"),
        (np.where(HOLE, np.nan, 0), "NaN"),
        (HOLE[0], r"want 2 x 3"),
    ],
)
def test_another_mask_is_refused_in_one_line(mask: Mask, words: str) -> None:
    with pytest.raises(MaskError, match=words) as refused:
        hole_of(mask, SIZE)
    assert "\n" not in str(refused.value)


def test_a_tensor_is_told_from_an_array() -> None:
    assert is_tensor(torch.zeros(1))
    assert not is_tensor(HOLE)
