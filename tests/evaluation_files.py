"""What the tests of evaluation share: drawn pictures, holes, a candidate without a process."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill.evaluation.cases import Case, prepare
from swapfill.evaluation.methods.interface import Pixels
from swapfill.evaluation.settings import EvaluateSettings
from swapfill.evaluation.worker import Filled, FillError


def drawn(seed: int = 0, height: int = 48, width: int = 56) -> Pixels:
    """Waves with noise: [H, W, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [128 + 70 * np.sin(x / 5 + seed), 128 + 60 * np.cos(y / 4), 100 + y]
    pixels = np.stack(waves, axis=2) + rng.normal(0, 9, (height, width, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def boxed(height: int = 48, width: int = 56) -> NDArray[np.bool_]:
    hole = np.zeros((height, width), np.bool_)
    hole[12:34, 18:40] = True
    return hole


def photographs(folder: Path, count: int = 2, size: int = 32) -> Path:
    """A folder of pictures p0.png, p1.png, ..."""
    folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(drawn(i, size, size)).save(folder / f"p{i}.png")
    return folder


def cases_in(folder: Path, count: int = 2, **settings: Any) -> list[Case]:
    """Cases of drawn pictures of 32 x 32 with the paper's hole, laid out in `folder`."""
    asked = EvaluateSettings(**{"size": 32, **settings})
    failures: dict[str, str] = {}
    data = photographs(folder / "data", count)
    cases = prepare(
        str(data), asked, folder, on_failure=failures.__setitem__, say=lambda line: None
    )
    assert not failures
    return cases


class Painter:
    """A candidate that paints holes in one grey, and counts; it fails on the pictures named."""

    about = "paints"

    def __init__(self, name: str = "painter", grey: int = 90, fails: tuple[str, ...] = ()) -> None:
        self.name, self.grey, self.fails = name, grey, fails
        self.settings: dict[str, Any] = {"grey": grey}
        self.keeps = True
        self.filled: list[str] = []
        self.closed = False

    def key(self, case: Case) -> str:
        return hashlib.sha256(f"{self.grey} {case.digest}".encode()).hexdigest()

    def fill(self, case: Case) -> Filled:
        if case.name in self.fails:
            raise FillError("no paint left")
        self.filled.append(case.name)
        truth, hole = case.read()
        pixels = np.where(hole[..., None], np.uint8(self.grey), truth)
        return Filled(pixels, seconds=0.25, memory=3_000_000)

    def close(self) -> None:
        self.closed = True
