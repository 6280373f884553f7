"""Make the README's pictures by its commands, from what `inputs.py` draws.

python benchmarks/pictures.py many | large | style | video
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import inputs
import numpy as np
import tifffile
from PIL import Image

_OUTPUT = Path(__file__).parents[1] / "docs" / "images"
_SIDE = 256  # pixels; of what a sheet shows


def swapfill(*arguments: str | Path) -> None:
    """Run the command, with the packaged model."""
    subprocess.run([sys.executable, "-m", "swapfill", *arguments], check=True)


def sheet(rows: Sequence[Sequence[Image.Image]], name: str) -> None:
    """Put pictures side by side, and save them."""
    whole = Image.new("RGB", (max(len(row) for row in rows) * _SIDE, len(rows) * _SIDE))
    for down, row in enumerate(rows):
        for across, picture in enumerate(row):
            fitted = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
            whole.paste(fitted, (across * _SIDE, down * _SIDE))
    whole.save(_OUTPUT / name, quality=86)


def many(folder: Path) -> None:
    """Show a folder's photographs, and below what they become."""
    inputs.draw_folder(folder)
    swapfill("inpaint", folder / "photos", folder / "masks", "-o", folder / "filled")
    names = [path.relative_to(folder / "photos") for path in (folder / "photos").rglob("*.*")]
    rows = [[Image.open(folder / part / name) for name in names] for part in ("photos", "filled")]
    sheet(rows, "many.jpg")


def large(folder: Path) -> None:
    """Show a scan whole, its blot at half its size, and dust and scratches pixel by pixel."""
    side = 4900
    inputs.draw_scan(folder, side)
    swapfill("inpaint", folder / "scan.tif", folder / "dust.png", "-o", folder / "restored.tif")
    rows = []
    for name in ("scan.tif", "restored.tif"):
        pixels = (tifffile.imread(folder / name) // 257).astype(np.uint8)
        views = [pixels]
        for left, top, view in ((1270, 2740, 1000), _dustiest(folder / "dust.png")):
            views.append(pixels[top : top + view, left : left + view])
        rows.append([Image.fromarray(view) for view in views])
    sheet(rows, "large.jpg")


def _dustiest(mask: Path) -> tuple[int, int, int]:
    """Find the square without the blot where the most is to be filled: left, top, side."""
    hole = np.asarray(Image.open(mask)) > 0
    hole[2800:3600, 1300:2100] = False
    tiles = hole[: hole.shape[0] // _SIDE * _SIDE, : hole.shape[1] // _SIDE * _SIDE]
    shares = tiles.reshape(len(tiles) // _SIDE, _SIDE, -1, _SIDE).mean(axis=(1, 3))
    top, left = np.unravel_index(shares.argmax(), shares.shape)
    return int(left) * _SIDE, int(top) * _SIDE, _SIDE


def style(folder: Path) -> None:
    """Show the photograph, and below two styles what it becomes."""
    content = inputs.asset("demo.jpg", "RGB")
    content.save(folder / "photo.png")
    paints, made = [inputs.strokes(), inputs.glass()], [content]
    for i, (paint, more) in enumerate(((0, []), (1, []), (0, ["--keep-colours"]))):
        paints[paint].save(folder / "painting.png")
        out = folder / f"{i}.png"
        swapfill("style", folder / "photo.png", folder / "painting.png", "-o", out, *more)
        done = Image.open(out).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        done.paste(paints[paint].resize((80, 80), Image.Resampling.LANCZOS), (0, _SIDE - 80))
        made.append(done)
    sheet([made], "style.jpg")


def video(folder: Path) -> None:
    """Show four frames of twelve, above as they were, below without the model."""
    import av

    inputs.draw_clip(folder)
    swapfill("video", folder / "clip.mp4", folder / "clip-masks", "-o", folder / "filled.mp4")
    rows = []
    for clip in ("clip.mp4", "filled.mp4"):
        with av.open(str(folder / clip)) as container:
            frames = [
                Image.fromarray(frame.to_ndarray(format="rgb24"))
                for frame in container.decode(video=0)
            ]
        rows.append(frames[::3])
    sheet(rows, "video.jpg")


SHEETS: dict[str, Callable[[Path], None]] = {
    "many": many,
    "large": large,
    "style": style,
    "video": video,
}


def main() -> None:
    """Make one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=SHEETS)
    with tempfile.TemporaryDirectory() as folder:
        SHEETS[parser.parse_args().which](Path(folder))


if __name__ == "__main__":
    main()
