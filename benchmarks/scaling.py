"""What filling costs: against the hole, the picture, many holes, and a folder of pictures.

    python benchmarks/scaling.py [--only holes,pictures,files,matching,dust,folders] [--most 2048]

Each case runs in a process of its own, which says how long its processor worked for each step (not
how long it took: the machine may be shared) and the most memory it held. Pictures are drawn: the
packaged photograph, enlarged, with noise of single pixels so that no picture compresses to nothing.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image

from swapfill.benching.scaling import exponent
from swapfill.bundle import packaged
from swapfill.inpainter import Inpainter
from swapfill.planning import batches, plan_windows
from swapfill.unfilled import Unfilled

HOLES = (256, 512, 1024, 2048, 4096)  # sides in pixels, each in a picture three times as wide
PICTURES = ((1, 256), (10, 256), (30, 256), (100, 256), (100, 512))  # megapixels, hole's side
# Name, ending, what tifffile is told; 16 bits without that are OpenCV's. Each of 100 megapixels.
FILES: dict[str, tuple[str, dict[str, Any] | None]] = {
    "JPEG": (".jpg", None),
    "PNG": (".png", None),
    "TIFF of 8 bits": (".tif", {"dtype": np.uint8}),
    "TIFF of 16 bits": (".tif", {"dtype": np.uint16}),
    "TIFF of 16 bits, deflated": (
        ".tif",
        {"dtype": np.uint16, "compression": "zlib", "predictor": 2, "rowsperstrip": 4},
    ),
    "TIFF of 16 bits, LZW": (".tiff", None),
    "PNG of 16 bits": (".png", None),
    "TIFF of 16 bits, planes": (".tif", {"dtype": np.uint16, "planarconfig": "separate"}),
    "TIFF of 16 bits, the other byte order": (".tif", {"dtype": np.uint16, "byteorder": ">"}),
    "TIFF of floating point": (".tif", {"dtype": np.float32}),
}
FOLDER = 24  # pictures of 512 x 512
Report = dict[str, float]
Rows = Iterator[tuple[str, Report, float | None]]  # name, figures, pixels of what grows, if it does


def draw(path: Path, side: int, tiff: dict[str, Any] | None = None) -> Path:
    """Draw a square picture, if it is not there, band by band; as TIFF, as tifffile is told."""
    if path.exists():
        return path
    source = Image.open(packaged().parent / "assets" / "demo.jpg").convert("RGB")
    pixels = np.asarray(source.resize((side, side), Image.Resampling.BICUBIC)).copy()
    rng = np.random.default_rng(side)
    for top in range(0, side, 512):
        band = pixels[top : top + 512]
        band[:] = np.clip(band + rng.integers(-12, 13, band.shape, np.int8), 0, 255)
    if "16-bits" in path.name and tiff is None:
        cv2.imwrite(str(path), pixels.astype(np.uint16) * 257)
    elif tiff is None:
        Image.fromarray(pixels).save(path, quality=92, compress_level=1)
    else:
        white = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[tiff["dtype"]]
        deep = pixels * tiff["dtype"](white / 255)
        planes = np.moveaxis(deep, 2, 0) if "planarconfig" in tiff else deep
        how = {name: value for name, value in tiff.items() if name != "dtype"}
        tifffile.imwrite(path, planes, photometric="rgb", **how)
    return path


def draw_mask(path: Path, side: int, hole: int, count: int = 1) -> Path:
    """Draw one square hole a third of the way in, or many small ones anywhere."""
    pixels = np.zeros((side, side), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(count):
        top, left = (side // 3, side // 3) if count == 1 else rng.integers(0, side - hole, 2)
        pixels[top : top + hole, left : left + hole] = 255
    Image.fromarray(pixels).save(path)
    return path


class Meter:
    """Processor seconds of each step, and the most memory held in it, in gigabytes."""

    def __init__(self) -> None:
        self.found: Report = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        start = time.process_time()
        yield
        self.found[f"{name} s"] = round(time.process_time() - start, 2)
        status = Path("/proc/self/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        self.found[f"{name} GB"] = round(int(peak.split()[1]) * 1024 / 1e9, 2)


def fill(photo: str, mask: str, matching: str = "coherent") -> Report:
    """Measure one picture, from file to file."""
    meter = Meter()
    with meter.step("load"):
        painter = Inpainter.load("default", engine="torch", device="cpu", matching=matching)
    with meter.step("read"):
        unfilled = Unfilled.read(Path(photo), Path(mask))
    pieces = plan_windows(unfilled.hole)
    meter.found["windows"] = len(pieces)
    meter.found["batches"] = len(list(batches(pieces, unfilled.size)))
    meter.found["largest"] = max(piece.window.side for piece in pieces)
    with meter.step("fill"):
        filled = unfilled.fill(painter)
    with meter.step("write"):
        filled.save(Path(photo).with_name(f"filled-{Path(photo).name}"))
    return meter.found


def in_child(*arguments: object) -> Report:
    """Run `fill` in a process of its own."""
    command = [sys.executable, __file__, "--child", *(str(argument) for argument in arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Report = json.loads(done.stdout)
    return found


def show(title: str, rows: Rows) -> None:
    """Print a table in Markdown, row by row; in its last line exponents, where sizes are given."""
    print(f"\n### {title}\n", flush=True)
    sized: list[tuple[float, Report]] = []
    for number, (name, row, pixels) in enumerate(rows):
        if number == 0:
            print(f"| | {' | '.join(row)} |\n|---|{'--:|' * len(row)}")
        print(f"| {name} | {' | '.join(f'{value:g}' for value in row.values())} |", flush=True)
        sized += [(pixels, row)] if pixels else []
    if len(sized) > 1:
        fitted = [exponent((pixels, row[cost]) for pixels, row in sized) for cost in sized[0][1]]
        told = ("" if one is None else f"{one:.2f}" for one in fitted)
        print(f"| exponent, of the pixels | {' | '.join(told)} |", flush=True)


def holes(folder: Path, asked: Namespace) -> Rows:
    """Measure holes of growing sides."""
    for hole in (side for side in HOLES if asked.least <= side <= asked.most):
        side = min(3 * hole, 12_000)
        photo = draw(folder / f"{side}.jpg", side)
        mask = draw_mask(folder / "mask.png", side, hole)
        yield f"{hole} px", in_child(photo, mask), hole**2


def pictures(folder: Path, asked: Namespace) -> Rows:
    """Measure one hole in growing pictures."""
    for million, hole in PICTURES:
        side = round((million * 1e6) ** 0.5)
        photo = draw(folder / f"{side}.jpg", side)
        mask = draw_mask(folder / "mask.png", side, hole)
        grows = million if hole == PICTURES[0][1] else None
        yield f"{million} MP, {hole} px", in_child(photo, mask), grows


def files(folder: Path, asked: Namespace) -> Rows:
    """Measure one hole of 512 px in 100 megapixels of each kind, and the same hole alone."""
    mask = draw_mask(folder / "mask.png", 1536, 512)
    if not asked.kind:
        yield "JPEG of 2.4 MP", in_child(draw(folder / "alone.jpg", 1536), mask), None
    mask = draw_mask(folder / "mask.png", 10_000, 512)
    for name in [asked.kind] if asked.kind else FILES:
        ending, tiff = FILES[name]
        photo = draw(folder / f"{name.replace(' ', '-')}{ending}", 10_000, tiff)
        yield name, in_child(photo, mask), None


def matchings(folder: Path, asked: Namespace) -> Rows:
    """Measure carried matches beside the paper's exact search at every scale."""
    for hole in (side for side in (128, 256, 512) if side <= asked.most):
        photo = draw(folder / f"{3 * hole}.jpg", 3 * hole)
        mask = draw_mask(folder / "mask.png", 3 * hole, hole)
        for matching in ("coherent", "literal"):
            yield f"{hole} px, {matching}", in_child(photo, mask, matching), None


