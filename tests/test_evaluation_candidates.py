from pathlib import Path

import pytest
from PIL import Image

from evaluation_files import cases_in, drawn
from swapfill.errors import ConfigError, DataError
from swapfill.evaluation.candidates import MethodCandidate, ResultsCandidate, candidates_of
from swapfill.evaluation.methods import METHODS
from swapfill.evaluation.methods.interface import Wanted
from swapfill.evaluation.worker import FillError


def test_methods_come_before_results(tmp_path: Path) -> None:
    rows = candidates_of(["mean", "telea"], [f"theirs={tmp_path}"], Wanted(""))
    assert [row.name for row in rows] == ["mean", "telea", "theirs"]
    assert [row.keeps for row in rows] == [True, True, False]


def test_the_key_follows_method_settings_and_picture(tmp_path: Path) -> None:
    one, other = cases_in(tmp_path)
    telea, same, mean = (
        MethodCandidate(METHODS[name], Wanted(name)) for name in ("telea", "telea", "mean")
    )
    assert telea.key(one) == same.key(one)
    assert len({telea.key(one), telea.key(other), mean.key(one)}) == 3
    ns = MethodCandidate(METHODS["navier-stokes"], Wanted("navier-stokes"))
    assert ns.settings == telea.settings
    assert ns.key(one) != telea.key(one)


def test_a_method_fills_in_its_process(tmp_path: Path) -> None:
    [case] = cases_in(tmp_path, 1)
    candidate = MethodCandidate(METHODS["mean"], Wanted("mean"))
    try:
        filled = candidate.fill(case).pixels
    finally:
        candidate.close()
    truth, hole = case.read()
    assert (filled[~hole] == truth[~hole]).all()
    assert len({tuple(colour) for colour in filled[hole].tolist()}) == 1


def test_results_that_are_missing_damaged_or_of_another_size_are_named(tmp_path: Path) -> None:
    missing, damaged, small = cases_in(tmp_path, 3)
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "p1.png").write_bytes(b"no picture")
    Image.fromarray(drawn(0, 30, 32)).save(folder / "p2.png")
    candidate = ResultsCandidate("theirs", folder)
    with pytest.raises(FillError, match=r"there is no picture of its name in .*theirs"):
        candidate.fill(missing)
    with pytest.raises(FillError, match=r"p1\.png: is not a picture"):
        candidate.fill(damaged)
    with pytest.raises(FillError, match=r"is 32 x 30 pixels \(width x height\), want 32 x 32"):
        candidate.fill(small)
    assert candidate.key(missing) != candidate.key(damaged)


@pytest.mark.parametrize(
    ("methods", "results", "line"),
    [
        ([], [], "nothing to judge"),
        (["mean", "Mean=x"], [], "Mean stands twice"),
        (["a/b=x"], [], "'a/b' cannot name a row"),
        ([], ["truth=."], "'truth' cannot name a row"),
        ([], ["..=."], r"'\.\.' cannot name a row"),
        ([], ["theirs"], "--results is 'theirs', want NAME=FOLDER"),
        (["lama"], [], "'lama' is unknown"),
        (["paper"], [], "no weights of it are packaged"),
    ],
)
def test_rows_that_make_no_sense_are_refused(
    methods: list[str], results: list[str], line: str, tiny_bundle: Path
) -> None:
    methods = [name.replace("=x", f"={tiny_bundle}") for name in methods]
    with pytest.raises(ConfigError, match=line):
        candidates_of(methods, results, Wanted(""))


def test_a_folder_of_results_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        candidates_of([], [f"theirs={tmp_path / 'nowhere'}"], Wanted(""))
