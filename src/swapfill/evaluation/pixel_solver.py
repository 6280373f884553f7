"""Methods that optimise pixels: L-BFGS, and what keeps neighbours alike."""

from collections.abc import Callable

import torch
from torch import Tensor


def solve(
    start: Tensor, energy: Callable[[Tensor], Tensor], *, iterations: int, history: int
) -> Tensor:
    """Minimise by L-BFGS with a line search, in all of the iterations (no tolerance ends it).

    Args:
        start: pixels, of any shape.
        energy: of pixels of that shape, a scalar.
        iterations: 0: `start` is given back.
        history: steps that are remembered.

    Returns:
        Pixels of the same shape, clipped to [0, 1].
    """
    # torch's L-BFGS flattens the gradient, which is laid out in memory as the pixels are.
    pixels = start.clone(memory_format=torch.contiguous_format).requires_grad_(True)
    if iterations:
        solver = torch.optim.LBFGS(
            [pixels],
            max_iter=iterations,
            max_eval=2 * iterations + 25,  # a line search asks once or twice, the first one longer
            history_size=history,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            solver.zero_grad()
            # Times their number: means of many pixels have gradients near the least numbers.
            total = energy(pixels) * pixels.numel()
            total.backward()
            return total

        solver.step(closure)
    return pixels.detach().clamp(0, 1)


def variation(image: Tensor, where: Tensor) -> Tensor:
    """Mean squared difference of neighbours of which one at least is in `where`.

    Args:
        image: [B, C, H, W].
        where: [B, 1, H, W], bool.
    """
    total, count = image.new_zeros(()), 0
    for axis in (2, 3):
        last = image.shape[axis] - 1
        touched = where.narrow(axis, 0, last) | where.narrow(axis, 1, last)
        total = total + (image.diff(dim=axis).square() * touched).sum()
        count += int(touched.sum()) * image.shape[1]
    return total / max(count, 1)
