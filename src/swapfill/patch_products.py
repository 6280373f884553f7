"""Inner products of 3x3 patches: one Gram matrix of cells, then a box sum along its diagonal.

A pair of patches costs the product of one pair of cells and four sums, not nine products.
"""

from collections import deque
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

PATCH = 3
# Floats of the Gram matrix that are held at once: 8 MB.
_BLOCK = 2_000_000


def flat_rows(part: Tensor, keys: Tensor) -> Iterator[Tensor]:
    """Give the inner products of the patches of `part` with those of `keys`, a row at a time.

    A map as one line is added faster. The last two of each w are sums that run over a row's end, or
    0: finite, but nothing.

    Args:
        part: [C, a, b].
        keys: [C, h, w].

    Yields:
        [b - 2, (h - 2) * w], for each of a - 2 rows of patches: 4 MB at 512 px.
    """
    height, width = keys.shape[1:]
    products_with = _product(keys)
    step = max(1, _BLOCK // (part.shape[2] * height * width))
    last = (height - PATCH + 1) * width - PATCH + 1
    summed: deque[Tensor] = deque(maxlen=PATCH)  # over columns, of the last three rows of cells
    for cells in part.split(step, dim=1):
        with torch.autocast(part.device.type, enabled=False):  # bf16 loses up to 6e-3 of cosine
            gram = products_with(cells)
        for row in gram:  # [b, h * w]
            over_columns = row[:-2, :-2] + row[1:-1, 1:-1]
            over_columns += row[2:, 2:]
            summed.append(over_columns)
            if len(summed) == PATCH:
                first, second, third = summed
                product = first.new_empty(len(first), last + PATCH - 1)
                product[:, last:] = 0
                inner = product[:, :last]
                torch.add(first[:, :last], second[:, width : width + last], out=inner)
                inner += third[:, 2 * width : 2 * width + last]
                yield product


def _product(keys: Tensor) -> Callable[[Tensor], Tensor]:
    """Give what multiplies cells [C, a, b] with those of `keys` [C, h, w]: to [a, b, h * w]."""
    if keys.device.type == "cpu" and torch.get_num_threads() == 1:
        # What a convolution does too with one thread, but copies all weights each time.
        table = keys.flatten(1).contiguous()
        return lambda cells: (cells.flatten(1).T @ table).unflatten(0, cells.shape[1:])
    # As a channels_last 1x1 convolution: oneDNN's kernel, 2.3 x MKL's `@` in fp32 on AMD.
    weight = keys.flatten(1).T.contiguous()[:, :, None, None]

    def product(cells: Tensor) -> Tensor:
        held = cells[None].contiguous(memory_format=torch.channels_last)
        return F.conv2d(held, weight)[0].permute(1, 2, 0)

    return product
