"""The page, used as a person would: open, mark, fill, compare, go on, download."""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from page_driver import (
    HEIGHT,
    WIDTH,
    address,
    box,
    browser,
    brush,
    decoded,
    drag,
    encoded,
    fill,
    load_mask,
    marked,
    open_picture,
    page,
    picture_file,
    press,
    saved,
    says,
    scene,
    versions,
    visit,
)
from serving import Gate, devices_of, port_of, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

__all__ = ["address", "browser", "page"]  # fixtures

LISTEN_FOR_JOBS = """() => {
    const plain = fetch;
    window.asked = [];
    window.fetch = (path, init) => {
        const told = ([name, value]) => !(value instanceof Blob) && name !== "kind";
        if (String(path).endsWith("v1/jobs"))
            asked.push(Object.fromEntries([...init.body].filter(told)));
        return plain(path, init);
    };
}"""
STROKE = ((85.0, 75.0), (105.0, 75.0))


def test_what_is_brushed_over_is_filled_and_the_rest_of_a_png_stays_as_it_was(page: "Page") -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "somebody")
    open_picture(page, encoded(scene(), pnginfo=text, dpi=(300, 300)))
    brush(page, *STROKE)
    hole = marked(page)
    assert hole[75, 85:106].all()
    assert 0.02 < hole.mean() < 0.2
    fill(page)
    name, data = saved(page)
    assert name == "photo-filled-1.png"
    filled = decoded(data)
    assert (filled[~hole] == scene()[~hole]).all()
    assert (filled[hole] != scene()[hole]).any(axis=-1).mean() > 0.9
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.info["Author"] == "somebody"
        assert round(picture.info["dpi"][0]) == 300


def test_going_on_from_a_jpeg_keeps_its_format_metadata_and_far_pixels(page: "Page") -> None:
    exif = Image.Exif()
    exif[0x010E] = "a scene"
    source = encoded(scene(), "JPEG", quality=90, exif=exif)
    open_picture(page, source, "photo.jpg")
    brush(page, *STROKE)
    fill(page)
    brush(page, (20, 140), (24, 140), size=16)
    fill(page)
    name, data = saved(page)
    assert name == "photo-filled-2.jpg"
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.getexif()[0x010E]) == ("JPEG", "a scene")
    far = ~(box(62, 52, 128, 98, 16) | box(10, 130, 34, 150, 16))
    assert (decoded(data)[far] == decoded(source)[far]).all()
    first = box(80, 60, 110, 90)
    assert (decoded(data)[first] != decoded(source)[first]).any(axis=-1).mean() > 0.9


def test_a_tiff_is_shown_by_the_server_and_comes_back_a_tiff(page: "Page") -> None:
    from playwright.sync_api import expect

    file, tags = io.BytesIO(), TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = "a scene"
    Image.fromarray(scene()).save(file, "TIFF", tiffinfo=tags, dpi=(300, 300))
    open_picture(page, file.getvalue(), "photo.tiff")
    picture = page.locator("#picture")
    size = picture.evaluate("i => [i.naturalWidth, i.naturalHeight]")
    assert size == [WIDTH, HEIGHT]
    load_mask(page, box(80, 60, 110, 90), "TIFF")
    hole = marked(page)
    assert (hole == box(80, 60, 110, 90)).all()
    fill(page)
    expect(picture).to_have_js_property("naturalWidth", WIDTH)
    press(page, "Compare")
    expect(page.locator("#before")).to_be_visible()
    name, data = saved(page)
    assert name == "photo-filled-1.tiff"
    with Image.open(io.BytesIO(data)) as found:
        assert isinstance(found, TiffImagePlugin.TiffImageFile)
        assert found.tag_v2[270] == "a scene"
        assert round(found.info["dpi"][0]) == 300
    filled = decoded(data)
    assert (filled[~hole] == scene()[~hole]).all()
    assert (filled[hole] != scene()[hole]).any(axis=-1).mean() > 0.9


def test_another_try_differs_by_its_seed_alone(page: "Page") -> None:
    page.evaluate(LISTEN_FOR_JOBS)  # the driver is not told of a form that has files
    open_picture(page, encoded(scene()))
    brush(page, *STROKE)
    fill(page)
    for words in ("(try 2)", "(try 3)"):
        press(page, "Another try")
        says(page, words)
    press(page, "Refine")  # the same try, with another pass
    says(page, "(try 3, refined once)")
    asked = [{}, {"seed": "1"}, {"seed": "2"}, {"seed": "2", "refine": "1"}]
    assert page.evaluate("asked") == [{"method": "tiny", **more} for more in asked]


