import numpy as np
import pytest

from swapfill.variation import preference


def test_the_first_try_prefers_nothing() -> None:
    assert preference(0, 5, 7) is None


def test_a_seed_prefers_the_same_places_again_and_another_seed_others() -> None:
    one, again, other = (preference(seed, 30, 40) for seed in (1, 1, 2))
    assert one is not None
    assert again is not None
    assert other is not None
    assert one.shape == (30, 40)
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, again)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] < 0.5


def test_preferences_change_slowly_so_that_neighbours_follow_them_together() -> None:
    found = preference(3, 62, 62)
    assert found is not None
    assert found.std() > 0.02
    assert abs(found).max() <= 0.12
    assert abs(np.diff(found, axis=0)).max() < 0.03
    assert abs(np.diff(found, axis=1)).max() < 0.03


@pytest.mark.parametrize("sides", [(1, 1), (1, 9), (126, 62)])
def test_a_map_of_any_size_has_the_same_preferences(sides: tuple[int, int]) -> None:
    small, large = preference(5, *sides), preference(5, 2 * sides[0] - 1, 2 * sides[1] - 1)
    assert small is not None
    assert large is not None
    np.testing.assert_allclose(large[::2, ::2], small, atol=1e-6)


def test_any_whole_number_is_a_seed() -> None:
    for seed in (-1, 2**70, 10**30):
        assert preference(seed, 3, 3) is not None
