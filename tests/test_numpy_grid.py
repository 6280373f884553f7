import numpy as np
import pytest

from swapfill.engines import numpy_grid
from swapfill.engines.numpy_grid import nearest


@pytest.mark.parametrize("at_once", [1, 1 << 20])
def test_the_nearest_is_found_and_of_equals_the_first(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_grid, "_AT_ONCE", at_once)
    among = np.array([[0, 4], [0, 0], [2, 2], [0, 2]])
    points = np.array([[0, 1], [0, 3], [5, 5], [0, 0]])
    assert nearest(points, among).tolist() == [1, 0, 2, 1]


def test_nobody_has_no_nearest() -> None:
    assert nearest(np.zeros((0, 2), int), np.array([[0, 0]])).shape == (0,)
