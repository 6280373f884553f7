"""Apps around the tiny bundle for tests of the server, in this process or on a port."""

import base64
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from swapfill import pipeline
from swapfill.bundle import Bundle
from swapfill.config import FillSettings
from swapfill.engines import load_engine
from swapfill.engines.interface import Engine
from swapfill.errors import ImageError, MaskError
from swapfill.images import Photograph, read_hole
from swapfill.inpainter import FillWindows, Inpainter
from swapfill.server.app import create_app
from swapfill.server.batching import Device, Devices
from swapfill.server.running import listen, server_of
from swapfill.server.settings import ServeSettings

HERE = "http://127.0.0.1"


def devices_of(folder: Path, fill_windows: FillWindows = pipeline.fill_windows) -> Devices:
    """Load the tiny bundle as the model `tiny`; what fills its windows may be another."""
    painter = Inpainter.load(folder, device="cpu", precision="fp32")
    mine = Inpainter(painter.engine, painter.settings, fill_windows=fill_windows)
    bundle = Bundle.open(folder)

    def load_stylist(model: str) -> Engine[Any]:
        return load_engine("torch", bundle, "cpu", "fp32")

    return Devices([Device({"tiny": mine}, load_stylist)], {"tiny": bundle})


@contextmanager
def client_of(devices: Devices, **settings: Any) -> Iterator[TestClient]:
    """Give a client of an app in this process."""
    app = create_app(ServeSettings.read(settings, "test"), devices)
    with TestClient(app, base_url=HERE) as client:
        yield client


@contextmanager
def port_of(devices: Devices, **settings: Any) -> Iterator[str]:
    """Give the address of an app that a real server runs, in a thread."""
    asked = ServeSettings.read({"port": 0, **settings}, "test")
    with listen(asked) as (listener, address):
        server = server_of(create_app(asked, devices), asked)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            until(lambda: server.started)
            yield address.rstrip("/")
        finally:
            server.should_exit = True
            thread.join(timeout=30)
            assert not thread.is_alive()


class Gate:
    """Fills windows black, once it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, engine: Any, known: Any, hole: Any, settings: FillSettings) -> Any:
        self.entered.set()
        assert self.opened.wait(timeout=20)
        return np.zeros_like(known)


def until(claim: Callable[[], object], seconds: float = 20) -> None:
    """Wait for what another thread is to make true."""
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.005)


def picture(form: str = "PNG", size: tuple[int, int] = (96, 80), seed: int = 0) -> bytes:
    """Make a picture file of noise on a ramp; size is width and height."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(60, 190, size[0])[None, :, None] + np.zeros((size[1], size[0], 3))
    return encoded(np.clip(ramp + rng.normal(0, 12, ramp.shape), 0, 255).astype(np.uint8), form)


def mask(size: tuple[int, int] = (96, 80)) -> bytes:
    """Make a mask file, white about the middle; size is width and height."""
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[size[1] * 3 // 8 : size[1] * 5 // 8, size[0] * 3 // 8 : size[0] * 5 // 8] = 255
    return encoded(pixels, "PNG")


def encoded(pixels: Any, form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def expected(folder: Path, photo: bytes, hole: bytes | None, **settings: Any) -> bytes:
    """Give what the library makes of it."""
    painter = Inpainter.load(folder, device="cpu", precision="fp32", **settings)
    opened = Photograph.from_bytes(photo)
    found = opened.hole_from_alpha() if hole is None else read_hole(hole, opened.size)
    return painter.fill_photograph(opened, found, opaque=hole is None).to_bytes()


CUT = picture()[:-400]  # a file that ends too early


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def filled(client: TestClient, picture: bytes, mask: bytes | None, **options: Any) -> Any:
    files = {"picture": picture} | ({} if mask is None else {"mask": mask})
    return client.post("/v1/inpaint", files=files, data=options)


def refused(answer: Any, status: int, kind: str, *words: str) -> None:
    """Assert that the answer is a problem document of one line that has all the words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "instance"}
    assert (problem["type"], problem["status"]) == (f"urn:swapfill:{kind}", status)
    assert problem["instance"] == f"urn:swapfill:request:{answer.headers['x-request-id']}"
    assert "\n" not in problem["detail"]
    for word in words:
        assert word in problem["detail"]


def sentence_of(data: bytes, mask: bytes | None = None) -> str:
    """Give what the library says of bad input: the command line's sentence."""
    try:
        photo = Photograph.from_bytes(data, "picture")
        read_hole(mask or b"", photo.size, name="mask")
    except (ImageError, MaskError) as error:
        return str(error)
    raise AssertionError("the library takes it")
