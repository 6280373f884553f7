"""How steady a filled clip is, and how fast it goes: with and without what the frame before says.

    python benchmarks/video.py                      # the packaged photograph under a moving camera
    python benchmarks/video.py --steadiness 0 1 --frames 24 --size 480 854

The camera's motion is known, so is what lies in the hole. Flicker is the mean change, in percent
of white, of the hole from one frame to the next, the latter moved to where the former is, by the
true motion; for the true pixels it is the sensor's noise. Sharpness is the mean size of the
Laplacian, against the truth's.
"""

import argparse
import time
from importlib.resources import as_file, files
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swapfill.bundle import Bundle
from swapfill.engines import load_engine
from swapfill.masks import Hole
from swapfill.video_fill import FrameFiller, VideoSettings
from swapfill.video_steady import Frame

Pixels = NDArray[Any]
_NOISE = 2.0  # of the sensor, in steps of 8 bits


class Shot(NamedTuple):
    """Frames, and the affine motion of each against the scene, [2, 3]."""

    frames: list[Frame]
    motions: list[NDArray[np.float32]]


def shoot(count: int, size: tuple[int, int]) -> Shot:
    """Pan, turn and zoom over the packaged photograph; a hole stands still in the picture."""
    with as_file(files("swapfill") / "assets" / "demo.jpg") as path:
        scene = np.asarray(Image.open(path).convert("RGB"), np.float32)
    height, width = size
    hole = np.zeros(size, np.bool_)
    hole[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = True
    rng, frames, motions = np.random.default_rng(0), [], []
    base = 1.35 * max(height / scene.shape[0], width / scene.shape[1])
    for i in range(count):
        zoom, turn = base * (1 + 0.003 * i), 0.002 * i
        motion = np.array(
            [[zoom, turn, -(20 + 1.4 * i)], [-turn, zoom, -(15 + 0.8 * i)]], np.float32
        )
        seen = cv2.warpAffine(
            scene, motion, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        noisy = seen + rng.normal(0, _NOISE, seen.shape)
        frames.append(Frame(np.rint(noisy).clip(0, 255).astype(np.uint8), hole))
        motions.append(motion)
    return Shot(frames, motions)


def flicker(pictures: list[Pixels], shot: Shot) -> float:
    """Measure the change from frame to frame in the hole, beyond the motion: percent of white."""
    changes, hole = [], shot.frames[0].hole
    for i in range(1, len(pictures)):
        before, after = (np.vstack([m, [0, 0, 1]]) for m in shot.motions[i - 1 : i + 1])
        step = (after @ np.linalg.inv(before))[:2]
        moved = cv2.warpAffine(
            pictures[i - 1].astype(np.float32),
            step,
            hole.shape[::-1],
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        changes.append(np.abs(moved - pictures[i])[hole].mean() / 255)
    return 100 * float(np.mean(changes))


def sharpness(picture: Pixels, hole: Hole) -> float:
    """Give the mean size of the Laplacian of the brightness in the hole."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F))[hole].mean())


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, default=[270, 480], metavar=("H", "W"))
    parser.add_argument("--steadiness", type=float, nargs="+", default=[0, 0.5, 0.8, 1])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    shot = shoot(asked.frames, (asked.size[0], asked.size[1]))
    truth, hole = [frame.pixels for frame in shot.frames], shot.frames[0].hole
    real = sharpness(truth[-1], hole)
    bundle = Bundle.open("default")
    engine = load_engine("auto", bundle, asked.device, "auto")
    print(f"{engine.device}, {engine.precision}, {asked.frames} frames of {truth[0].shape[:2]}")
    print(
        f"{'steadiness':>10} {'flicker %':>9} {'l1 %':>6} {'sharpness':>9} {'pictures/s':>10}"
        f" {'processor s':>11}"
    )
    print(f"{'the truth':>10} {flicker(truth, shot):>9.2f} {0:>6.2f} {1:>9.2f}")
    for steadiness in asked.steadiness:
        settings = VideoSettings(steadiness=steadiness, batch=asked.batch)
        filler = FrameFiller(engine, bundle.config.fill, settings)
        start, worked, results = time.perf_counter(), time.process_time(), []
        for first in range(0, asked.frames, asked.batch):
            results += filler(shot.frames[first : first + asked.batch])
        rate = asked.frames / (time.perf_counter() - start)
        work = (time.process_time() - worked) / asked.frames  # of each picture
        errors = [
            np.abs(a.astype(float) - b)[hole].mean() for a, b in zip(results, truth, strict=True)
        ]
        error, sharp = 100 * float(np.mean(errors)) / 255, sharpness(results[-1], hole) / real
        print(
            f"{steadiness:>10} {flicker(results, shot):>9.2f} {error:>6.2f} {sharp:>9.2f}"
            f" {rate:>10.2f} {work:>11.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
