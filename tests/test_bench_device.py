import json
from pathlib import Path

import numpy as np
import pytest
import torch

from swapfill.benching.accelerated import Filling, Measured, Swap, Wanted, scene, swap_on
from swapfill.benching.accelerated_report import (
    accelerated_markdown,
    accelerated_report,
    filling_share,
    swap_share,
)
from swapfill.benching.device_clock import Rates, timed_on
from swapfill.benching.steps import LEARNED
from swapfill.cli import main

CPU = torch.device("cpu")
RATES = Rates(fp32=1e12, bf16=4e12, copied=1e11)


def filled(name: str = "coherent, bf16", seconds: float = 0.03) -> Filling:
    return Filling(name, "bf16", seconds, {"encode": 0.01}, 60_000_000_000, 2 / 255, 0.01 / 255)


def swapped(seconds: float = 0.0004, fused: bool = True) -> Swap:
    return Swap(64, fused, seconds, 400_000_000, 1_000_000, 0.0, 2e-6)


def test_a_share_is_the_time_that_the_device_needs_at_its_peak() -> None:
    assert filling_share(filled(), RATES) == pytest.approx(0.5)  # 15 ms of 30
    assert swap_share(swapped(), RATES) == pytest.approx(0.25)  # 100 us of products
    assert swap_share(swapped(fused=False), RATES) == pytest.approx(1)  # in fp32
    bytes_alone = swapped()._replace(operations=0)
    assert swap_share(bytes_alone, RATES) == pytest.approx(0.025)


def test_the_table_holds_times_against_what_is_wanted_and_the_paper() -> None:
    found = Measured("a card", RATES, [filled()], swapped())
    text = accelerated_markdown(found, Wanted())
    assert "a card: 1 TFLOP/s fp32, 4 TFLOP/s bf16, copying 100 GB/s. 16 pictures" in text
    assert "| coherent, bf16 | 30 | 40, met | 10000 | 50.0% | 2.0 of 255 | 0.010 |" in text
    assert "| patch-swap 64 x 64 x 256 | 0.4 | 0.3, missed | 100 | 25.0% |  |  |" in text
    assert "one product and one kernel; 0.00% of the hole's cells differ" in text
    assert "by at most 2.0e-06 of cosine" in text


def test_sizes_that_the_paper_does_not_have_are_held_against_nothing() -> None:
    found = Measured("a card", RATES, [filled()], swapped()._replace(cells=32, fused=False))
    text = accelerated_markdown(found, Wanted(side=256))
    assert "met" not in text
    assert "missed" not in text
    assert "patch_swap, no kernel here" in text


def test_no_two_pictures_of_a_batch_are_alike() -> None:
    windows, holes = scene(Wanted(side=128, hole=32), 3)
    assert windows.shape == (3, 128, 128, 3)
    assert windows.max() <= 1
    assert holes.sum() == 3 * 32**2
    assert np.abs(windows[1] - windows[0]).mean() > 0.01


def test_a_patch_swap_is_timed_and_compared() -> None:
    found = swap_on(CPU, Wanted(side=128, hole=32, repeat=1))
    assert (found.cells, found.fused) == (16, False)
    assert found.operations == 2 * 8**2 * 16**2 * 256  # the cells of queries with all cells
    assert found.seconds > 0
    assert found.differing == 0
    assert found.gap == 0


def test_work_is_done_before_it_is_timed() -> None:
    calls: list[int] = []
    assert timed_on(CPU, lambda: calls.append(1), 2) >= 0
    assert len(calls) == 5


@pytest.mark.slow
def test_the_command_measures_any_device_the_same_way(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("swapfill.benching.device_clock._PROCESSOR", (64, 1 << 16))
    options = ["--device=cpu", "--side=128", "--hole=32", "--pictures=2", "--repeat=1", "--json"]
    assert main(["bench", *options, "--quiet", f"--model={tiny_bundle}"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["asked"]["pictures"] == 2
    assert [one["name"] for one in report["fillings"]] == [
        *("coherent, fp32", "coherent, bf16", "literal, fp32", "literal, bf16")
    ]
    for one in report["fillings"]:
        assert one["steps"].keys() >= {"put", "get", *LEARNED}
        assert min(one["seconds"], one["operations"], one["share"]) > 0
    assert report["fillings"][0]["largest"] < 1e-5  # a batch rounds otherwise than one alone
    assert report["fillings"][1]["largest"] > 1e-5
    assert report["swap"]["gap"] == 0
    assert min(report["rates"].values()) > 0


def test_a_report_holds_all_that_was_measured() -> None:
    report = accelerated_report(Measured("a card", RATES, [filled()], swapped()), Wanted())
    assert report["fillings"][0]["share"] == pytest.approx(0.5)
    assert report["swap"]["share"] == pytest.approx(0.25)
    assert report["rates"] == {"fp32": 1e12, "bf16": 4e12, "copied": 1e11}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--device", "cuda"]) == 2
    said = capsys.readouterr().err
    assert said == "swapfill: device 'cuda' is not on this machine, want one of cpu\n"


def test_one_device_is_measured_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--device", "cpu", "--scaling"]) == 2
    assert "--device measures one device alone" in capsys.readouterr().err