def test_what_the_sliders_say_is_asked(page: "Page") -> None:
    page.evaluate(LISTEN_FOR_JOBS)
    open_picture(page, encoded(scene()))
    brush(page, *STROKE)
    page.get_by_label("Feather").fill("12")
    page.get_by_label("Refining passes").fill("2")
    fill(page)
    assert page.evaluate("asked") == [{"method": "tiny", "feather": "12", "refine": "2"}]


def test_what_has_one_answer_is_not_tried_again(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    brush(page, *STROKE)
    page.get_by_label("Fill with").select_option("telea")
    fill(page)
    for name in ("Another try", "Refine"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()


def test_before_and_after_are_compared_by_a_divider_and_by_holding(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    brush(page, *STROKE)
    fill(page)
    before, divider = page.locator("#before"), page.get_by_role("slider", name="Before and after")
    expect(before).to_be_hidden()
    press(page, "Compare")
    expect(before).to_be_visible()
    expect(divider).to_be_focused()
    at = int(divider.get_attribute("aria-valuenow") or 0)
    page.keyboard.press("ArrowRight")
    expect(divider).to_have_attribute("aria-valuenow", str(at + 2))
    page.keyboard.press("Home")
    expect(before).to_have_css("clip-path", f"inset(0px {WIDTH}px 0px 0px)")
    page.keyboard.press("c")
    expect(divider).to_be_hidden()
    page.keyboard.down("o")
    expect(before).to_be_visible()
    expect(before).to_have_css("clip-path", "none")
    page.keyboard.up("o")
    expect(before).to_be_hidden()


def test_undo_takes_back_a_fill_and_gives_its_mark_again(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    brush(page, *STROKE)
    hole = marked(page)
    fill(page)
    expect(versions(page)).to_have_count(2)
    original, result = versions(page).nth(0), versions(page).nth(1)
    expect(result).to_have_attribute("aria-current", "true")
    press(page, "Undo")
    expect(original).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("button", name="Fill", exact=True)).to_be_enabled()
    assert (marked(page) == hole).all()
    press(page, "Redo")
    expect(result).to_have_attribute("aria-current", "true")
    press(page, "Undo")
    brush(page, (20, 20), size=10)  # what is new is not lost by a redo
    expect(page.get_by_role("button", name="Redo")).to_be_disabled()
    original.click()
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_hidden()


def test_another_try_and_refining_answer_other_questions(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    brush(page, *STROKE)
    fill(page)
    results = [saved(page)[1]]
    ways = ("(try 2)", "(try 3)", "(try 3, refined once)")
    for name, words in zip(("Another try", "Another try", "Refine"), ways, strict=True):
        press(page, name)
        says(page, words)
        results.append(saved(page)[1])
    assert len(set(results)) == 4
    expect(versions(page)).to_have_count(5)
    known = ~box(62, 52, 128, 98)
    assert all((decoded(result)[known] == scene()[known]).all() for result in results)


def test_letting_go_can_fill_at_once(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    page.get_by_role("switch", name="Fill as soon as I let go").check()
    drag(page, *STROKE)
    says(page, "Filled in")
    expect(versions(page)).to_have_count(2)


def test_transparent_places_are_filled_where_nothing_is_marked(page: "Page") -> None:
    pixels = np.dstack([scene(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    pixels[60:90, 80:110, 3] = 0
    open_picture(page, encoded(pixels))
    fill(page)
    filled = decoded(saved(page)[1])
    assert (filled[..., 3] == 255).all()
    known = pixels[..., 3] == 255
    assert (filled[known] == pixels[known]).all()


def test_progress_is_the_servers_and_cancel_reaches_it(
    browser: "Browser", tiny_bundle: Path
) -> None:
    from playwright.sync_api import expect

    gate = Gate()
    with port_of(devices_of(tiny_bundle, gate)) as at:
        for shown in visit(browser, at):
            open_picture(shown, encoded(scene()))
            brush(shown, *STROKE)
            press(shown, "Fill")
            until(gate.entered.is_set)
            expect(shown.locator("#work-text")).to_contain_text("Filling")
            with shown.expect_response(lambda answer: answer.request.method == "DELETE") as told:
                press(shown, "Cancel")
            gate.opened.set()
            assert told.value.json()["state"] == "cancelled"
            says(shown, "Cancelled")
            expect(shown.locator("#work")).to_be_hidden()
            expect(shown.get_by_role("button", name="Fill", exact=True)).to_be_enabled()


def test_the_bar_shows_how_many_windows_are_done(page: "Page") -> None:
    from playwright.sync_api import expect

    body = json.dumps({"id": "x", "kind": "inpaint", "state": "running", "done": 2, "of": 5})
    kind = "application/json"
    page.route("**/v1/jobs/*", lambda route: route.fulfill(body=body, content_type=kind))
    open_picture(page, encoded(scene()))
    brush(page, *STROKE)
    press(page, "Fill")
    expect(page.locator("#work-text")).to_contain_text("Filling: 2 of 5")
    assert page.locator("#work-bar").evaluate("bar => bar.position") == pytest.approx(0.4)
    press(page, "Cancel")
    says(page, "Cancelled")


def test_a_busy_server_is_asked_again(page: "Page") -> None:
    answers = [429, 200]

    def answer(route: "Route") -> None:
        if answers.pop(0) == 200:
            return route.continue_()
        return route.fulfill(status=429, headers={"Retry-After": "1"}, body="{}")

    page.route("**/v1/jobs", answer)
    open_picture(page, encoded(scene()))
    brush(page, *STROKE)
    press(page, "Fill")
    says(page, "The server is busy")
    says(page, "Filled in")
    assert answers == []


def test_a_token_is_asked_for_and_a_wrong_one_again(browser: "Browser", tiny_bundle: Path) -> None:
    from playwright.sync_api import expect

    with port_of(devices_of(tiny_bundle), token="right") as at:
        for shown in visit(browser, at):
            dialog = shown.get_by_role("dialog", name="This server wants a token")
            for word in ("wrong", "right"):
                expect(dialog).to_be_visible()
                shown.get_by_label("Token", exact=True).fill(word)
                press(shown, "Go on")
            expect(dialog).to_be_hidden()
            open_picture(shown, encoded(scene()))
            brush(shown, *STROKE)
            fill(shown)


def test_what_the_server_refuses_is_said_in_its_sentence(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    press(page, "Invert")
    says(page, "100.0 % of the picture is marked")
    press(page, "Fill")
    expect(page.get_by_role("alert")).to_contain_text("hole")
    expect(page.get_by_role("alert")).to_contain_text(f"{HEIGHT} x {WIDTH}")
    press(page, "Close the message")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_what_is_no_picture_is_refused_and_what_was_open_stays(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    page.locator("#open-file").set_input_files(picture_file("odd.png", b"not a picture"))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("odd.png cannot be shown: picture: is not a picture, want PNG")
    expect(page.locator("#picture")).to_have_attribute("alt", "photo.png")


def test_methods_fill_the_same_hole_side_by_side(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    load_mask(page, box(80, 60, 110, 90))
    page.get_by_role("tab", name="Methods").click()
    page.get_by_role("checkbox", name="navier-stokes").uncheck()
    press(page, "Compare")
    says(page, "3 methods compared")
    figures = page.locator("#methods-grid figure")
    expect(figures).to_have_count(4)
    names = figures.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert names == ["before", "tiny", "telea", "mean"]
    expect(page.locator("#methods-grid img")).to_have_count(4)
    figures.nth(3).get_by_role("button", name="Use this one").click()
    expect(versions(page)).to_have_count(2)
    filled = decoded(saved(page)[1])[60:90, 80:110]
    assert (filled == filled[0, 0]).all()  # the mean is one colour


def test_style_is_transferred_and_becomes_a_version(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    load_mask(page, box(40, 40, 120, 120))
    page.get_by_role("tab", name="Style").click()
    run = page.get_by_role("button", name="Transfer style")
    expect(run).to_be_disabled()
    for seed in (1, 2):
        style = picture_file(f"style-{seed}.png", encoded(scene(seed)[::-1]))
        page.locator("#style-file").set_input_files(style)
        expect(page.locator("#styles li")).to_have_count(seed)
    page.get_by_label("Weight of style-2.png").fill("0.5")
    page.get_by_role("switch", name="Only where it is marked").check()
    run.click()
    says(page, "Painted in")
    expect(versions(page)).to_have_count(2)
    painted = decoded(saved(page)[1])
    outside = ~box(40, 40, 120, 120)
    assert (painted[outside] == scene()[outside]).all()
    assert (painted[~outside] != scene()[~outside]).any()
