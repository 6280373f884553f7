"""The report's page, in a browser where one is installed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evaluation_files import Painter, cases_in
from swapfill.evaluation import page as page_module
from swapfill.evaluation.judge import Store, judge
from swapfill.evaluation.meter import Meter
from swapfill.evaluation.outcome import Told, outcome_of
from swapfill.evaluation.page import html_of
from swapfill.evaluation.settings import EvaluateSettings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
HOSTILE = "</script><b>x"


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of two candidates and four pictures, of which one of them fails one."""
    folder = tmp_path_factory.mktemp("report")
    cases = cases_in(folder, 4, protocol="boxes")
    candidates = [Painter("light", grey=200), Painter("dark", grey=20, fails=("p0",))]
    rows = judge(
        candidates,
        cases,
        Meter(),
        folder,
        on_failure=lambda line: None,
        on_progress=lambda done, of_all: None,
    )
    told = Told(HOSTILE, "swapfill evaluate", Meter().settings, {"bad": "odd"}, ["no VGG"])
    outcome = outcome_of(rows, cases, EvaluateSettings(protocol="boxes"), told)
    shows = {row.candidate.name: Store(folder, row.candidate).picture for row in rows}
    return html_of(outcome, cases, shows)


def test_it_loads_nothing_and_lets_nothing_be_loaded(html: str) -> None:
    assert "default-src 'none'" in html
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sources
    assert all(source.startswith(("data:image/webp;base64,", "#")) for source in sources)
    assert "url(" not in html
    assert "@import" not in html
    assert HOSTILE not in html


def test_many_pictures_are_smaller_and_very_many_are_not_all_shown() -> None:
    assert page_module._room(20, 10) == (512, 300)
    assert page_module._room(60, 10) == (384, 300)
    assert page_module._room(177, 12) == (256, 250)
    assert page_module._room(900, 10) == (256, 300)


def test_pictures_are_reduced_never_enlarged() -> None:
    small, large = (np.zeros((side, side // 2, 3), np.uint8) for side in (40, 400))
    assert page_module._embedded(large, 40) == page_module._embedded(small, 100)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: "Browser", html: str, tmp_path: Path) -> "Iterator[Page]":
    """The page, opened; what its script or its policy complain of fails the test."""
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    opened = browser.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("request", lambda request: complaints.append(request.url[:60]))
    opened.goto(path.as_uri())
    yield opened
    opened.close()
    assert [c for c in complaints if not c.startswith(("file:", "data:"))] == []


def order(page: "Page") -> list[str]:
    rows = page.locator("#grid tr")
    names: list[str] = rows.evaluate_all("rows => rows.map(row => row.dataset.picture)")
    return names


def test_the_browser_shows_tables_pictures_sorting_and_zoom(page: "Page") -> None:
    # One test, since a page takes a browser a second: what a person sees, from the top down.
    _see_tables(page)
    _see_pictures(page)
    _sort(page)
    _zoom(page)


def _see_tables(page: "Page") -> None:
    table = page.locator("#methods table").first
    assert table.locator("tbody tr").count() == 2
    assert table.locator("tbody th").all_inner_texts() == ["light", "dark"]
    assert table.locator("tbody tr").nth(1).locator("td").nth(1).inner_text() == "1"  # failed
    assert table.locator(".best").count() > 0
    assert "do not compare" in page.locator("#methods").inner_text()
    assert "no VGG" in page.locator("#methods").inner_text()
    assert page.locator("#shares table").count() > 5
    assert "dark: p0: no paint left" in page.locator("#failures").inner_text()
    assert "bad, not judged at all: odd" in page.locator("#failures").inner_text()
    settings = page.locator("#settings").inner_text()
    for word in ("window", "padding", "data_range", "colour_space", "seed", "scikit-image"):
        assert word in settings


def _see_pictures(page: "Page") -> None:
    pictures = page.locator("#grid img")
    assert pictures.count() == 4 * 4 - 1
    page.wait_for_function("[...document.querySelectorAll('#grid img')].every(i => i.complete)")
    widths = pictures.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert widths == [32] * 15
    assert page.locator("#grid td", has_text="failed").count() == 1


def _sort(page: "Page") -> None:
    assert order(page) == ["p0", "p1", "p2", "p3"]
    values: dict[str, Any] = page.evaluate(
        "Object.fromEntries(Object.entries(data.pictures).map(([k, v]) => [k, v.light.l1_hole]))"
    )
    page.select_option("#figure", "l1_hole")
    rising = sorted(values, key=lambda name: float(values[name]))
    assert order(page) == rising != ["p0", "p1", "p2", "p3"]
    note = page.locator(f'#grid tr[data-picture="{rising[0]}"] td[data-column="light"] span')
    assert note.inner_text() == f"{values[rising[0]]:.2f} %"
    page.check("#falling")
    assert order(page) == rising[::-1]
    page.select_option("#method", "dark")
    assert order(page)[-1] == "p0"  # it has no figure
    page.uncheck("#falling")
    assert order(page)[-1] == "p0"


def _zoom(page: "Page") -> None:
    """Waits where a browser answers later: a busy one closes a dialog after its key's press."""
    from playwright.sync_api import expect

    zoom, title = page.locator("#zoom"), page.locator("#zoom-title")
    expect(zoom).to_be_hidden()
    button = page.locator("#grid tr").first.locator("td").nth(1).locator("button")
    name = order(page)[0]
    button.focus()
    page.keyboard.press("Enter")
    expect(zoom).to_be_visible()
    expect(title).to_have_text(f"{name}, input")
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text(f"{name}, light")
    expect(page.locator("#zoom-figures")).to_contain_text("SSIM")
    page.keyboard.press("ArrowDown")
    below = f"{order(page)[1]}, light"
    expect(title).to_have_text(below)
    page.keyboard.press("Escape")
    expect(zoom).to_be_hidden()
    expect(page.locator("#grid button:focus img")).to_have_attribute("alt", below)
    button.click()
    expect(zoom).to_be_visible()
    zoom.get_by_role("button").click()
    expect(zoom).to_be_hidden()


@pytest.mark.parametrize(("scheme", "is_light"), [("light", True), ("dark", False)])
def test_it_is_light_or_dark_as_the_reader_wishes(
    browser: "Browser", html: str, scheme: Any, is_light: bool
) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.set_content(html)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.close()
    assert (int(re.findall(r"\d+", colour)[0]) > 128) == is_light
