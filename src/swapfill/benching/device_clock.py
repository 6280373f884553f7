"""What a device takes for a piece of work, and what it can do at most: by its own clock."""

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import torch
import torch.nn.functional as F

_WARM = 3  # times that work is done before it is timed: kernels are chosen and compiled meanwhile
_REPEAT = 9
# Rows of the square matrices, and bytes copied: more than the caches hold, where there is time.
_ACCELERATOR, _PROCESSOR = (8192, 1 << 30), (512, 1 << 24)


class Rates(NamedTuple):
    """Operations a second of a large product, by precision, and bytes a second read and written."""

    fp32: float
    bf16: float
    copied: float


def settle(device: torch.device) -> None:
    """Wait until a device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed_on(device: torch.device, work: Callable[[], object], repeat: int) -> float:
    """Do `work` a few times to warm up, then `repeat` times; give the median seconds of these.

    On CUDA by events: from when the device is told to begin until it has done all, the time that it
    waits for the host with it.
    """
    for _ in range(_WARM):
        work()
    settle(device)
    clock = _by_events if device.type == "cuda" else _by_host
    return median(clock(device, work) for _ in range(repeat))


def _by_events(device: torch.device, work: Callable[[], object]) -> float:
    with torch.cuda.device(device):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3


def _by_host(device: torch.device, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@torch.inference_mode()
def rates_on(device: torch.device) -> Rates:
    """Measure a device: large products in fp32 and in bf16, and a large copy.

    PyTorch multiplies by two libraries, in `@` and in convolutions (on CUDA these may round fp32 to
    tf32): the faster one is the device's.
    """
    rows, size = _PROCESSOR if device.type == "cpu" else _ACCELERATOR
    fp32, bf16 = (_product_rate(device, kind, rows) for kind in (torch.float32, torch.bfloat16))
    return Rates(fp32, bf16, _copy_rate(device, size))


def _product_rate(device: torch.device, kind: torch.dtype, rows: int) -> float:
    one = torch.rand(rows, rows, device=device).to(kind)
    image = one[None].unflatten(2, (32, -1)).contiguous(memory_format=torch.channels_last)
    weight = one[:, :, None, None]
    ways: list[Callable[[], object]] = [lambda: one @ one, lambda: F.conv2d(image, weight)]
    return 2 * rows**3 / min(timed_on(device, way, _REPEAT) for way in ways)


def _copy_rate(device: torch.device, size: int) -> float:
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return 2 * size / timed_on(device, lambda: target.copy_(source), _REPEAT)
