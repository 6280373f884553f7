"""The measuring process: `python -m swapfill.benching.child CASE`, a row as JSON on stdout.

Each case has a process of its own, so that its memory is its own.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from swapfill.benching.case import Case, Row
from swapfill.benching.clock import timed, watched
from swapfill.benching.forward import Forward
from swapfill.benching.rates import Counter, bytes_rate, copy_rate, numpy_rate, torch_rate
from swapfill.benching.scene import picture, square
from swapfill.benching.steps import LEARNED, STEPS, TimedEngine
from swapfill.config import FEATURE_CHANNELS
from swapfill.errors import ConfigError, DeviceError

_CELL = 4  # pixels a feature cell spans
Steps = dict[str, float]


def measure(case: Case) -> Row:
    """Measure a case in this process; a row that says what is missing if a package is."""
    works = {
        **{"ours": _ours, "curve": _curve, "method": _method},
        **{"forward": _forward, "swap": _swap},
    }
    try:
        return works[case.kind](case)
    except (ConfigError, DeviceError, ModuleNotFoundError) as error:
        return Row(name=case.name, kind=case.kind, missing=str(error))


def _ours(case: Case) -> Row:
    painter, row = _loaded(case)
    fill = partial(_fill, case, picture(case.side), square(case.side, case.hole))
    _add_fillings(row, painter, fill, case)
    if painter.engine.name == "torch":
        counter = Counter()
        fill(type(painter)(TimedEngine(painter.engine, counter), painter.settings))
        row.operations = dict(counter.operations)
    _add_rates(row, case.engine)
    return row


def _curve(case: Case) -> Row:
    painter, row = _loaded(case)
    fill = partial(_fill, case, picture(case.side), square(case.side, case.hole))
    _add_fillings(row, painter, fill, case)
    return row


def _loaded(case: Case) -> tuple[Any, Row]:
    from swapfill.inpainter import Inpainter

    start = time.perf_counter()
    painter = Inpainter.load(case.model, engine=case.engine, device="cpu", precision=case.precision)
    row = Row(name=case.name, kind=case.kind, load=time.perf_counter() - start)
    row.precision = painter.engine.precision
    return painter, row


def _fill(case: Case, pixels: Any, hole: Any, painter: Any) -> None:
    """Fill one picture, or several at once as a folder's are: read by threads, one engine."""
    if case.pictures == 1:
        painter.fill(pixels, hole)
        return
    with painter.shared() as many, ThreadPoolExecutor(case.pictures) as crew:
        list(crew.map(many.fill, [pixels] * case.pictures, [hole] * case.pictures))


def _add_fillings(row: Row, painter: Any, fill: Callable[[Any], None], case: Case) -> None:
    """Measure from file to file, then fillings as a whole, then step by step."""
    if case.pictures == 1:
        with tempfile.TemporaryDirectory() as name:
            files = _written(Path(name), picture(case.side), square(case.side, case.hole))
            row.peak, row.extra = watched(lambda: painter.inpaint_file(*files))
            row.steps = _file_steps(painter, files, case.repeat)
    else:
        row.peak, row.extra = watched(lambda: fill(painter))
    row.seconds, row.processor = timed(lambda: fill(painter), case.repeat)
    _add_steps(row, painter, fill, case.repeat)


def _written(folder: Path, pixels: Any, hole: Any) -> tuple[Path, Path, Path]:
    """Write photo and mask; give their names, and that of what is to be filled."""
    photo, mask = folder / "photo.jpg", folder / "mask.png"
    Image.fromarray(pixels).save(photo, quality=92)
    Image.fromarray(hole.astype(np.uint8) * 255).save(mask)
    return photo, mask, folder / "filled.jpg"


def _file_steps(painter: Any, files: tuple[Path, Path, Path], repeat: int) -> Steps:
    """Time reading photo and mask, and writing what was filled."""
    from swapfill.images import Photograph, read_hole

    def read() -> tuple[Any, Any]:
        photo = Photograph.open(files[0])
        return photo, read_hole(files[1], photo.size)

    filled = painter.fill_photograph(*read())
    return {
        "read": timed(read, repeat).seconds,
        "write": timed(lambda: filled.save(files[2]), repeat).seconds,
    }


def _add_steps(row: Row, painter: Any, fill: Callable[[Any], object], repeat: int) -> None:
    """Time each step of the filling by itself."""
    runs, rests = [], []
    for _ in range(repeat):
        engine = TimedEngine(painter.engine)
        start = time.perf_counter()
        fill(type(painter)(engine, painter.settings))
        took = time.perf_counter() - start
        runs.append(engine.steps)
        rests.append(took - sum(engine.steps[name].seconds for name in LEARNED))
    row.moved = {name: step.moved for name, step in runs[0].items()}
    for name in (name for name in STEPS if name in row.moved):
        row.steps[name] = median(run[name].seconds for run in runs)
    row.steps["rest"] = median(rests)


def _add_rates(row: Row, engine: str) -> None:
    if row.precision == "int8":
        row.multiply = bytes_rate()
    else:
        row.multiply = numpy_rate() if engine == "onnx" else torch_rate(row.precision)
    row.copy_rate = copy_rate()


def _method(case: Case) -> Row:
    from swapfill.evaluation.methods import find
    from swapfill.evaluation.methods.interface import Wanted

    [(method, wanted)] = find([case.name], Wanted(case.name))
    method.describe(wanted)  # says what is missing
    fill = method.load(wanted)
    hole = square(case.side, case.hole)
    known = np.where(hole[..., None], np.uint8(0), picture(case.side))
    memory = watched(lambda: fill(known, hole))
    timing = timed(lambda: fill(known, hole), case.repeat)
    return Row(name=case.name, kind=case.kind, **memory._asdict(), **timing._asdict())


def _forward(case: Case) -> Row:
    forward = Forward(Path(case.file), picture(case.side), square(case.side, case.hole))
    memory = watched(forward)
    timing = timed(forward, case.repeat)
    name = f"{case.name}, network alone, {forward.seen}"
    return Row(name=name, kind=case.kind, **memory._asdict(), **timing._asdict())


def _swap(case: Case) -> Row:
    import torch

    from swapfill.benching.unfold import swap_by_unfold
    from swapfill.patch_swap import patch_swap

    swap = patch_swap if case.name == "gram" else swap_by_unfold
    torch.manual_seed(0)

    def drawn(side: int, hole: int) -> tuple[Any, Any]:
        missing = torch.from_numpy(square(side, hole))[None, None]
        return torch.rand(1, FEATURE_CHANNELS, side, side), missing

    features, hole = drawn(case.side // _CELL, max(1, case.hole // _CELL))
    with torch.inference_mode():
        swap(*drawn(8, 1))  # what libraries load on their first call is no part of it
        memory = watched(lambda: swap(features, hole))
        timing = timed(lambda: swap(features, hole), case.repeat)
        counter = Counter()
        with counter("swap"):
            swapped = swap(features, hole)
    row = Row(name=case.name, kind=case.kind, **memory._asdict(), **timing._asdict())
    row.operations = dict(counter.operations)
    row.moved = {"swap": features.nbytes + swapped.nbytes}
    row.steps = {"swap": timing.seconds}
    _add_rates(row, "torch")
    return row


if __name__ == "__main__":
    sys.stdout.write(measure(Case.model_validate_json(sys.argv[1])).model_dump_json())
