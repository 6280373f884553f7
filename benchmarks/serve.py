"""The server under load: many clients at once, some of them with bad input; every answer checked.

    python benchmarks/serve.py                          # 64 clients for 60 seconds
    python benchmarks/serve.py --seconds 10 --clients 16

A server is started on a free port of this machine, in a process of its own. What it answers has to
be, byte for byte, what the library makes of the same picture, and a 4xx for what is bad. Beside it:
the library alone, one picture after the other. Exits with 1 where an answer is wrong, where there
is a 5xx, or where memory grows.
"""

import argparse
import asyncio
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import IO, Any

import httpx2
import numpy as np
from PIL import Image, ImageFilter

from swapfill.images import Photograph, read_hole
from swapfill.inpainter import Inpainter

_SIZES = [(128, 128), (200, 150), (256, 256), (320, 240), (400, 300), (512, 384), (640, 480)]
_FORMATS = ["PNG", "JPEG", "WEBP"]
_BAD = 20  # each so many'th request is bad: 5 %
_UPLOAD = 4  # MiB of a body
_MOST_GROWTH = 1.1  # of resident memory, from the first half of the run to the second


@dataclass(frozen=True)
class Case:
    """A request, and what has to come of it."""

    name: str
    files: dict[str, bytes]
    options: dict[str, str]
    status: int
    answer: bytes = b""


@dataclass
class Outcome:
    """What came of all requests."""

    seconds: list[float] = field(default_factory=list)  # of good ones
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # MB, once a second
    elapsed: float = 0.0  # from the first request to the last answer


def encoded(pixels: Any, form: str) -> bytes:
    """Write a picture file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def drawn(seed: int, size: tuple[int, int], form: str) -> dict[str, bytes]:
    """Draw a picture with texture, and a mask with one hole or two."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    picture = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1 + seed % 3))
    hole = np.zeros((size[1], size[0]), np.uint8)
    for _ in range(1 + seed % 2):
        height, width = size[1] // 5, size[0] // 6
        top, left = rng.integers(0, size[1] - height), rng.integers(0, size[0] - width)
        hole[top : top + height, left : left + width] = 255
    return {"picture": encoded(np.asarray(picture), form), "mask": encoded(hole, "PNG")}


def good_cases(painter: Inpainter) -> tuple[list[Case], float]:
    """Give good requests with the library's answers, and the seconds of one picture alone."""
    cases, start = [], 0.0
    for seed, size in enumerate([_SIZES[0], *_SIZES]):
        if seed == 1:  # the first was for warming up
            start = time.perf_counter()
        files = drawn(seed, size, _FORMATS[seed % len(_FORMATS)])
        photo = Photograph.from_bytes(files["picture"])
        hole = read_hole(files["mask"], photo.size)
        answer = painter.fill_photograph(photo, hole).to_bytes()
        cases.append(Case(f"{size[0]} x {size[1]}", files, {}, 200, answer))
    return cases[1:], (time.perf_counter() - start) / len(_SIZES)


def bad_cases() -> list[Case]:
    """Give requests that have to be refused, each with its status."""
    files = drawn(99, (200, 150), "PNG")
    picture, mask = files["picture"], files["mask"]
    bomb = encoded(np.zeros((9000, 9000), np.uint8), "PNG")
    return [
        Case("truncated", {"picture": picture[:-500], "mask": mask}, {}, 422),
        Case("no picture", {"picture": b"%PDF-1.7", "mask": mask}, {}, 422),
        Case("bomb", {"picture": bomb, "mask": mask}, {}, 413),
        Case("huge", {"picture": bytes((_UPLOAD + 1) << 20), "mask": mask}, {}, 413),
        Case("other mask", drawn(1, (64, 64), "PNG") | {"picture": picture}, {}, 422),
        Case("no picture at all", {"mask": mask}, {}, 422),
        Case("bad option", files, {"grow": "wide"}, 422),
        Case("no such model", files, {"model": "/etc/passwd"}, 422),
    ]


