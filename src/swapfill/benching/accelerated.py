"""What filling costs on one device, a GPU above all, and whether it gives what the CPU gives."""

from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from swapfill.benching.device_clock import Rates, rates_on, settle, timed_on
from swapfill.benching.rates import Counter
from swapfill.benching.scene import picture, square
from swapfill.benching.steps import STEPS, TimedEngine
from swapfill.bundle import Bundle
from swapfill.config import FEATURE_CHANNELS, FillSettings
from swapfill.engines.torch_engine import TorchEngine
from swapfill.fused_swap import find_places, is_fused, swap_maps
from swapfill.patch_swap import PATCH, match, patch_swap, touching
from swapfill.pipeline import fill_windows

_CELL = 8  # pixels a cell of the timed patch-swap spans: 64 x 64 cells of 512 pixels
_MOVED = 61  # pixels that one picture of a batch is shifted by against the one before
_SPLIT = 3  # products of bf16 numbers that make one of fp32 (`fused_swap`)


class Wanted(NamedTuple):
    """What is measured: sides in pixels of each picture and its square hole, and how many."""

    side: int = 512
    hole: int = 224
    pictures: int = 16
    repeat: int = 5
    model: str = "default"
    compiled: bool = False  # the networks through torch.compile, too


class Filling(NamedTuple):
    """All pictures filled at once, from arrays of the host to arrays of the host.

    Seconds are medians; `operations` are of convolutions and products. `largest` and `mean` are
    differences of the first picture from what the CPU fills in fp32, of 1.
    """

    name: str
    precision: str
    seconds: float
    steps: dict[str, float]
    operations: int
    largest: float
    mean: float


class Swap(NamedTuple):
    """One exact patch-swap: its map, and how its copies differ from the CPU's."""

    cells: int
    fused: bool
    seconds: float
    operations: int
    moved: int
    differing: float  # share of the hole's cells that hold another mean of copies
    gap: float  # of cosine: how much better what the CPU took is, at most


class Measured(NamedTuple):
    """All that was measured on one device."""

    device: str
    rates: Rates
    fillings: list[Filling]
    swap: Swap


def measure_on(device: torch.device, wanted: Wanted, tell: Callable[[int, int], None]) -> Measured:
    """Measure one device, told about after each part.

    Args:
        device: that is here.
        wanted: what to measure.
        tell: takes how many parts are done, and of how many.
    """
    ways = [(m, p, c) for m in ("coherent", "literal") for p, c in _precisions(wanted)]
    rates = rates_on(device)
    swap = swap_on(device, wanted)
    truth: dict[str, Any] = {}
    fillings = []
    for number, (matching, precision, compiled) in enumerate(ways):
        tell(number, len(ways))
        if matching not in truth:
            truth[matching] = _filled_by_cpu(wanted, matching)
        fillings.append(filling_on(device, wanted, matching, precision, compiled, truth[matching]))
    tell(len(ways), len(ways))
    return Measured(_name(device), rates, fillings, swap)


