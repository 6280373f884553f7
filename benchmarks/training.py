"""How fast each stage of a chain trains, and how long it waits for pictures.

    python benchmarks/training.py                       # the stages of configs/default.toml
    python benchmarks/training.py --pictures FOLDER     # on pictures of one's own
    python benchmarks/training.py data.workers=4 optim.compile=true   # with other settings

Weights are random: they make no difference to the time. On CUDA the rate at which the card
multiplies large matrices is printed beside, to see how much of it is used.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import nn

from swapfill.training import loop
from swapfill.training.allocator import keep_memory
from swapfill.training.build import build_stage, open_photos, source_of
from swapfill.training.chain import load_chain
from swapfill.training.progress import Progress
from swapfill.training.settings import TrainSettings
from swapfill.training.team import gather

_CONFIG = Path(__file__).parents[1] / "configs" / "default.toml"
_DRAWN = 64  # pictures, of 500 x 400 pixels
_MATRIX = 8192  # rows and columns


def draw_pictures(folder: Path) -> None:
    """Draw JPEG files with the content of no photograph and about the size of one."""
    for seed in range(_DRAWN):
        rng = np.random.default_rng(seed)
        pixels = rng.integers(0, 256, (400, 500, 3), np.uint8)
        picture = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(3))
        picture.save(folder / f"{seed:03}.jpg", quality=90)


def measure(settings: TrainSettings, warmup: int, folder: Path) -> list[Progress]:
    """Train a stage as `swapfill train` does, but for looks; give the steps after the warm-up."""

    def load(network: nn.Module, path: Path) -> None:
        """Leave random weights as they are."""

    team = gather(settings.optim.device)
    stage = build_stage(settings, load, str(team.device))
    stage.join(team)
    photos = open_photos(settings, lambda line: None)
    batches = source_of(settings, photos, rank=team.rank, ranks=team.size, prepare=team.prepare)
    steps: list[Progress] = []
    # Steps that are fetched together share their time: none may lie on both sides.
    loop.run(stage, batches, folder, steps.append, team=team, due=lambda step: step == warmup)
    return steps[warmup:]


def matrix_rate(device: torch.device) -> float:
    """Multiply large bf16 matrices; give how many million million operations a second it does."""
    a, b = (torch.randn(_MATRIX, _MATRIX, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        a @ b
    torch.cuda.synchronize()
    start, times = time.perf_counter(), 50
    for _ in range(times):
        a @ b
    torch.cuda.synchronize()
    return 2 * _MATRIX**3 * times / (time.perf_counter() - start) / 1e12


def row(settings: TrainSettings, name: str, steps: list[Progress]) -> str:
    """Say of a stage how fast it was, as a row of the table."""
    seconds = sum(step.seconds for step in steps)
    waited = sum(step.waited for step in steps) / seconds
    images = settings.optim.batch_size * len(steps) / seconds
    return (
        f"| {name} | {settings.optim.batch_size} x {settings.data.side}² "
        f"| {settings.optim.precision} | {images:.1f} | {1000 * seconds / len(steps):.0f} "
        f"| {waited:.1%} |"
    )


def main() -> None:
    """Measure each stage and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("overrides", nargs="*", help="settings, as of swapfill train")
    parser.add_argument("--config", type=Path, default=_CONFIG, help="of a chain")
    parser.add_argument("--pictures", type=Path, help="a folder; else they are drawn")
    parser.add_argument("--steps", type=int, default=30, help="that are measured")
    parser.add_argument("--warmup", type=int, default=5, help="steps before these")
    given = parser.parse_args()
    keep_memory()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        pictures = given.pictures or folder / "pictures"
        if given.pictures is None:
            pictures.mkdir()
            draw_pictures(pictures)
        total = given.warmup + given.steps
        overrides = [
            f'data.sources=["{pictures}"]',
            "data.validation=[]",
            f"data.cache={folder / 'cache'}",
            f"optim.steps={total}",
            f"optim.until={total}",
            "optim.save_every=1000000",
            *given.overrides,
        ]
        chain = load_chain(given.config, overrides, folder / "run")
        device = gather(chain.links[0].settings.optim.device).device
        print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
        if device.type == "cuda":
            rate = matrix_rate(device)
            print(f"{torch.cuda.get_device_name()}: {rate:.0f} TFLOP/s, bf16, {_MATRIX} squared")
        print("\n| stage | batch | precision | images/s | ms a step | waiting |")
        print("|---|---|---|--:|--:|--:|")
        for link in chain.links:
            steps = measure(link.settings, given.warmup, link.folder)
            print(row(link.settings, link.folder.name, steps), flush=True)


if __name__ == "__main__":
    main()
