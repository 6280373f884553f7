"""A run as TensorBoard shows it."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from swapfill.errors import ConfigError
from swapfill.training.progress import Progress
from swapfill.training.samples import Pixels

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

# TensorBoard draws a thousand points of a curve; metrics.jsonl has every step.
_EVERY = 10  # steps


class Events:
    """Losses, learning rate and pace of some steps; figures and sheets of every look."""

    def __init__(self, writer: "SummaryWriter", images: int, last_step: int) -> None:
        self._writer, self._images, self._last_step = writer, images, last_step

    def __call__(self, progress: Progress) -> None:
        """Write down a step if it is time."""
        if progress.step % _EVERY and progress.step != self._last_step:
            return
        scalars = {f"losses/{name}": value for name, value in progress.losses.items()}
        scalars["pace/images a second"] = self._images / max(progress.seconds, 1e-9)
        scalars["pace/share of waiting"] = progress.waited / max(progress.seconds, 1e-9)
        scalars["learning rate"] = progress.rate
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, progress.step)

    def figures(self, step: int, figures: dict[str, float]) -> None:
        """Write down what a look measured."""
        for name, value in figures.items():
            self._writer.add_scalar(f"validation/{name}", value, step)
        self._writer.flush()

    def sheet(self, step: int, pixels: Pixels) -> None:
        """Write down a sheet of samples, [H, W, 3]."""
        self._writer.add_image("samples", pixels, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def open_events(
    folder: Path, step: int, images: int, last_step: int, wanted: bool | Literal["auto"]
) -> Events | None:
    """Open an events file in a run's folder; what TensorBoard knows of later steps is dropped.

    Args:
        folder: of the run.
        step: at which it starts or goes on.
        images: a step.
        last_step: of the run.
        wanted: `"auto"` is true where the package tensorboard is installed.

    Raises:
        ConfigError: it is wanted and not installed.
    """
    if wanted is False:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        if wanted == "auto":
            return None
        raise ConfigError(
            "validation.tensorboard is true and tensorboard is not installed, want "
            "pip install 'swapfill[train]'"
        ) from None
    writer = SummaryWriter(str(folder), purge_step=step + 1)
    return Events(writer, images, last_step)
