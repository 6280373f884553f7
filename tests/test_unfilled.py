import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from folder_files import draw_mask, draw_photo, grey_painter
from swapfill.errors import MaskError
from swapfill.images import Photograph
from swapfill.masks import Hole
from swapfill.unfilled import Unfilled


class Watching:
    """Fills nothing, and sees what else holds the hole and the picture."""

    def fill_photograph(
        self, photo: Photograph, hole: Callable[[], Hole], **how: Any
    ) -> Photograph:
        given = hole()
        self.given, self.how = given.copy(), how
        seen, there = weakref.ref(photo), weakref.ref(given)
        del photo, given
        self.held = (seen() is not None, there() is not None)
        return Photograph.from_array(np.zeros((1, 1), np.uint8))


def test_nobody_else_holds_what_is_being_filled(tmp_path: Path) -> None:
    painter = Watching()
    photo, mask = draw_photo(tmp_path / "a.png"), draw_mask(tmp_path / "m.png")
    Unfilled.read(photo, mask).fill(painter)
    assert painter.held == (False, False)
    assert painter.how["reuse"]


def test_it_is_filled_as_the_painter_fills_picture_and_hole(tmp_path: Path) -> None:
    photo, mask = draw_photo(tmp_path / "a.png"), draw_mask(tmp_path / "m.png")
    unfilled = Unfilled.read(photo, mask)
    assert (unfilled.format, unfilled.size) == ("PNG", (20, 24))
    assert unfilled.hole_pixels() == 36
    assert unfilled.hole_pixels(invert=True) == 20 * 24 - 36
    hole = np.zeros((20, 24), np.bool_)
    hole[5:11, 8:14] = True
    expected = grey_painter().fill_photograph(Photograph.open(photo), hole)
    np.testing.assert_array_equal(unfilled.fill(grey_painter()).rgb, expected.rgb)


def test_without_a_mask_what_is_transparent_is_filled_and_becomes_opaque(tmp_path: Path) -> None:
    pixels = np.full((20, 24, 4), 255, np.uint8)
    pixels[3:7, 5:9, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    painter = Watching()
    Unfilled.read(tmp_path / "a.png", None).fill(painter)
    np.testing.assert_array_equal(painter.given, pixels[..., 3] == 0)
    assert painter.how["opaque"]


def test_a_mask_of_another_size_is_fitted_if_asked(tmp_path: Path) -> None:
    photo, mask = draw_photo(tmp_path / "a.png"), draw_mask(tmp_path / "m.png", (48, 40))
    with pytest.raises(MaskError, match="want 24 x 20"):
        Unfilled.read(photo, mask)
    assert Unfilled.read(photo, mask, fit_mask=True).hole_pixels() == 9
