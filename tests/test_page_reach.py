"""Who and what the page serves: a keyboard alone, a phone, a screen reader, either light."""

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from page_driver import (
    address,
    box,
    browser,
    encoded,
    load_mask,
    marked,
    on_screen,
    open_picture,
    page,
    saved,
    says,
    scene,
    versions,
    visit,
)
from swapfill import server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["address", "browser", "page"]  # fixtures

PHONE = {"width": 390, "height": 844}
FILES = Path(server.__file__).parent / "page"


def tab_to(page: "Page", selector: str) -> None:
    """Press Tab until something has the focus."""
    for _ in range(60):
        if page.evaluate("selector => document.activeElement?.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {selector}")


def test_a_keyboard_alone_marks_fills_compares_and_downloads(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    page.keyboard.press("r")
    tab_to(page, "#stage")
    page.keyboard.press("Enter")
    says(page, "rectangle down at 96, 80")
    for _ in range(9):
        page.keyboard.press("Control+ArrowRight")
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    says(page, "picture is marked")
    found = marked(page)
    tab_to(page, "#stage")
    page.keyboard.press("Control+Enter")
    says(page, "Filled in")
    page.keyboard.press("c")
    expect(page.get_by_role("slider", name="Before and after")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    with page.expect_download() as waiting:
        page.keyboard.press("Control+s")
    assert waiting.value.suggested_filename == "photo-filled-1.png"
    assert found[81, 97:190].all()
    assert not found[:80].any()
    assert not found[:, :96].any()


def test_escape_forgets_a_shape_that_is_not_finished(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    tab_to(page, "#stage")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Fill", exact=True)).to_be_disabled()
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def test_arrows_walk_through_the_tabs(page: "Page") -> None:
    from playwright.sync_api import expect

    tab_to(page, "[role=tab]")
    for name in ("Style", "Methods", "Results", "Remove"):
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name=name)).to_be_focused()
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
        expect(page.get_by_role("tabpanel")).to_have_count(1)


def test_the_sheet_of_keys_opens_and_closes_by_keys(page: "Page") -> None:
    from playwright.sync_api import expect

    sheet = page.get_by_role("dialog", name="Keyboard")
    page.keyboard.press("?")
    expect(sheet).to_be_visible()
    for words in ("Brush", "hold O", "Ctrl Shift Z", "+"):
        expect(sheet).to_contain_text(words)
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()


def test_every_control_has_a_name_and_what_happens_is_announced(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, input, select, [role=slider], #stage')]
        .filter((one) => !(one.getAttribute('aria-label') || one.labels?.length
          || one.textContent.trim() || one.type === 'file'))
        .map((one) => one.id)"""
    )
    assert nameless == []
    expect(page.get_by_role("status")).to_have_attribute("aria-live", "polite")
    expect(page.get_by_role("status")).to_have_count(1)
    expect(page.get_by_role("radiogroup", name="Tool").get_by_role("radio")).to_have_count(5)


def test_a_phone_shows_all_without_scrolling_sideways_and_draws_by_touch(
    browser: "Browser", address: str
) -> None:
    phone: dict[str, Any] = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    for held in visit(browser, address, **phone):
        open_picture(held, encoded(scene()))
        held.touchscreen.tap(*on_screen(held, 100, 80))
        says(held, "picture is marked")
        held.get_by_role("button", name="Fill", exact=True).tap()
        says(held, "Filled in")
        held.get_by_role("button", name="Compare", exact=True).tap()
        for name in ("Style", "Methods", "Results", "Remove"):
            held.get_by_role("tab", name=name).tap()
            assert held.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert saved(held)[0] == "photo-filled-1.png"


def test_two_fingers_zoom_and_leave_no_mark(browser: "Browser", address: str) -> None:
    phone: dict[str, Any] = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    for held in visit(browser, address, **phone):
        open_picture(held, encoded(scene()))
        before = held.locator("#picture").bounding_box()
        touch = held.context.new_cdp_session(held)
        for kind, apart in (("touchStart", 0), ("touchStart", 40), ("touchMove", 80)):
            points = [{"x": 150, "y": 300, "id": 0}]
            points += [{"x": 150 + apart, "y": 300, "id": 1}] if apart else []
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert before is not None
        wide = "width => document.querySelector('#picture').getBoundingClientRect().width > width"
        held.wait_for_function(wide, arg=before["width"] * 1.8)
        assert held.get_by_role("button", name="Undo").is_disabled()


@pytest.mark.parametrize(("scheme", "is_light"), [("light", True), ("dark", False)])
def test_it_is_light_or_dark_as_the_reader_wishes(
    browser: "Browser", address: str, scheme: str, is_light: bool
) -> None:
    for shown in visit(browser, address, color_scheme=scheme):
        colour = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", colour)[0]) > 128) == is_light


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(page: "Page", event: str) -> None:
    from playwright.sync_api import expect

    give = """([event, base64]) => {
      const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], "given.png", { type: "image/png" }));
      const options = { bubbles: true, cancelable: true };
      document.body.dispatchEvent(event === "drop"
        ? new DragEvent("drop", { ...options, dataTransfer: data })
        : new ClipboardEvent("paste", { ...options, clipboardData: data }));
    }"""
    page.evaluate(give, [event, base64.b64encode(encoded(scene())).decode()])
    expect(page.locator("#picture")).to_have_attribute("alt", "given.png")
    expect(page.locator("#empty")).to_be_hidden()


def test_typing_a_number_is_no_shortcut(page: "Page") -> None:
    from playwright.sync_api import expect

    open_picture(page, encoded(scene()))
    load_mask(page, box(50, 40, 120, 100))
    by = page.get_by_label("Pixels to grow or shrink by")
    by.press("Control+a")
    by.press("Delete")
    by.press("7")
    expect(by).to_have_value("7")
    assert marked(page).sum() == 70 * 60
    expect(versions(page)).to_have_count(1)


def test_the_page_names_nothing_from_elsewhere_and_every_icon_is_there() -> None:
    html = (FILES / "index.html").read_text(encoding="utf-8")
    icons = set(re.findall(r'<symbol id="([^"]+)"', html))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= icons
    for link in re.findall(r'(?:src|href)="(assets/[^"]+)"', html):
        assert (FILES / link.removeprefix("assets/")).is_file()
    for path in FILES.iterdir():
        text = path.read_text(encoding="utf-8")
        allowed = ("http://www.w3.org/2000/svg",)
        assert [u for u in re.findall(r"https?://[^\s\"'<>)]+", text) if u not in allowed] == []
        assert len(text.splitlines()) <= 250