@contextmanager
def server(options: list[str]) -> Iterator[str]:
    """Run `swapfill serve`; gives its address."""
    command = [sys.executable, "-m", "swapfill", "serve", "--port=0", f"--upload={_UPLOAD}"]
    with (
        tempfile.TemporaryFile("a+") as log,
        subprocess.Popen([*command, *options], stderr=log) as process,
    ):
        while not (found := re.search(r"open (http://\S+)/ ", _read(log))):
            if process.poll() is not None:
                sys.exit(f"the server did not start: {_read(log)}")
            time.sleep(0.1)
        try:
            yield found[1]
        finally:
            process.terminate()


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def in_turn(cases: list[Case]) -> Iterator[Case]:
    """Give requests without end: of every size in turn, and between them of every fault in turn."""
    good = cycle(case for case in cases if case.status == 200)
    bad = cycle(case for case in cases if case.status != 200)
    for number in count():
        yield next(bad if number % _BAD == _BAD // 2 else good)


async def client(
    http: httpx2.AsyncClient, asked: Iterator[Case], end: float, outcome: Outcome
) -> None:
    """Ask until the end, one request after the other."""
    while (start := time.perf_counter()) < end:
        case = next(asked)
        answer = await http.post("/v1/inpaint", files=case.files, data=case.options)
        outcome.statuses[answer.status_code] += 1
        if answer.status_code == 429:
            await asyncio.sleep(float(answer.headers["retry-after"]))
        elif answer.status_code != case.status:
            outcome.wrong.append(f"{case.name}: {answer.status_code}, want {case.status}")
        elif case.status == 200:
            outcome.seconds.append(time.perf_counter() - start)
            if answer.content != case.answer:
                outcome.wrong.append(f"{case.name}: other bytes than the library's")


async def watch(http: httpx2.AsyncClient, outcome: Outcome) -> None:
    """Note the server's memory once a second, until this is cancelled."""
    while True:
        told = (await http.get("/metrics")).text
        found = re.search(r"^process_resident_memory_bytes (\S+)$", told, re.MULTILINE)
        if found:  # not on every system
            outcome.memory.append(float(found[1]) / 1e6)
        await asyncio.sleep(1)


async def load(address: str, cases: list[Case], clients: int, seconds: float) -> Outcome:
    """Ask as many clients would."""
    outcome = Outcome()
    limits = httpx2.Limits(max_connections=clients + 1)
    async with httpx2.AsyncClient(base_url=address, timeout=600, limits=limits) as http:
        for case in cases:  # what is loaded when it is first needed
            await http.post("/v1/inpaint", files=case.files, data=case.options)
        start = time.perf_counter()
        watching = asyncio.create_task(watch(http, outcome))
        asked = in_turn(cases)
        asking = (client(http, asked, start + seconds, outcome) for _ in range(clients))
        await asyncio.gather(*asking)
        outcome.elapsed = time.perf_counter() - start
        watching.cancel()
    return outcome


def figures(outcome: Outcome, alone: float) -> dict[str, Any]:
    """Give what is printed."""
    first, second = np.array_split(outcome.memory, 2) if len(outcome.memory) > 1 else ([0], [0])
    p50, p99 = np.percentile(outcome.seconds, [50, 99]) if outcome.seconds else (0, 0)
    return {
        "requests": dict(sorted(outcome.statuses.items())),
        "wrong": len(outcome.wrong),
        "pictures_per_second": round(len(outcome.seconds) / outcome.elapsed, 3),
        "pictures_per_second_one_at_a_time": round(1 / alone, 3),
        "p50_seconds": round(float(p50), 3),
        "p99_seconds": round(float(p99), 3),
        "memory_mb_first_half": round(float(np.max(first)), 1),
        "memory_mb_second_half": round(float(np.max(second)), 1),
    }


def main() -> int:
    """Measure, print, and tell whether all was right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=4)
    asked = parser.parse_args()
    painter = Inpainter.load(asked.model, device=asked.device)
    good, alone = good_cases(painter)
    options = [f"--model={asked.model}", f"--device={asked.device}", f"--workers={asked.workers}"]
    with server(options) as address:
        outcome = asyncio.run(load(address, good + bad_cases(), asked.clients, asked.seconds))
    found = figures(outcome, alone)
    print(json.dumps(found, indent=2))
    for line in sorted(set(outcome.wrong)):
        print(f"wrong: {line}")
    faults = [status for status in outcome.statuses if status >= 500]
    grew = found["memory_mb_second_half"] > _MOST_GROWTH * found["memory_mb_first_half"]
    return 1 if outcome.wrong or faults or grew else 0


if __name__ == "__main__":
    sys.exit(main())