def dust(folder: Path, asked: Namespace) -> Rows:
    """Measure hundreds of small holes in one picture."""
    for count in (1, 100, 400):
        photo = draw(folder / "dust.jpg", 2000)
        mask = draw_mask(folder / "mask.png", 2000, 9, count)
        yield f"{count} holes", in_child(photo, mask), None


def folders(folder: Path, asked: Namespace) -> Rows:
    """Measure a folder's throughput in one process and in two, by the clock and the processor."""
    photos = folder / "photos"
    photos.mkdir()
    for number in range(FOLDER):
        draw(photos / f"{number}.jpg", 512)
    mask = draw_mask(folder / "mask.png", 512, 120)
    for jobs in (1, 2):
        out = tempfile.mkdtemp(dir=folder)
        command = [sys.executable, "-m", "swapfill", "inpaint", str(photos), str(mask), "-o", out]
        command += ["--json", "--device", "cpu", "--jobs", str(jobs)]
        before = _processor()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds, worked = json.loads(done.stdout)["seconds"], _processor() - before
        yield (
            f"--jobs {jobs}",
            {
                "seconds": seconds,
                "pictures/s": round(FOLDER / seconds, 3),
                "processor s": round(worked, 1),
                "cores": round(worked / seconds, 2),
            },
            None,
        )


def _processor() -> float:
    """Give the seconds that the processor has worked for ended processes, and for theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


CASES: dict[str, tuple[str, Callable[[Path, Namespace], Rows]]] = {
    "holes": ("The hole's side", holes),
    "pictures": ("The picture's size", pictures),
    "files": ("A hole of 512 px in files of 100 MP", files),
    "matching": ("Carried matches and exact search", matchings),
    "dust": ("Holes of 9 px in 4 MP", dust),
    "folders": (f"A folder of {FOLDER} pictures of 512 x 512, a hole of 120 px each", folders),
}


def main() -> None:
    """Run what is asked for."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--most", type=int, default=max(HOLES), help="the largest hole's side")
    parser.add_argument("--least", type=int, default=0, help="the smallest, of `holes`")
    parser.add_argument("--kind", choices=FILES, help="of `files`: this one only")
    parser.add_argument("--folder", type=Path, help="where pictures are drawn, and kept")
    parser.add_argument("--child", nargs="+", metavar="FILE", help=SUPPRESS)
    asked: Any = parser.parse_args()
    if asked.child:
        print(json.dumps(fill(*asked.child)))
        return
    for name in asked.only.split(","):
        title, rows = CASES[name]
        kept = asked.folder
        with nullcontext(kept) if kept else tempfile.TemporaryDirectory() as folder:
            show(title, rows(Path(folder), asked))


if __name__ == "__main__":
    main()
