from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from evaluation_files import Painter, cases_in
from swapfill.evaluation.judge import Row
from swapfill.evaluation.methods.interface import Pixels
from swapfill.evaluation.sets import compare_all, compare_sets, discernibility


def features(count: int, shift: float = 0.0, seed: int = 0) -> torch.Tensor:
    made = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return (made + shift).double()


def test_fid_is_that_of_its_definition() -> None:
    a, b = features(40), features(40, 0.5, 1) * 1.5
    mean = ((a.mean(0) - b.mean(0)) ** 2).sum()
    one, other = np.cov(a.T.numpy()), np.cov(b.T.numpy())
    root = np.trace(np.real(sqrtm(one @ other)))
    wanted = float(mean) + np.trace(one) + np.trace(other) - 2 * root
    assert compare_sets(a, b, ["fid"], 0) == {"fid": pytest.approx(wanted, rel=1e-4)}


def test_kid_is_that_of_its_definition() -> None:
    a, b = features(30), features(30, 0.5, 1)  # no more than a subset has: all are in each

    def kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x @ y.T / 6 + 1) ** 3

    n = len(a)
    own = sum((kernel(x, x).sum() - kernel(x, x).trace()) / (n * (n - 1)) for x in (a, b))
    wanted = float(own - 2 * kernel(a, b).mean())
    assert compare_sets(a, b, ["kid"], 0)["kid"] == pytest.approx(wanted)


def test_the_global_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    compare_sets(features(8), features(8, 1), ["kid"], 0)
    assert torch.equal(torch.rand(1), wanted)


def test_sets_that_a_plane_parts_fool_nobody() -> None:
    assert discernibility(features(50), features(50, 20, 1)) == (0, 0)


def test_sets_that_are_alike_fool_half_of_the_time() -> None:
    paired, unpaired = discernibility(features(2000), features(2000, 0, 1))
    assert paired == pytest.approx(50, abs=6)
    assert unpaired == pytest.approx(50, abs=6)


def test_pairs_are_kept_together() -> None:
    true = features(400)
    worse = true.clone()
    worse[:, 0] -= 0.1  # each a little to the side of the filled: the sets overlap, no pair does
    paired, unpaired = discernibility(true, worse)
    assert paired == 0
    assert unpaired > 30


def test_only_what_is_wanted_is_computed() -> None:
    assert compare_sets(features(8), features(8, 1), ["u-ids"], 0).keys() == {"u-ids"}


def test_each_candidate_is_compared_with_the_truth_of_its_own_pictures(tmp_path: Path) -> None:
    cases, painter = cases_in(tmp_path, 3), Painter()
    row, lone = Row(painter), Row(Painter("lone"))
    row.figures.update({case.name: {} for case in cases[:2]})
    lone.figures[cases[0].name] = {}
    seen: list[tuple[int, int]] = []

    def mean_of(picture: Pixels) -> torch.Tensor:
        return torch.tensor([picture.mean(), picture.std(), 1.0]).double()

    found = compare_all(
        mean_of,
        [row, lone],
        cases,
        {"painter": lambda case: case.read()[0]},
        ["fid"],
        0,
        lambda done, of_all: seen.append((done, of_all)),
    )
    assert found == {"painter": {"fid": pytest.approx(0, abs=1e-4)}}
    assert seen == [(i, 5) for i in range(5)]
