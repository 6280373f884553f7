import numpy as np
import pytest

from swapfill.evaluation.summary import best, by_share, estimate, summarise


def test_the_interval_is_that_of_the_bootstrapped_mean() -> None:
    values = np.random.default_rng(0).normal(5, 2, 200)
    found = estimate(values.tolist(), seed=1, resamples=4000)
    assert found.mean == pytest.approx(values.mean())
    half = 1.96 * values.std() / np.sqrt(len(values))  # what the normal distribution says
    assert found.high - found.mean == pytest.approx(half, rel=0.1)
    assert found.mean - found.low == pytest.approx(half, rel=0.1)
    assert (found.median, found.most, found.count) == (np.median(values), values.max(), 200)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [1.0, 2.0, 4.0]
    assert estimate(values, 3, 500) == estimate(values, 3, 500)
    assert estimate(values, 3, 500) != estimate(values, 4, 500)


def test_one_picture_has_an_interval_of_no_width() -> None:
    found = estimate([7.0], 0, 100)
    assert (found.low, found.mean, found.high) == (7, 7, 7)


def test_a_figure_is_summarised_over_the_pictures_that_have_it() -> None:
    pictures = {
        "a": {"changed": 2.0, "seconds": 1.0, "l1_hole": 3.0},
        "b": {"changed": 5.0, "seconds": 9.0},
        "c": {"changed": 0.0, "seconds": 2.0},
    }
    found = summarise(pictures, 0, 100)
    assert list(found) == ["l1_hole", "changed", "seconds"]
    assert (found["l1_hole"].count, found["changed"].count) == (1, 3)
    assert found["l1_hole"].shown("l1_hole") == 3
    assert found["changed"].shown("changed") == 5  # the largest
    assert found["seconds"].shown("seconds") == 2  # the median


def test_pictures_are_grouped_by_the_share_that_is_missing() -> None:
    found = by_share({"a": 0.3, "b": 0.19, "c": 0.1, "d": 0.35})
    assert found == {"10-20 %": ["b", "c"], "30-40 %": ["a", "d"]}
    assert list(found) == ["10-20 %", "30-40 %"]


@pytest.mark.parametrize(
    ("key", "names"), [("l1_hole", ["a"]), ("ssim_hole", ["c"]), ("sharpness", ["b"])]
)
def test_the_best_is_low_or_high_or_near_1(key: str, names: list[str]) -> None:
    assert best({"a": 0.3, "b": 0.9, "c": 1.2}, key) == names


def test_ties_are_all_best_unless_all_are_equal() -> None:
    assert best({"a": 1.0, "b": 1.0, "c": 2.0}, "l1_hole") == ["a", "b"]
    assert best({"a": 1.0, "b": 1.0}, "l1_hole") == []
    assert best({"a": 1.0}, "l1_hole") == []
    assert best({}, "l1_hole") == []
