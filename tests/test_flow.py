import numpy as np
import pytest

from swapfill.flow import carried_into, completed, flow_between, grey_of, is_cut, warped
from video_files import pattern


def test_a_shift_is_found_and_undone() -> None:
    first, second = pattern(2, 64, 96, step=3.0)
    flow = flow_between(grey_of(second), grey_of(first))
    assert np.abs(np.median(flow[..., 0]) - 3) < 0.3 or np.abs(np.median(flow[..., 0]) + 3) < 0.3
    moved, inside = warped(first, flow)
    middle = np.zeros((64, 96), np.bool_)
    middle[12:-12, 12:-12] = True
    error = np.abs(moved - second)[middle & inside].mean()
    assert error < 2
    assert error < 0.3 * np.abs(first.astype(float) - second)[middle].mean()


def test_what_is_known_stays_and_the_rest_continues_it() -> None:
    values = np.full((30, 41, 2), 2.0, np.float32)
    known = np.zeros((30, 41), np.bool_)
    known[:, :9] = True
    values[~known] = np.nan
    done = completed(values, known)
    assert np.array_equal(done[known], values[known])
    assert np.allclose(done, 2.0)
    assert np.array_equal(completed(values, np.zeros_like(known)), np.zeros_like(values))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1)])
def test_the_smallest_maps_are_completed(size: tuple[int, int]) -> None:
    known = np.zeros(size, np.bool_)
    known[0, 0] = True
    assert np.allclose(completed(np.ones((*size, 1), np.float32), known), 1)


def test_the_hole_moves_with_the_plane_that_is_seen_around_it() -> None:
    grey = grey_of(pattern(1, 80, 100)[0])
    rows, columns = np.mgrid[:80, :100].astype(np.float32)
    truth = np.stack([1 + 0.02 * columns, -2 + 0.03 * rows], axis=-1)
    seen = np.ones((80, 100), np.bool_)
    seen[25:55, 30:70] = False
    flow = np.where(seen[..., None], truth, 9).astype(np.float32)
    assert np.abs(carried_into(flow, grey, seen) - truth).max() < 0.05


def test_where_nothing_moves_alike_flow_goes_on_smoothly() -> None:
    rng = np.random.default_rng(0)
    flow = rng.normal(0, 30, (40, 40, 2)).astype(np.float32)
    seen = np.ones((40, 40), np.bool_)
    seen[15:25, 15:25] = False
    grey = grey_of(pattern(1, 40, 40)[0])
    assert np.array_equal(carried_into(flow, grey, seen), completed(flow, seen))


def test_a_cut_is_told_from_motion_and_from_exposure() -> None:
    first, second = (grey_of(frame) for frame in pattern(2, 64, 64, step=2.0))
    other = 255 - first
    known = np.ones((64, 64), np.bool_)
    assert not is_cut(second, first, known)
    assert not is_cut(
        (first * 0.5 + 60).astype(np.uint8), (first * 0.5 + 90).astype(np.uint8), known
    )
    assert is_cut(other, first, known)
    assert not is_cut(other, first, ~known)
