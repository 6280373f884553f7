"""What is marked on the page is what the server gets: in the picture's own pixels."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from page_driver import (
    HEIGHT,
    WIDTH,
    address,
    box,
    browser,
    brush,
    drag,
    encoded,
    load_mask,
    marked,
    on_screen,
    open_picture,
    page,
    picture_file,
    press,
    says,
    scene,
    set_size,
)
from swapfill.masks import grow

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["address", "browser", "page"]  # fixtures


def distances(x: float, y: float) -> NDArray[np.float64]:
    """Give each pixel centre's distance from a place."""
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    away: NDArray[np.float64] = np.hypot(rows - y, columns - x)
    return away


def test_a_dab_is_a_disc_of_the_brushs_size(page: "Page") -> None:
    open_picture(page, encoded(scene()))
    brush(page, (70, 60), size=40)
    size = int(page.locator("#size-shown").inner_text().removesuffix(" px"))
    found, away = marked(page), distances(70, 60)
    assert 40 <= size <= 44
    # The mouse stands on whole screen pixels: a quarter of the picture's here.
    assert found[away < size / 2 - 1].all()
    assert not found[away > size / 2 + 1].any()


def test_the_eraser_takes_away_and_alt_lets_a_brush_erase(page: "Page") -> None:
    open_picture(page, encoded(scene()))
    load_mask(page, box(40, 40, 140, 120))
    page.keyboard.press("e")
    set_size(page, 20)
    drag(page, (60, 60), (100, 60))
    erased = ~marked(page) & box(40, 40, 140, 120)
    assert erased[60, 58:103].all()
    assert not erased[75:].any()
    page.keyboard.press("r")
    page.keyboard.down("Alt")
    drag(page, (50, 90), (90, 110))
    page.keyboard.up("Alt")
    assert not marked(page)[91:109, 51:89].any()


def test_a_rectangle_marks_what_lies_in_it(page: "Page") -> None:
    open_picture(page, encoded(scene()))
    page.keyboard.press("r")
    drag(page, (100, 90), (40, 30))  # from its lower right corner
    found = marked(page)
    assert found[box(42, 32, 98, 88)].all()
    assert not found[~box(38, 28, 102, 92)].any()


def test_a_lasso_marks_what_it_goes_around(page: "Page") -> None:
    open_picture(page, encoded(scene()))
    page.keyboard.press("l")
    drag(page, (40, 30), (120, 30), (120, 110), (118, 112))
    found = marked(page)
    rows, columns = np.indices(found.shape)
    inside = (columns - 40 > rows - 30 + 8) & box(40, 34, 114, 108)
    outside = (columns - 40 < rows - 30 - 8) | ~box(36, 26, 124, 116)
    assert inside.sum() > 1500
    assert found[inside].all()
    assert not found[outside].any()


@pytest.mark.parametrize("radius", [1, 4, 13])
def test_growing_and_shrinking_are_the_librarys(page: "Page", radius: int) -> None:
    rng = np.random.default_rng(radius)
    hole = box(50, 40, 120, 100) & (rng.random((HEIGHT, WIDTH)) < 0.99) | box(0, 150, 6, 160)
    open_picture(page, encoded(scene()))
    load_mask(page, hole)
    page.get_by_label("Pixels to grow or shrink by").fill(str(radius))
    press(page, "Grow")
    assert (marked(page) == grow(hole, radius)).all()
    press(page, "Undo")
    press(page, "Shrink")
    assert (marked(page) == grow(hole, -radius)).all() if grow(hole, -radius).any() else True


def test_inverting_clearing_undo_and_redo(page: "Page") -> None:
    from playwright.sync_api import expect

    hole = box(50, 40, 120, 100)
    open_picture(page, encoded(scene()))
    load_mask(page, hole)
    page.keyboard.press("i")
    assert (marked(page) == ~hole).all()
    page.keyboard.press("Delete")
    says(page, "Nothing is marked")
    page.keyboard.press("Control+z")
    assert (marked(page) == ~hole).all()
    page.keyboard.press("Control+z")
    assert (marked(page) == hole).all()
    page.keyboard.press("Control+Shift+z")
    assert (marked(page) == ~hole).all()
    page.keyboard.press("Control+z")
    page.keyboard.press("g")
    expect(page.get_by_role("button", name="Redo")).to_be_disabled()  # a new mark ends it


def test_a_mask_of_another_size_is_resized_and_that_is_said(page: "Page") -> None:
    open_picture(page, encoded(scene()))
    small = encoded((box(48, 40, 96, 80)[::2, ::2] * 255).astype(np.uint8))
    page.locator("#mask-file").set_input_files(picture_file("small.png", small))
    says(page, f"resized from {WIDTH // 2} by {HEIGHT // 2}")
    found = marked(page)
    assert found[box(50, 42, 94, 78)].all()
    assert not found[~box(46, 38, 98, 82)].any()


def test_marks_are_right_where_the_picture_is_zoomed_and_moved(page: "Page") -> None:
    open_picture(page, encoded(scene()))
    page.mouse.move(*on_screen(page, 150, 40))
    page.mouse.wheel(0, -700)
    page.wait_for_function("parseInt(document.querySelector('#zoom-shown').textContent) > 700")
    page.keyboard.down("Space")
    drag(page, (150, 40), (148, 44))
    page.keyboard.up("Space")
    page.keyboard.press("r")
    drag(page, (140, 36), (155, 46))
    found = marked(page)
    assert (found == box(140, 36, 155, 46)).mean() > 0.999
    assert found[box(141, 37, 154, 45)].all()


@pytest.mark.slow
def test_a_large_picture_is_marked_at_its_full_size(page: "Page") -> None:
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    open_picture(page, encoded(pixels, "JPEG"), "photo.jpg")
    page.keyboard.press("r")
    drag(page, (1000, 900), (2000, 1500))
    found = marked(page)
    assert found.shape == (3000, 4000)
    rows, columns = np.nonzero(found)
    corners = (columns.min(), rows.min(), columns.max(), rows.max())
    assert np.abs(np.subtract(corners, (1000, 900, 2000, 1500))).max() <= 8  # a screen pixel or two
    assert found.sum() == (corners[2] - corners[0] + 1) * (corners[3] - corners[1] + 1)
