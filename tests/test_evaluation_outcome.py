import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from evaluation_files import Painter, cases_in
from swapfill.evaluation.judge import judge
from swapfill.evaluation.meter import Meter
from swapfill.evaluation.outcome import Told, machine, outcome_of, versions
from swapfill.evaluation.settings import EvaluateSettings
from swapfill.evaluation.tables import csv_of, text_of


@pytest.fixture
def outcome(tmp_path: Path) -> dict[str, Any]:
    """Two candidates on three pictures, one of which one of them fails."""
    cases = cases_in(tmp_path, 3, protocol="boxes", shares=[(0.05, 0.1), (0.2, 0.3)])
    candidates = [Painter("whole"), Painter("partly", grey=200, fails=("p1",))]
    rows = judge(
        candidates,
        cases,
        Meter(),
        tmp_path,
        on_failure=lambda line: None,
        on_progress=lambda done, of_all: None,
    )
    told = Told(
        "data", "swapfill evaluate", Meter().settings, {"bad": "no picture"}, ["no VGG"], {}
    )
    return outcome_of(rows, cases, EvaluateSettings(protocol="boxes", size=32), told)


def test_it_is_json_and_says_what_figures_depend_on(outcome: dict[str, Any]) -> None:
    found = json.loads(json.dumps(outcome, allow_nan=False))
    assert found["measured"]["data_range"] == 255
    assert "11 x 11" in found["measured"]["ssim"]["window"]
    assert "mirrored" in found["measured"]["ssim"]["padding"]
    assert "RGB" in found["measured"]["colour_space"]
    assert found["settings"]["seed"] == 0
    assert {"swapfill", "torch", "numpy", "scikit-image"} <= found["versions"].keys()
    assert found["left_out"] == ["no VGG"]
    assert found["failures"] == {"bad": "no picture"}


def test_a_method_has_its_estimates_and_failures(outcome: dict[str, Any]) -> None:
    whole, partly = outcome["methods"]
    assert (whole["count"], partly["count"]) == (3, 2)
    assert partly["failures"] == {"p1": "no paint left"}
    values = [p["figures"]["whole"]["l1_hole"] for p in outcome["pictures"]]
    l1 = whole["figures"]["l1_hole"]
    assert l1["mean"] == l1["shown"] == pytest.approx(sum(values) / 3)
    assert l1["low"] <= l1["mean"] <= l1["high"]
    assert outcome["best"]["l1_hole"] == ["whole"]
    assert outcome["best"]["seconds"] == []
    assert [figure["key"] for figure in outcome["figures"]][-2:] == ["seconds", "memory"]


def test_shares_have_figures_of_their_own(outcome: dict[str, Any]) -> None:
    groups = outcome["methods"][0]["by_share"]
    assert list(groups) == ["0-10 %", "20-30 %"]
    assert groups["0-10 %"]["l1_hole"]["count"] == 2
    values = outcome["pictures"][1]["figures"]["whole"]
    assert groups["20-30 %"]["l1_hole"]["mean"] == pytest.approx(values["l1_hole"])
    assert outcome["methods"][1]["by_share"]["20-30 %"] == {}


def test_the_csv_has_a_line_for_each_filling_failed_ones_too(outcome: dict[str, Any]) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_of(outcome))))
    assert [(line["method"], line["picture"]) for line in lines] == [
        (method, f"p{i}") for method in ("whole", "partly") for i in range(3)
    ]
    assert float(lines[0]["l1_hole"]) == outcome["pictures"][0]["figures"]["whole"]["l1_hole"]
    assert (lines[4]["failure"], lines[4]["l1_hole"]) == ("no paint left", "")
    assert (lines[0]["height"], lines[0]["width"]) == ("32", "32")


def test_the_text_has_a_line_for_each_method(outcome: dict[str, Any]) -> None:
    outcome["methods"][0]["sets"] = {"fid": 12.345678}
    head, whole, partly = text_of(outcome).splitlines()
    assert head.split()[:5] == ["method", "n", "failed", "l1", "%"]
    assert head.endswith("FID")
    assert whole.split()[:3] == ["whole", "3", "0"]
    assert whole.endswith("12.35")
    assert partly.split()[:3] == ["partly", "2", "1"]
    assert len(head) == len(whole) == len(partly)


def test_versions_and_machine_are_told() -> None:
    assert versions()["python"].startswith("3.")
    assert machine()["cores"] >= 1
