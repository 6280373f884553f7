from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation_files import Painter, cases_in, drawn
from swapfill.evaluation import meter as meter_module
from swapfill.evaluation.candidates import Candidate, ResultsCandidate
from swapfill.evaluation.cases import Case
from swapfill.evaluation.figures import score
from swapfill.evaluation.judge import Row, Store, judge
from swapfill.evaluation.meter import Meter
from swapfill.evaluation.methods.interface import Pixels
from swapfill.masks import Hole


class CountingMeter(Meter):
    def __init__(self) -> None:
        super().__init__()
        self.measured = 0

    def measure(self, truth: Pixels, filled: Pixels, hole: Hole) -> dict[str, float]:
        self.measured += 1
        return super().measure(truth, filled, hole)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report"


@pytest.fixture
def cases(report: Path) -> list[Case]:
    return cases_in(report)


def judged(
    candidates: list[Candidate], cases: list[Case], report: Path, meter: Meter | None = None
) -> tuple[list[Row], list[str]]:
    lines: list[str] = []
    rows = judge(
        candidates,
        cases,
        meter or Meter(),
        report,
        on_failure=lines.append,
        on_progress=lambda done, of_all: None,
    )
    return rows, lines


def test_each_picture_has_the_figures_of_what_was_filled(cases: list[Case], report: Path) -> None:
    painter = Painter()
    [row], lines = judged([painter], cases, report)
    assert list(row.figures) == ["p0", "p1"]
    assert (row.failures, lines, painter.closed) == ({}, [], True)
    truth, hole = cases[0].read()
    filled = np.where(hole[..., None], np.uint8(90), truth)
    assert row.figures["p0"] == score(truth, filled, hole) | {"seconds": 0.25, "memory": 3.0}
    with Image.open(report / "results" / "painter" / "p0.png") as kept:
        np.testing.assert_array_equal(np.asarray(kept), filled)


def test_what_is_done_is_not_done_again(cases: list[Case], report: Path) -> None:
    first, meter = Painter(), CountingMeter()
    [before], _ = judged([first], cases, report, meter)
    again = Painter()
    [after], _ = judged([again], cases, report, meter)
    assert (again.filled, meter.measured) == ([], 2)
    assert after.figures == before.figures


def test_other_settings_or_pictures_are_filled_anew(cases: list[Case], report: Path) -> None:
    judged([Painter()], cases, report)
    other = Painter(grey=40)
    [row], _ = judged([other], cases, report)
    assert other.filled == ["p0", "p1"]
    assert row.figures["p0"]["l1_hole"] != 0
    changed = cases_in(report / "again", seed=1, protocol="boxes")
    same = Painter(grey=40)
    judged([same], changed, report)
    assert same.filled == ["p0", "p1"]


def test_other_formulas_measure_anew_but_do_not_fill(
    cases: list[Case], report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged([Painter()], cases, report)
    monkeypatch.setattr(meter_module, "VERSION", 999)
    again, meter = Painter(), CountingMeter()
    [row], _ = judged([again], cases, report, meter)
    assert (again.filled, meter.measured) == ([], 2)
    assert row.figures["p0"]["seconds"] == 0.25


@pytest.mark.parametrize("what", ["p0.png", "p0.json"])
def test_a_run_that_was_killed_goes_on(what: str, cases: list[Case], report: Path) -> None:
    judged([Painter()], cases, report)
    file = report / "results" / "painter" / what
    for damage in (b"", file.read_bytes()[:20]):
        file.write_bytes(damage)
        if what == "p0.png":
            (file.parent / "p0.json").write_text("{}")  # of a record that came after it
        again = Painter()
        [row], _ = judged([again], cases, report)
        assert again.filled == ["p0"]
        assert len(row.figures) == 2
    file.unlink()
    again = Painter()
    judged([again], cases, report)
    assert again.filled == ["p0"]


def test_a_damaged_picture_is_filled_again_when_it_is_needed(
    cases: list[Case], report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged([Painter()], cases, report)
    (report / "results" / "painter" / "p1.png").write_bytes(b"half")
    monkeypatch.setattr(meter_module, "VERSION", 999)
    again = Painter()
    judged([again], cases, report)
    assert again.filled == ["p1"]


def test_a_failure_is_named_and_tried_again_next_time(cases: list[Case], report: Path) -> None:
    [row, fine], lines = judged([Painter(fails=("p0",)), Painter("fine")], cases, report)
    assert row.failures == {"p0": "no paint left"}
    assert list(row.figures) == ["p1"]
    assert lines == ["painter: p0: no paint left"]
    assert list(fine.figures) == ["p0", "p1"]
    [row], lines = judged([Painter()], cases, report)
    assert (row.failures, lines) == ({}, [])


def test_a_candidate_is_closed_whatever_happens(cases: list[Case], report: Path) -> None:
    class Broken(Painter):
        def key(self, case: Case) -> str:
            raise RuntimeError("a fault of ours")

    broken = Broken()
    with pytest.raises(RuntimeError):
        judged([broken], cases, report)
    assert broken.closed


def test_progress_counts_all_fillings(cases: list[Case], report: Path) -> None:
    seen: list[tuple[int, int]] = []
    judge(
        [Painter("a"), Painter("b", fails=("p0",))],
        cases,
        Meter(),
        report,
        on_failure=lambda line: None,
        on_progress=lambda done, of_all: seen.append((done, of_all)),
    )
    assert seen == [(i, 4) for i in range(5)]


def test_pictures_of_another_program_are_judged_where_they_are(
    cases: list[Case], report: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    Image.fromarray(drawn(7, 32, 32)).save(theirs / "p0.webp", lossless=True)
    candidate = ResultsCandidate("theirs", theirs)
    [row], _ = judged([candidate], cases[:1], report)
    truth, hole = cases[0].read()
    assert row.figures["p0"] == score(truth, drawn(7, 32, 32), hole)
    np.testing.assert_array_equal(Store(report, candidate).picture(cases[0]), drawn(7, 32, 32))
    assert not (report / "results" / "theirs" / "p0.png").exists()
    Image.fromarray(drawn(8, 32, 32)).save(theirs / "p0.webp", lossless=True)
    [again], _ = judged([ResultsCandidate("theirs", theirs)], cases[:1], report)
    assert again.figures["p0"] == score(truth, drawn(8, 32, 32), hole)
