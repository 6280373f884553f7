"""Make docs/images/style.jpg and docs/images/video.jpg: from the packaged photograph, and drawn.

python benchmarks/pictures.py style
python benchmarks/pictures.py video
"""

import argparse
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_OUTPUT = Path(__file__).parents[1] / "docs" / "images"
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


def style_sheet() -> None:
    """Show the photograph, and below two styles what it becomes."""
    from swapfill.style import Stylist

    content = asset("demo.jpg", "RGB")
    small = content.crop((0, 0, min(content.size), min(content.size))).resize((_SIDE, _SIDE))
    paints = [strokes(), glass()]
    whole = [Stylist.load("default", keep_colours=kept) for kept in (False, True)]
    made = [whole[0](small, paint) for paint in paints] + [whole[1](small, paints[0])]
    sheet = Image.new("RGB", (4 * 300, 300))
    for i, picture in enumerate([small, *made]):
        sheet.paste(picture.resize((300, 300), Image.Resampling.LANCZOS), (300 * i, 0))
    for i, paint in enumerate([*paints, paints[0]], start=1):
        sheet.paste(paint.resize((80, 80), Image.Resampling.LANCZOS), (300 * i, 220))
    sheet.save(_OUTPUT / "style.jpg", quality=88)


def video_sheet() -> None:
    """Let a camera pass over the photograph, and take the model out: four frames of twelve."""
    import av

    from swapfill.video import VideoInpainter

    scene, white = asset("demo.jpg", "RGB"), asset("demo-mask.png", "L")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "masks").mkdir()
        with av.open(str(folder / "in.mkv"), "w") as container:
            stream: Any = container.add_stream("ffv1", rate=12)
            stream.width, stream.height, stream.pix_fmt = 320, 320, "yuv444p"
            for i in range(12):
                box = (190 - 5 * i, 6 + i, 510 - 5 * i, 326 + i)
                white.crop(box).save(folder / "masks" / f"{i:02}.png")
                frame = av.VideoFrame.from_ndarray(np.asarray(scene.crop(box)), "rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        painter = VideoInpainter.load("default")
        painter.fill_clip(folder / "in.mkv", folder / "masks", folder / "out.mkv")
        sheet = Image.new("RGB", (4 * 320, 2 * 320))
        for row, clip in enumerate(("in.mkv", "out.mkv")):
            with av.open(str(folder / clip)) as container:
                for i, frame in enumerate(container.decode(video=0)):
                    if i % 3 == 0:
                        sheet.paste(
                            Image.fromarray(frame.to_ndarray(format="rgb24")),
                            (320 * (i // 3), 320 * row),
                        )
    sheet.save(_OUTPUT / "video.jpg", quality=88)


def main() -> None:
    """Make one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=("style", "video"))
    (style_sheet if parser.parse_args().which == "style" else video_sheet)()


if __name__ == "__main__":
    main()
