"""What is judged: pictures and their holes, by a protocol, laid out for every method alike."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from swapfill.errors import DataError, MaskError, SwapfillError
from swapfill.evaluation.methods.interface import Pixels
from swapfill.evaluation.pictures import PictureFolder, read_png, same_or_written, to_bytes
from swapfill.evaluation.settings import SMALLEST, EvaluateSettings
from swapfill.images import Photograph, read_hole
from swapfill.masks import Hole
from swapfill.random_holes import box_hole, centre_hole, free_form_hole
from swapfill.training.held import Held
from swapfill.training.sources import held_in, places_of

_WHITE = 255
OnFailure = Callable[[str, str], None]  # a picture's name, and what is wrong with it


@dataclass(frozen=True)
class Case:
    """A picture and its hole, as files of the report."""

    name: str  # such as "street/0042", of the picture's place in its source
    truth: Path
    mask: Path
    size: tuple[int, int]  # height and width
    share: float  # of pixels that are missing
    digest: str  # of the pixels of both

    def read(self) -> tuple[Pixels, Hole]:
        """Read the picture, [H, W, 3], and its hole, [H, W]."""
        return read_png(self.truth), read_png(self.mask)[..., 0] > 0


def prepare(
    data: str,
    settings: EvaluateSettings,
    folder: Path,
    *,
    masks: Path | None = None,
    on_failure: OnFailure,
    say: Callable[[str], None],
) -> list[Case]:
    """Read the pictures, make their holes, and write both as PNG for any program to use.

    Args:
        data: a folder, a list (.txt) or a tar file of pictures.
        settings: size, holes, seed.
        folder: the report's; `truth/` and `mask/` are made in it.
        masks: a folder of masks, white = hole, each of the name and size of its picture.
        on_failure: is told of a picture that cannot be judged.
        say: is told what is fetched from a server.

    Raises:
        DataError: the source cannot be read, or holds no picture.
    """
    cases: list[Case] = []
    drawn = PictureFolder(masks) if masks else None
    count = 0
    for index, (name, held) in enumerate(_named(data, settings, folder, say)):
        count += 1
        try:
            truth, hole = _read(held, name, index, settings, drawn)
        except (SwapfillError, OSError) as error:
            on_failure(name, " ".join(str(error).split()))
            continue
        cases.append(_laid_out(folder, name, truth, hole))
    if not count:
        raise DataError(f"{data}: holds no pictures, want a folder, a list or a tar file of them")
    return cases


def _named(
    data: str, settings: EvaluateSettings, folder: Path, say: Callable[[str], None]
) -> Iterator[tuple[str, Held]]:
    """Give the pictures, each under a name of its own."""
    found = (held for place in places_of([data]) for held in held_in(place, folder / "shards", say))
    taken: set[str] = set()
    for held in islice(found, settings.limit or None):
        own = PurePosixPath(held.file.name) if held.name == str(held.file) else held.name
        # A tar file may name anything: what leads out of a folder is left out.
        parts = [part for part in PurePosixPath(own).parts if part not in ("..", "/")]
        stem = str(PurePosixPath(*parts).with_suffix(""))
        name, again = stem, 2
        while name.lower() in taken:  # a.jpg beside a.png; and some systems know no capitals
            name, again = f"{stem}~{again}", again + 1
        taken.add(name.lower())
        yield name, held


def _read(
    held: Held, name: str, index: int, settings: EvaluateSettings, masks: PictureFolder | None
) -> tuple[Pixels, Hole]:
    photo = Photograph.from_bytes(held.read(), name)
    truth = to_bytes(photo.rgb)
    hole = _paired(name, masks, photo.size) if masks else None
    if settings.size:
        size = (settings.size, settings.size)
        truth = np.asarray(Image.fromarray(truth).resize(size, Image.Resampling.BICUBIC))
        if hole is not None:
            hole = np.asarray(Image.fromarray(hole).resize(size, Image.Resampling.NEAREST))
    if min(truth.shape[:2]) < SMALLEST:
        found = f"{truth.shape[1]} x {truth.shape[0]} pixels"
        raise DataError(f"{name}: is {found}, want at least {SMALLEST} a side")
    if hole is None:
        hole = _drawn(settings, index, truth.shape[:2])
    if not hole.any() or hole.all():
        raise MaskError(f"{name}: its mask is {'all' if hole.all() else 'no'} hole, want a part")
    return truth, hole


def _drawn(settings: EvaluateSettings, index: int, size: tuple[int, ...]) -> Hole:
    """Make a hole that depends on the settings, the picture's index and its size alone."""
    if settings.protocol == "paper":
        return centre_hole(settings.size)
    rng = np.random.default_rng([settings.seed, index])
    share = settings.shares[index % len(settings.shares)]
    draw = free_form_hole if settings.protocol == "free-form" else box_hole
    return draw(rng, (size[0], size[1]), share)


def _paired(name: str, masks: PictureFolder, size: tuple[int, int]) -> Hole:
    path = masks.find(name)
    if path is None:
        raise MaskError(f"{name}: there is no mask of its name")
    return read_hole(path, size)


def _laid_out(folder: Path, name: str, truth: Pixels, hole: Hole) -> Case:
    paths = [folder / kind / f"{name}.png" for kind in ("truth", "mask")]
    mask = np.where(hole, np.uint8(_WHITE), np.uint8(0))
    for path, pixels in zip(paths, (truth, mask), strict=True):
        same_or_written(path, pixels)
    content = repr(truth.shape).encode() + truth.tobytes() + np.packbits(hole).tobytes()
    digest = hashlib.sha256(content).hexdigest()
    size = (hole.shape[0], hole.shape[1])
    return Case(name, paths[0], paths[1], size, float(hole.mean()), digest)
