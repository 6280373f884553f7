"""Draw what the README's commands are given, from the packaged photograph.

python benchmarks/inputs.py [FOLDER] [--scan 4900]

photo.jpg mask.png        a photograph, and what is to go from it
photos masks              a folder of photographs, each with scratches, and a mask of each
scan.tif dust.png         16 bits, `--scan` pixels a side, with a blot, scratches and specks of dust
painting.jpg              brush strokes
clip.mp4 clip-masks       a camera that passes over the photograph (where PyAV is installed)
"""

import argparse
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

_SIDE = 512
_NIGHT = (18, 38, 92)
_SWIRLS = (  # from afar to the lights
    (12, 20, 50),
    _NIGHT,
    (32, 70, 140),
    (66, 120, 180),
    (140, 180, 200),
    (200, 215, 190),
    (230, 160, 40),
    (240, 200, 80),
)
_GLASS = (
    (200, 40, 30),
    (240, 190, 40),
    (30, 90, 160),
    (20, 130, 90),
    (240, 240, 220),
    (90, 30, 90),
)
_STROKES = 9000
_PANES = 500
_CROPS = {  # name in the folder: left, top
    "suit.jpg": (20, 250),
    "helmet.jpg": (250, 256),
    "shuttle/model.png": (250, 0),
    "shuttle/flag.png": (0, 60),
    "portrait.jpg": (110, 10),
}
_CROP = 256
_FRAMES = 12
_VIEW = 320  # pixels a side of a frame

Pixels = NDArray[Any]


def asset(name: str, mode: str) -> Image.Image:
    """Read a packaged picture."""
    with as_file(files("swapfill") / "assets" / name) as path, Image.open(path) as image:
        return image.convert(mode)


def strokes() -> Image.Image:
    """Draw brush strokes that circle around seven lights in a night."""
    rng = np.random.default_rng(3)
    image = Image.new("RGB", (_SIDE, _SIDE), _NIGHT)
    draw = ImageDraw.Draw(image)
    lights = rng.uniform(0, _SIDE, (7, 2))
    turns = rng.choice([-1, 1], 7)
    for _ in range(_STROKES):
        at, points = rng.uniform(-10, _SIDE + 10, 2), []
        distance = np.linalg.norm(lights - at, axis=1).min()
        for _ in range(7):
            points.append((float(at[0]), float(at[1])))
            away = at - lights
            pull = turns / ((away**2).sum(axis=1) + 900)
            step = np.array([-(away[:, 1] * pull).sum(), (away[:, 0] * pull).sum()])
            at = at + 4 * step / (np.linalg.norm(step) + 1e-9)
        level = len(_SWIRLS) - 1 - distance / 22 + rng.normal(0, 0.7)
        colour = np.array(_SWIRLS[int(np.clip(level, 0, len(_SWIRLS) - 1))]) + rng.normal(0, 14, 3)
        fill = tuple(int(c) for c in np.clip(colour, 0, 255))
        draw.line(points, fill=fill, width=int(rng.integers(3, 8)), joint="curve")
    return image


def glass() -> Image.Image:
    """Draw panes of coloured glass, leaded."""
    rng = np.random.default_rng(4)
    seeds = rng.uniform(0, _SIDE, (_PANES, 2)).astype(np.float32)
    colours = np.array(_GLASS)[rng.integers(0, len(_GLASS), _PANES)]
    colours = np.clip(colours + rng.normal(0, 15, colours.shape), 0, 255)
    pixels = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    columns = np.arange(_SIDE, dtype=np.float32)
    for row in range(_SIDE):
        away = np.hypot(columns[:, None] - seeds[:, 0], row - seeds[:, 1])
        nearest = np.partition(away, 1, axis=1)
        pixels[row] = colours[away.argmin(axis=1)]
        pixels[row, nearest[:, 1] - nearest[:, 0] < 3] = (15, 12, 10)
    return Image.fromarray(pixels)


def scratches(side: int, count: int, width: int, seed: int) -> Image.Image:
    """Draw scratches that wander, white on black."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    for _ in range(count):
        steps = rng.normal(rng.normal(0, 1, 2), 0.5, (12, 2)).cumsum(axis=0)
        points = rng.uniform(0.15, 0.85, 2) * side + steps * side / 20
        draw.line([(float(x), float(y)) for x, y in points], fill=255, width=width)
    return image


def draw_photo(folder: Path) -> None:
    """Draw one photograph and its mask."""
    asset("demo.jpg", "RGB").save(folder / "photo.jpg", quality=92)
    asset("demo-mask.png", "L").save(folder / "mask.png")


def draw_folder(folder: Path) -> None:
    """Draw a tree of photographs and one of masks."""
    whole = asset("demo.jpg", "RGB")
    for seed, (name, (left, top)) in enumerate(_CROPS.items()):
        photo, mask = folder / "photos" / name, (folder / "masks" / name).with_suffix(".png")
        for path in (photo, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        worn = whole.crop((left, top, left + _CROP, top + _CROP))
        worn.paste((232, 226, 210), mask=(hole := scratches(_CROP, 5, 4, seed)))
        worn.save(photo, quality=92)
        hole.filter(ImageFilter.MaxFilter(9)).save(mask)  # JPEG has smeared the scratch's colour


def draw_scan(folder: Path, side: int) -> None:
    """Draw a large picture of 16 bits with grain, and a mask of what is to go from it."""
    large = asset("demo.jpg", "RGB").resize((side, side), Image.Resampling.BICUBIC)
    rng = np.random.default_rng(0)
    mask = scratches(side, 4, max(side // 800, 1), 7)
    draw = ImageDraw.Draw(mask)
    blot = side * 512 // 4900
    left, top = side * 3 // 10, side * 6 // 10
    draw.ellipse((left, top, left + blot, top + blot), fill=255)
    for x, y, radius in rng.uniform((0, 0, 2), (side, side, 6), (120, 3)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    hole, pixels = np.asarray(mask) > 0, np.empty((side, side, 3), np.uint16)
    for row in range(side):
        grain = rng.normal(0, 1000, (side, 3))
        pixels[row] = np.clip(
            np.asarray(large.crop((0, row, side, row + 1)))[0] * 257.0 + grain, 0, 65535
        )
    pixels[hole] = 62000
    tifffile.imwrite(folder / "scan.tif", pixels, photometric="rgb")
    mask.save(folder / "dust.png")


def draw_clip(folder: Path) -> None:
    """Draw a clip of twelve frames, and a mask of each."""
    import av

    scene, white = asset("demo.jpg", "RGB"), asset("demo-mask.png", "L")
    (folder / "clip-masks").mkdir(exist_ok=True)
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=12, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = _VIEW, _VIEW, "yuv420p"
        for i in range(_FRAMES):
            left, top = 190 - 5 * i, 6 + i
            box = (left, top, left + _VIEW, top + _VIEW)
            white.crop(box).save(folder / "clip-masks" / f"{i:02}.png")
            frame = av.VideoFrame.from_ndarray(np.asarray(scene.crop(box)), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    """Draw everything into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    parser.add_argument("--scan", type=int, default=4900, help="pixels a side of scan.tif")
    asked = parser.parse_args()
    draw_photo(asked.folder)
    draw_folder(asked.folder)
    draw_scan(asked.folder, asked.scan)
    strokes().save(asked.folder / "painting.jpg", quality=92)
    if find_spec("av") is None:
        print("no clip.mp4 without PyAV: pip install '.[video]'")
    else:
        draw_clip(asked.folder)


if __name__ == "__main__":
    main()
