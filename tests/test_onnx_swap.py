import numpy as np
import pytest

from onnx_models import run_graph
from swapfill.engines.numpy_swap import Copies, match, touching
from swapfill.engines.onnx_swap import patch_swap


@pytest.mark.parametrize(("rows", "columns"), [(9, 12), (12, 7)])
def test_the_graph_swaps_as_the_engine_does(rows: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    asks, keys = rng.integers(-4, 9, (2, 5, rows, columns)).astype(np.float32)
    values = rng.random((3, rows, columns), dtype=np.float32)
    hole = np.zeros((rows, columns), bool)
    hole[3:6, 2:5] = hole[0, 0] = True
    arrays = {"asks": asks, "keys": keys, "values": values, "hole": hole[None]}
    swapped, candidates = run_graph(patch_swap(), {k: a[None] for k, a in arrays.items()})
    found = match(asks, hole, keys)
    pasted = values.copy()
    Copies(hole, found).paste(pasted)
    np.testing.assert_allclose(swapped[0], pasted, atol=1e-6)
    np.testing.assert_array_equal(swapped[0, :, ~hole], values[:, ~hole].T)
    chosen = candidates[touching(hole)]
    np.testing.assert_array_equal(chosen, found.candidate @ (columns - 2, 1))