def _precisions(wanted: Wanted) -> list[tuple[str, bool]]:
    eager = [("fp32", False), ("bf16", False)]
    return [*eager, ("bf16", True)] if wanted.compiled else eager


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def scene(wanted: Wanted, pictures: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Make windows [B, S, S, 3] in [0, 1], no two alike, and their holes [B, S, S]."""
    whole = picture(wanted.side).astype(np.float32) / 255
    moved = [np.roll(whole, _MOVED * number, axis=1) for number in range(pictures)]
    return np.stack(moved), np.stack([square(wanted.side, wanted.hole)] * pictures)


def _opened(device: str, wanted: Wanted, precision: str, compiled: bool = False) -> TorchEngine:
    return TorchEngine.open(Bundle.open(wanted.model), device, precision, compiled=compiled)


def _settings(wanted: Wanted, matching: str) -> FillSettings:
    return Bundle.open(wanted.model).fill_settings({"matching": matching})


def _filled_by_cpu(wanted: Wanted, matching: str) -> NDArray[np.float32]:
    engine, settings = _opened("cpu", wanted, "fp32"), _settings(wanted, matching)
    return fill_windows(engine, *scene(wanted, 1), settings)


def filling_on(
    device: torch.device,
    wanted: Wanted,
    matching: str,
    precision: str,
    compiled: bool,
    truth: NDArray[np.float32],
) -> Filling:
    """Fill all pictures at once on a device; `truth` is the first one as the CPU fills it."""
    engine = _opened(str(device), wanted, precision, compiled)
    settings, windows = _settings(wanted, matching), scene(wanted, wanted.pictures)

    def fill(by: Any = engine) -> NDArray[np.float32]:
        return fill_windows(by, *windows, settings)

    seconds = timed_on(device, fill, wanted.repeat)
    counter = Counter()
    with counter("all"):
        filled = fill()
    gap = np.abs(filled[:1] - truth)
    return Filling(
        f"{matching}, {precision}{', compiled' if compiled else ''}",
        *(engine.precision, seconds, _steps(device, engine, fill, wanted.repeat)),
        *(counter.operations["all"], float(gap.max()), float(gap.mean())),
    )


def _steps(
    device: torch.device, engine: TorchEngine, fill: Callable[[Any], object], repeat: int
) -> dict[str, float]:
    """Time each step by itself: the device is waited for before and after."""
    runs = []
    for _ in range(repeat):
        timed = TimedEngine(engine, finish=lambda: settle(device))
        fill(timed)
        runs.append(timed.steps)
    names = [name for name in STEPS if name in runs[0]]
    return {name: median(run[name].seconds for run in runs) for name in names}


@torch.inference_mode()
def swap_on(device: torch.device, wanted: Wanted) -> Swap:
    """Time an exact patch-swap of one map, and compare it with the CPU's."""
    cells, missing = wanted.side // _CELL, max(1, wanted.hole // _CELL)
    drawn = torch.Generator().manual_seed(0)
    features = torch.rand(1, FEATURE_CHANNELS, cells, cells, generator=drawn)
    hole = torch.from_numpy(square(cells, missing))[None, None]
    there, its = features.to(device), hole.to(device)
    seconds = timed_on(device, lambda: swap_maps(there, its, there), wanted.repeat)
    found, expected = swap_maps(there, its, there).cpu(), patch_swap(features, hole)
    wrong = ((found - expected).abs().amax(dim=1, keepdim=True) > 1e-5) & hole
    asking = min(cells, missing + 2 * (PATCH - 1))
    kept = _SPLIT if is_fused(device) else 1
    return Swap(
        *(cells, is_fused(device), seconds),
        operations=2 * kept * asking**2 * cells**2 * FEATURE_CHANNELS,
        moved=features.nbytes + hole.nbytes + found.nbytes,
        differing=float(wrong.sum() / hole.sum()),
        gap=_gap(device, features, hole),
    )


def _gap(device: torch.device, features: Tensor, hole: Tensor) -> float:
    """Tell how much better a match of the CPU is than the device's, at most, in cosine."""
    patches = F.normalize(F.unfold(features.double(), PATCH)[0], dim=0)
    asks = patches[:, touching(hole[0]).flatten()]

    def cosine(taken: Tensor) -> Tensor:
        return (asks * patches[:, taken - taken // features.shape[3] * (PATCH - 1)]).sum(dim=0)

    own, best = _taken(features.to(device), hole.to(device)), _taken(features, hole)
    return float((cosine(best) - cosine(own.cpu())).max())


def _taken(features: Tensor, hole: Tensor) -> Tensor:
    """Give the top left cell of what each query takes, in reading order: [N]."""
    if is_fused(features.device):
        places = find_places(features, hole)
        return places[places >= 0].long()
    found = match(features[0], hole[0], features[0]).candidate
    return found[:, 0] * features.shape[3] + found[:, 1]
