"""Pictures of any mode, size and hole that property tests draw, and what is known of them."""

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

Hole = NDArray[np.bool_]
Pixels = NDArray[Any]

DEEP = "RGB;16"  # colours of 16 bits, for which Pillow has no mode
# Names without a suffix, each in a folder of its own or not.
_PLACES = ("one", "a/deep er/two words", "a/b.c", "Größe/三", "a/one")
_MODES = {
    ".png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", DEEP),
    ".PNG": ("RGB",),
    ".tif": ("L", "RGB", "CMYK", "I;16", DEEP),
    ".bmp": ("L", "RGB"),
}
_KINDS = ("dot", "row", "corner", "ring", "scattered", "all but one", "none")


class Drawn(NamedTuple):
    """A picture to draw: `name` inside its folder, size (height, width), and its hole's kind."""

    name: str
    mode: str
    size: tuple[int, int]
    kind: str
    seed: int

    def draw(self, photos: Path, masks: Path) -> None:
        """Write the picture, and its mask, a PNG of its stem."""
        photo = photos / self.name
        mask = (masks / self.name).with_suffix(".png")
        for path in (photo, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        _write(photo, self.mode, self.size, np.random.default_rng(self.seed))
        Image.fromarray(self.hole.astype(np.uint8) * 255).save(mask)

    @property
    def hole(self) -> Hole:
        """What the mask says, [H, W]; some pixel is always known."""
        return draw_hole(self.kind, self.size, self.seed)


def draw_hole(kind: str, size: tuple[int, int], seed: int) -> Hole:
    """Draw a hole of one of the kinds that `pictures` draws."""
    rng, (height, width) = np.random.default_rng(seed), size
    row, column = rng.integers(height), rng.integers(width)
    hole = np.zeros(size, np.bool_)
    if kind in ("dot", "all but one"):
        hole[row, column] = True
    elif kind == "row":
        hole[row] = True
    elif kind == "corner":
        hole[: height // 2 + 1, : width // 3 + 1] = True
    elif kind == "ring":
        hole[height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None] = True
        hole[height // 3 : height // 2, width // 3 : width // 2] = False
    elif kind == "scattered":
        hole = rng.random(size) < 0.1
    hole = ~hole if kind == "all but one" else hole
    if hole.all():
        hole[row, column] = False
    return hole


kinds = st.sampled_from(_KINDS)
# Odd sizes, slender ones and those of a single row too.
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@st.composite
def pictures(draw: st.DrawFn) -> list[Drawn]:
    """Draw one to four pictures, of one tree."""
    places = draw(st.lists(st.sampled_from(_PLACES), min_size=1, max_size=4, unique=True))
    drawn = []
    for place in places:
        suffix = draw(st.sampled_from(sorted(_MODES)))
        mode = draw(st.sampled_from(_MODES[suffix]))
        drawn.append(
            Drawn(place + suffix, mode, draw(sizes), draw(kinds), draw(st.integers(0, 9999)))
        )
    return drawn


def _write(path: Path, mode: str, size: tuple[int, int], rng: np.random.Generator) -> None:
    if mode == DEEP:
        pixels = rng.integers(0, 65536, (*size, 3), np.uint16)
        path.write_bytes(cv2.imencode(path.suffix.lower(), pixels)[1].tobytes())
        return
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 65536, size, np.uint16))
    elif mode == "1":
        image = Image.fromarray(rng.random(size) < 0.5)
    else:
        bands = {"LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}.get(mode, 1)
        content = rng.integers(0, 256, (*size, bands), np.uint8)
        # A palette of 13 colours.
        content = content % 13 if mode == "P" else content
        image = Image.frombytes(mode, (size[1], size[0]), content.tobytes())
        if mode == "P":
            image.putpalette(rng.integers(0, 256, 39, np.uint8).tobytes())
    image.save(path)


def samples_of(path: Path) -> tuple[str, Pixels]:
    """Read a picture by other libraries than ours: its mode, and what is to be seen of it."""
    deep = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is not None and deep.dtype == np.uint16 and deep.ndim == 3:
        return DEEP, deep
    with Image.open(path) as image:
        return image.mode, np.asarray(image.convert("RGBA") if image.mode == "P" else image)


def tree_of(folder: Path) -> set[str]:
    """Name the files below a folder, hidden ones and the report left out."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {
        str(name)
        for name in names
        if not name.parts[0].startswith(".") and str(name) != "report.json"
    }
