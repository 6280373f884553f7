"""Figures of whole sets of pictures, by Inception's features: FID, KID, P-IDS and U-IDS.

All of them are for thousands of pictures. Of some hundreds FID is mostly bias, and a plane in 2048
dimensions parts any two sets of fewer pictures: P-IDS and U-IDS are then 0.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swapfill.evaluation.cases import Case
from swapfill.evaluation.inception import URL, Inception
from swapfill.evaluation.judge import OnProgress, Row
from swapfill.evaluation.methods.interface import Pixels
from swapfill.evaluation.published import fitted, published

KID_SUBSETS, KID_MOST = 100, 1000  # subsets that are drawn, and pictures in each at most

Features = Callable[[Pixels], Tensor]


def inception_features(device: torch.device) -> Features:
    """Load Inception; gives what turns a picture [H, W, 3] into its features, [2048].

    Raises:
        BundleError: its weights cannot be had.
    """
    network = Inception()
    fitted(network, published(URL), URL)
    network.to(device)

    @torch.inference_mode()
    def features(picture: Pixels) -> Tensor:
        planes = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None]
        return torch.as_tensor(network(planes.to(device))[0].cpu())

    return features


def compare_all(
    features: Features,
    rows: Sequence[Row],
    cases: Sequence[Case],
    shows: Mapping[str, Callable[[Case], Pixels]],
    wanted: Sequence[str],
    seed: int,
    on_progress: OnProgress,
) -> dict[str, dict[str, float]]:
    """Compare the set of each candidate's pictures with that of their truths.

    Args:
        features: as `inception_features` gives them.
        rows: the candidates; one with fewer than two pictures is left out.
        cases: the pictures.
        shows: by candidate, what gives its filled picture.
        wanted: some of `figures.SET_FIGURES`.
        seed: of KID's subsets.
        on_progress: is told how many pictures are done, and of how many.

    Returns:
        By candidate, then by figure.
    """
    rows = [row for row in rows if len(row.figures) > 1]
    of_all, done = len(cases) + sum(len(row.figures) for row in rows), 0

    def seen(picture: Pixels) -> Tensor:
        nonlocal done
        on_progress(done, of_all)
        done += 1
        return features(picture)

    truths = {case.name: seen(case.read()[0]) for case in cases}
    found = {}
    for row in rows:
        name, filled = row.candidate.name, [case for case in cases if case.name in row.figures]
        theirs = torch.stack([seen(shows[name](case)) for case in filled])
        true = torch.stack([truths[case.name] for case in filled])
        found[name] = compare_sets(true, theirs, wanted, seed)
    return found


def compare_sets(
    truth: Tensor, filled: Tensor, wanted: Iterable[str], seed: int
) -> dict[str, float]:
    """Compare two sets of features.

    Args:
        truth: of the true pictures, [N, F], N at least 2.
        filled: of the filled ones, [N, F], in the same order.
        wanted: some of `figures.SET_FIGURES`.
        seed: of KID's subsets.
    """
    found: dict[str, float] = {}
    names = set(wanted)
    if "fid" in names:
        found["fid"] = _fid(truth, filled)
    if "kid" in names:
        found["kid"] = _kid(truth, filled, seed)
    if names & {"p-ids", "u-ids"}:
        paired, unpaired = discernibility(truth, filled)
        found |= {k: v for k, v in (("p-ids", paired), ("u-ids", unpaired)) if k in names}
    return found


def discernibility(truth: Tensor, filled: Tensor) -> tuple[float, float]:
    """Give P-IDS and U-IDS, in %: how often a linear SVM is fooled (Zhao et al., 2021).

    The SVM is fitted to these very features, [N, F] each. Paired: the share of pairs whose filled
    picture lies further on the side of the truth. Unpaired: the share of all that lie on the wrong
    side.
    """
    from sklearn.svm import LinearSVC

    both = np.concatenate([truth.numpy(), filled.numpy()])
    is_true = np.repeat([1, 0], len(truth))
    svm = LinearSVC(dual=False).fit(both, is_true)
    there, here = np.split(svm.decision_function(both), 2)
    return 100 * float((here > there).mean()), 100 * (1 - float(svm.score(both, is_true)))


class _AsTheyAre(nn.Module):
    """Stands where torchmetrics would have a network, for features that are there already."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.num_features = count

    def forward(self, features: Tensor) -> Tensor:
        return features


def _fid(truth: Tensor, filled: Tensor) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance

    return float(_told(FrechetInceptionDistance(_AsTheyAre(truth.shape[1])), truth, filled))


def _kid(truth: Tensor, filled: Tensor, seed: int) -> float:
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore", UserWarning)  # that it keeps the features: they are ours
        torch.manual_seed(seed)
        size = min(KID_MOST, len(truth))
        metric = KernelInceptionDistance(
            _AsTheyAre(truth.shape[1]), subsets=KID_SUBSETS, subset_size=size
        )
        return float(_told(metric, truth, filled)[0])


def _told(metric: Any, truth: Tensor, filled: Tensor) -> Any:
    metric.update(truth, real=True)
    metric.update(filled, real=False)
    return metric.compute()
