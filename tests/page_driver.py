"""The page of a real server in a real browser, and hands to use it with."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serving import devices_of, port_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 30_000  # milliseconds; a busy machine answers late
WIDTH, HEIGHT = 192, 160  # pixels of the pictures here
_REFUSED = re.compile(r"Failed to load resource: .* (401|422|429)")  # as Chromium logs an answer


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(tiny_bundle: Path) -> Iterator[str]:
    """Where a server with the tiny bundle listens."""
    with port_of(devices_of(tiny_bundle)) as found:
        yield found


@pytest.fixture
def page(browser: "Browser", address: str) -> "Iterator[Page]":
    """The page, opened; a request to elsewhere, an error or a warning of its own fails the test."""
    yield from visit(browser, address)


def visit(browser: "Browser", address: str, **options: Any) -> "Iterator[Page]":
    """Give the page once, in a context of its own; then assert that nothing was complained of."""
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 760}, **options})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("request", lambda request: complaints.append(request.url[:80]))
    opened.goto(f"{address}/")
    yield opened
    context.close()
    own = (f"{address}/", f"blob:{address}/", "data:")
    heard = [c for c in complaints if not c.startswith(own) and not _REFUSED.match(c)]
    assert heard == []


def scene(seed: int = 0) -> NDArray[np.uint8]:
    """Give a picture to fill: noise on a ramp, and something dark in it."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(60, 190, WIDTH)[None, :, None] + np.zeros((HEIGHT, WIDTH, 3))
    pixels = np.clip(ramp + rng.normal(0, 12, ramp.shape), 0, 255).astype(np.uint8)
    pixels[60:90, 80:110] = (20, 30, 60)
    return pixels


def box(left: int, top: int, right: int, bottom: int, margin: int = 0) -> NDArray[np.bool_]:
    """Give a hole, [H, W], with what lies within a margin around it."""
    there = np.zeros((HEIGHT, WIDTH), bool)
    there[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin] = True
    return there


def encoded(pixels: NDArray[np.uint8], form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def decoded(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def open_picture(page: "Page", data: bytes, name: str = "photo.png") -> None:
    """Open a picture file as the button does, and wait until it is shown."""
    from playwright.sync_api import expect

    page.locator("#open-file").set_input_files(picture_file(name, data))
    expect(page.locator("#picture")).to_have_attribute("alt", name)
    expect(page.locator("#method option")).not_to_have_count(0)
    expect(page.get_by_role("status")).to_contain_text(name)


def picture_file(name: str, data: bytes) -> Any:
    """Give a file as a file dialog would."""
    suffix = name.rsplit(".", 1)[-1].replace("jpg", "jpeg")
    return {"name": name, "mimeType": f"image/{suffix}", "buffer": data}


def load_mask(page: "Page", hole: NDArray[np.bool_], form: str = "PNG") -> None:
    data = encoded((hole * 255).astype(np.uint8), form)
    page.locator("#mask-file").set_input_files(picture_file(f"mask.{form.lower()}", data))
    says(page, "Mask loaded")


def drag(page: "Page", *points: tuple[float, float]) -> None:
    """Press at the first point of the picture, move over the others, let go."""
    places = [on_screen(page, x, y) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


# What opens beside a large picture moves it a little later, on a busy machine.
AT_REST = """() => new Promise((done) => {
    const place = () => JSON.stringify(document.querySelector("#picture").getBoundingClientRect());
    const watch = (last, frames) => requestAnimationFrame(() => {
        const now = place();
        if (now === last && frames === 12) done();
        else watch(now, now === last ? frames + 1 : 0);
    });
    watch(place(), 0);
})"""


def on_screen(page: "Page", x: float, y: float) -> tuple[float, float]:
    page.wait_for_function("document.querySelector('#paper').style.transform !== ''")
    page.evaluate(AT_REST)
    box = page.locator("#picture").bounding_box()
    size = page.locator("#picture").evaluate("i => [i.naturalWidth, i.naturalHeight]")
    assert box is not None
    return box["x"] + x * box["width"] / size[0], box["y"] + y * box["height"] / size[1]


def brush(page: "Page", *points: tuple[float, float], size: int = 40) -> None:
    """Brush with a stroke so many pixels of the picture wide."""
    page.keyboard.press("b")
    set_size(page, size)
    drag(page, *points)
    says(page, "picture is marked")


def set_size(page: "Page", size: int) -> None:
    slide = """(slider, size) => {
      for (let v = 0; v <= 100; v += 0.5) {
        slider.value = String(v);
        slider.dispatchEvent(new Event("input"));
        if (parseInt(document.querySelector("#size-shown").textContent) >= size) return;
      }
    }"""
    page.locator("#size").evaluate(slide, size)


def press(page: "Page", name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def says(page: "Page", words: str) -> None:
    from playwright.sync_api import expect

    expect(page.get_by_role("status")).to_contain_text(words)


def fill(page: "Page") -> None:
    press(page, "Fill")
    says(page, "Filled in")


def saved(page: "Page", name: str = "Download") -> tuple[str, bytes]:
    """Press what saves a file; gives its name and bytes."""
    with page.expect_download() as waiting:
        press(page, name)
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def marked(page: "Page") -> NDArray[np.bool_]:
    """Give what is marked, [H, W], as the saved mask has it."""
    name, data = saved(page, "Save mask")
    assert name == "photo-mask.png"
    return decoded(data)[..., 0] >= 128


def versions(page: "Page") -> "Locator":
    return page.get_by_role("list", name="History").get_by_role("button")
