from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swapfill import demo
from swapfill.inpainter import Inpainter


def test_the_photograph_and_its_hole_fit_together() -> None:
    photo, hole = demo.packaged()
    assert photo.shape == (512, 512, 3)
    assert hole.shape == (512, 512)
    assert 0.02 < hole.mean() < 0.3


def test_what_is_packaged_is_small_and_its_terms_are_named() -> None:
    assets = Path(demo.__file__).parent / "assets"
    notice = (assets / "NOTICE.md").read_text()
    pictures = [path for path in assets.iterdir() if path.suffix in (".jpg", ".png")]
    assert pictures
    assert sum(path.stat().st_size for path in pictures) < 300_000
    for path in pictures:
        assert f"`{path.name}`" in notice
    assert "public\ndomain" in notice


def test_the_sheet_is_before_mask_after() -> None:
    before, after = np.full((4, 6, 3), 10, np.uint8), np.full((4, 6, 3), 200, np.uint8)
    hole = np.zeros((4, 6), bool)
    hole[1, 2] = True
    sheet = demo.sheet(before, hole, after)
    gap = (sheet.shape[1] - 3 * 6) // 2
    middle = sheet[:, 6 + gap : 12 + gap]
    np.testing.assert_array_equal(sheet[:, :6], before)
    np.testing.assert_array_equal((middle != before).any(axis=-1), hole)
    np.testing.assert_array_equal(sheet[:, -6:], after)
    assert (sheet[:, 6 : 6 + gap] == 255).all()


def test_the_written_sheet_shows_the_packaged_photograph_filled(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    output = tmp_path / "sheet.png"
    painter = Inpainter.load(tiny_bundle, precision="fp32")
    demo.write_sheet(output, painter, lambda done, of_all: told.append((done, of_all)))
    with Image.open(output) as picture:
        sheet = np.asarray(picture)
    photo, hole = demo.packaged()
    after = sheet[:, -512:]
    np.testing.assert_array_equal(sheet[:, :512], photo)
    np.testing.assert_array_equal(after[~hole], photo[~hole])
    assert (after[hole] != photo[hole]).any(axis=-1).mean() > 0.9
    assert told[-1][0] == told[-1][1] > 0


def test_a_sheet_that_cannot_be_written_is_an_error_of_the_output(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    import swapfill

    painter = Inpainter.load(tiny_bundle, precision="fp32")
    with pytest.raises(swapfill.OutputError, match="nowhere"):
        demo.write_sheet(tmp_path / "nowhere" / "sheet.png", painter)
