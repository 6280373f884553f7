"""The tab of results: what this page has made, and folders that were filled elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING

from page_driver import (
    address,
    box,
    browser,
    brush,
    encoded,
    fill,
    load_mask,
    open_picture,
    page,
    picture_file,
    saved,
    says,
    scene,
    versions,
)

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

__all__ = ["address", "browser", "page"]  # fixtures

STROKE = ((85.0, 75.0), (105.0, 75.0))


def write(folder: Path, **pictures: bytes) -> Path:
    """Write files into a folder; `__` in a name is a folder below it."""
    for name, data in pictures.items():
        path = folder / f"{name.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def cards(page: "Page") -> "Locator":
    """Give what the tab shows of a folder."""
    return page.get_by_role("list", name="A folder of results").get_by_role("listitem")


def show(page: "Page", field: str, folder: Path) -> None:
    page.get_by_role("tab", name="Results").click()
    page.locator(field).set_input_files(folder)


def test_results_of_all_pictures_are_kept_and_gone_on_from(page: "Page") -> None:
    from playwright.sync_api import expect

    for name in ("photo.png", "other.png"):
        open_picture(page, encoded(scene()), name)
        brush(page, *STROKE)
        fill(page)
    page.get_by_role("tab", name="Results").click()
    cards = page.get_by_role("tabpanel", name="Results").get_by_role("listitem")
    expect(cards).to_have_count(2)
    expect(cards.first).to_contain_text("other-filled-1.png")
    assert saved(page, "Download photo-filled-1.png")[0] == "photo-filled-1.png"
    cards.last.get_by_role("button", name="Go on", exact=True).click()
    expect(page.locator("#picture")).to_have_attribute("alt", "photo.png")
    expect(versions(page)).to_have_count(2)
    expect(versions(page).nth(1)).to_have_attribute("aria-current", "true")


def test_a_folder_is_shown_beside_its_originals_and_nothing_is_sent(
    page: "Page", tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    before, after = encoded(scene()), encoded(scene(1))
    results = write(tmp_path / "out", a2=after, a10=after, b__a2=after, own=after)
    (results / "report.json").write_text("{}")
    show(page, "#folder-files", results)
    expect(cards(page)).to_contain_text(["a2.png", "a10.png", "b/a2.png", "own.png"])
    says(page, "4 pictures, 0 with the original.")
    originals = write(tmp_path / "photos", a2=before, a10=before, b__a2=before)
    show(page, "#originals-files", originals)
    says(page, "4 pictures, 3 with the original.")
    expect(cards(page).locator("img")).to_have_count(7)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    cards(page).nth(2).get_by_role("button", name="Compare b/a2.png").click()
    expect(page.get_by_role("slider", name="Before and after")).to_be_focused()
    pixel = """id => {
      const pen = document.createElement("canvas").getContext("2d");
      pen.drawImage(document.getElementById(id), 0, 0);
      return [...pen.getImageData(5, 7, 1, 1).data].slice(0, 3);
    }"""
    assert page.evaluate(pixel, "before") == scene()[7, 5].tolist()
    assert page.evaluate(pixel, "picture") == scene(1)[7, 5].tolist()
    assert saved(page) == ("a2.png", after)
    assert [url for url in asked if "/v1/" in url] == []


def test_a_result_of_a_folder_is_gone_on_from(page: "Page", tmp_path: Path) -> None:
    from playwright.sync_api import expect

    show(page, "#folder-files", write(tmp_path / "out", one=encoded(scene())))
    page.get_by_role("button", name="Open one.png").click()
    expect(page.get_by_role("tab", name="Remove")).to_have_attribute("aria-selected", "true")
    load_mask(page, box(80, 60, 110, 90))
    fill(page)
    expect(versions(page)).to_have_count(2)
    assert saved(page)[0] == "one-filled-1.png"


def test_files_that_this_page_has_saved_find_their_originals(page: "Page") -> None:
    from playwright.sync_api import expect

    page.get_by_role("tab", name="Results").click()
    tiff = picture_file("flat.tiff", encoded(scene(), "TIFF"))
    names = ("photo.png", "photo-filled-2.png", "photo-filled-1.png", "other-filled-1.png")
    files = [picture_file(name, encoded(scene())) for name in names]
    page.locator("#some-files").set_input_files([*files, tiff])
    expect(cards(page)).to_contain_text(["flat.tiff", "other-filled", "filled-1", "filled-2"])
    says(page, "4 pictures, 2 with the original.")
    expect(cards(page).first).to_contain_text("not shown by this browser")


def test_what_is_dropped_on_the_tab_is_shown_there(page: "Page") -> None:
    from playwright.sync_api import expect

    drop = """files => {
      const data = new DataTransfer();
      for (const [name, type] of files) data.items.add(new File(["-"], name, { type }));
      document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: data }));
    }"""
    page.get_by_role("tab", name="Results").click()
    page.evaluate(drop, [["a folder", ""]])
    expect(page.get_by_role("alert")).to_contain_text("There are no pictures among these.")
    page.evaluate(drop, [["one.png", "image/png"], ["two.png", "image/png"]])
    expect(cards(page)).to_contain_text(["one.png", "two.png"])
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_large_folder_is_shown_in_parts(page: "Page", tmp_path: Path) -> None:
    from playwright.sync_api import expect

    small = encoded(scene()[:8, :8])
    show(page, "#folder-files", write(tmp_path / "out", **{f"p{i}": small for i in range(65)}))
    expect(cards(page)).to_have_count(60)
    page.get_by_role("button", name="Show 5 of 5 more").click()
    expect(cards(page)).to_have_count(65)
    expect(cards(page).last).to_contain_text("p64.png")
    expect(page.get_by_role("button", name="Show")).to_have_count(0)
