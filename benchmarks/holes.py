"""Pictures and their holes for `swapfill evaluate`, as the rows of docs/results.md have them.

python benchmarks/holes.py ../shared/data/val.tar runs/holes
swapfill evaluate runs/holes/free-form/truth --masks runs/holes/free-form/mask \
  --protocol masks --size 0 ...

Of every third picture by name, the first 30: `blob`, at its own size, with something of the form
of an object over 5 to 20 % of it; `free-form`, resized to 512 x 512, with strokes over 10 to 50 %.
"""

import argparse
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from swapfill.masks import Hole
from swapfill.random_holes import blob_hole, free_form_hole

_STEP, _COUNT, _SIDE = 3, 30, 512
_BLOBS, _STROKES = 1, 2  # seeds


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, help="a tar file")
    parser.add_argument("output", type=Path)
    asked = parser.parse_args()
    for index, name, picture in some_of(asked.pictures):
        rng = np.random.default_rng([_BLOBS, index])
        blob = blob_hole(rng, (picture.height, picture.width), (0.05, 0.2))
        write(asked.output / "blob", name, picture, blob)
        rng, square = np.random.default_rng([_STROKES, index]), (_SIDE, _SIDE)
        strokes = free_form_hole(rng, square, (0.1, 0.5))
        resized = picture.resize(square, Image.Resampling.BICUBIC)
        write(asked.output / "free-form", name, resized, strokes)


def some_of(path: Path) -> Iterator[tuple[int, str, Image.Image]]:
    """Read the pictures that are judged: the index, the name, the picture in RGB."""
    with tarfile.open(path) as tar:
        names = sorted(member.name for member in tar if member.isfile())
        for index in range(0, len(names), _STEP)[:_COUNT]:
            held = tar.extractfile(names[index])
            assert held is not None
            picture = Image.open(io.BytesIO(held.read())).convert("RGB")
            yield index, Path(names[index]).stem, picture


def write(folder: Path, name: str, picture: Image.Image, hole: Hole) -> None:
    """Write a picture and its mask, white = hole."""
    for kind, image in (("truth", picture), ("mask", Image.fromarray(hole))):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        image.save(folder / kind / f"{name}.png")


if __name__ == "__main__":
    main()
