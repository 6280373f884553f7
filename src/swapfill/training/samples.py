"""A sheet of pictures: truth | incomplete | filled | result, a row a picture."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from swapfill.errors import OutputError
from swapfill.files import write_bytes_atomically
from swapfill.training.data import Batch

Pixels = npt.NDArray[np.uint8]

_FILL = 0.5  # the grey that a hole is shown in


def sheet_of(batch: Batch, filled: Tensor | None = None) -> Pixels:
    """Lay out a batch, a row a picture, [B * H, columns * W, 3].

    Args:
        batch: the truth and the holes.
        filled: what a network painted, [B, 3, H, W] in [0, 1]; without it there are two columns.
    """
    columns = [batch.truth, torch.where(batch.hole, _FILL, batch.truth)]
    if filled is not None:
        columns += [filled, torch.where(batch.hole, filled, batch.truth)]
    rows = torch.cat(columns, dim=3)  # [B, 3, H, columns * W]
    sheet = torch.cat(list(rows), dim=1).permute(1, 2, 0)
    return (sheet * 255).round().clamp(0, 255).byte().cpu().numpy()


def write_sheet(path: Path, pixels: Pixels) -> None:
    """Write a sheet as a PNG; its folder is made.

    Raises:
        OutputError: it cannot be written.
    """
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made: {error.strerror}") from None
    write_bytes_atomically(path, out.getvalue())
