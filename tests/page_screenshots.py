"""Makes docs/images/page-*.png: the page with the packaged photograph and the default model.

python tests/page_screenshots.py
"""

import io
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from page_driver import (
    ARGUMENTS,
    CHROMIUM,
    fill,
    on_screen,
    open_picture,
    picture_file,
    press,
    says,
)
from serving import port_of
from swapfill.server.batching import Devices
from swapfill.server.settings import ServeSettings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES = Path(__file__).parent.parent / "docs" / "images"
LARGEST = 250_000  # bytes of a screenshot
MINUTES = 5 * 60_000  # milliseconds; the default model fills on a CPU
DESK: dict[str, Any] = {"viewport": {"width": 1120, "height": 720}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 760}, "has_touch": True}


def main() -> None:
    """Take them all."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=MINUTES)
    with port_of(Devices.load(ServeSettings())) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = _opened(browser, address, "light", DESK)
        page.mouse.move(*on_screen(page, 420, 240))
        _shoot(page, "mark")
        page.get_by_role("tab", name="Methods").click()
        press(page, "Compare")
        says(page, "methods compared")
        page.mouse.move(0, 0)
        _shoot(page, "methods")
        for name, scheme, size in (("compare", "dark", DESK), ("phone", "dark", PHONE)):
            page = _opened(browser, address, scheme, size)
            fill(page)
            press(page, "Compare")
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            _shoot(page, name)
        browser.close()


def _opened(browser: "Browser", address: str, scheme: Any, size: dict[str, Any]) -> "Page":
    """Give the page with the packaged photograph, its hole marked."""
    assets = resources.files("swapfill") / "assets"
    page = browser.new_page(color_scheme=scheme, **size)
    page.set_default_timeout(MINUTES)
    page.goto(f"{address}/")
    open_picture(page, (assets / "demo.jpg").read_bytes(), "demo.jpg")
    mask = picture_file("mask.png", (assets / "demo-mask.png").read_bytes())
    page.locator("#mask-file").set_input_files(mask)
    says(page, "Mask loaded")
    return page


def _shoot(page: "Page", name: str) -> None:
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    with Image.open(io.BytesIO(page.screenshot(animations="disabled"))) as shot:
        # 256 colours, dithered: a third of the bytes, and no difference that matters in a manual.
        full = shot.convert("RGB")
        palette = full.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=2)
        small = full.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    path = IMAGES / f"page-{name}.png"
    small.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {size} bytes")  # noqa: T201
    if size > LARGEST:
        raise SystemExit(f"{path}: it has {size} bytes, want at most {LARGEST}")


if __name__ == "__main__":
    main()
