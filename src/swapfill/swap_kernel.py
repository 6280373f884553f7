"""The kernel of `fused_swap`: box sums, norms and the best candidate of each query, in one pass.

Written in Triton, which comes with PyTorch for CUDA; import this module only where it is there.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from swapfill.patch_swap import PATCH

# Not tuned on a card: four queries share what they read of the products in the first-level cache.
QUERIES, OFFERED = 4, 256


def nearest(products: Tensor, squares: Tensor, places: Tensor, top: int, left: int) -> None:
    """Find the best candidate of each query in a rectangle of one map; of equals the first.

    Args:
        products: of the rectangle's cells [a, b] with all of the map, [a, b, h w], float32.
        squares: each cell's squared norm, [h, w], float32; infinite in the hole.
        places: takes the candidate's top left cell in reading order, [h - 2, w - 2], int32;
            written where a patch of the rectangle touches the hole.
        top: the rectangle's first row.
        left: its first column.
    """
    rows, columns = (length - PATCH + 1 for length in products.shape[:2])
    with torch.cuda.device_of(products):  # Triton takes the current device, whatever it is given
        kernel[(triton.cdiv(rows * columns, QUERIES),)](
            *(products, squares, places, top, left, rows, columns),
            *(*squares.shape, QUERIES, OFFERED),
            enable_fp_fusion=True,  # said, or Triton 3.9 warns that it may become another default
        )


def _nearest(  # type: ignore[no-untyped-def]
    products,
    squares,
    places,
    top,
    left,
    rows,
    columns,
    height,
    width,
    queries: tl.constexpr,
    offered: tl.constexpr,
):
    """Compare `queries` patches with all candidates, `offered` at a time.

    Each lane keeps the best that it has seen; they are compared with each other only at the end.
    A patch that touches the hole has an infinite norm: so queries are known, and no candidates.
    """
    query = tl.program_id(0) * queries + tl.arange(0, queries)
    row, column = query // columns, query % columns
    within = query < rows * columns
    touched = tl.zeros([queries], tl.float32)
    for y in tl.static_range(3):
        for x in tl.static_range(3):
            cell = (top + row + y) * width + left + column + x
            touched += tl.load(squares + cell, mask=within, other=0.0)
    asked = within & (touched == float("inf"))
    best = tl.full([queries, offered], -float("inf"), tl.float32)
    place = tl.zeros([queries, offered], tl.int32)
    last = (height - 2) * width * tl.max(asked.to(tl.int32), axis=0)  # nothing asked: no pass
    for start in range(0, last, offered):
        candidate = start + tl.arange(0, offered)
        whole = (candidate < last) & (candidate % width < width - 2)
        norm = tl.zeros([offered], tl.float32)
        product = tl.zeros([queries, offered], tl.float32)
        for y in tl.static_range(3):
            for x in tl.static_range(3):
                there = candidate + y * width + x
                norm += tl.load(squares + there, mask=whole, other=float("inf"))
                line = ((row + y) * (columns + 2) + column + x) * height * width
                product += tl.load(
                    products + line[:, None] + there[None, :],
                    mask=asked[:, None] & whole[None, :],
                    other=0.0,
                )
        known = norm < float("inf")
        length = tl.sqrt(tl.where(known, norm, 1.0))
        score = product / tl.maximum(length, 1e-20)[None, :]
        score = tl.where(known[None, :], score, -float("inf"))
        better = score > best
        best = tl.where(better, score, best)
        place = tl.where(better, candidate[None, :], place)
    most = tl.max(best, axis=1)
    first = tl.min(tl.where(best == most[:, None], place, height * width), axis=1)
    tl.store(places + (top + row) * (width - 2) + left + column, first, mask=asked)


kernel = triton.jit(_nearest)
