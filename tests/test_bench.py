import json
import subprocess
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from swapfill.benching import run
from swapfill.benching.case import Case, Row
from swapfill.benching.child import measure
from swapfill.benching.clock import fastest, timed, watched
from swapfill.benching.rates import Counter
from swapfill.benching.report import floors_of, markdown, report_of
from swapfill.benching.run import Asked, cases
from swapfill.benching.scene import picture, square
from swapfill.benching.steps import LEARNED, STEPS, TimedEngine, moved
from swapfill.benching.unfold import match_by_unfold, swap_by_unfold
from swapfill.cli import main
from swapfill.engines.interface import Query
from swapfill.errors import ConfigError
from swapfill.patch_swap import match, patch_swap


def ours(bundle: Path, engine: str) -> Row:
    return measure(
        Case(
            kind="ours",
            name=engine,
            side=128,
            hole=32,
            repeat=1,
            model=str(bundle),
            engine=engine,
            precision="fp32",
        )
    )


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.rand(1, 8, 12, 14, generator=torch.Generator().manual_seed(1))
    hole = torch.zeros(1, 1, 12, 14, dtype=torch.bool)
    hole[..., 4:8, 5:9] = True
    return features, hole


def test_unfold_finds_what_patch_swap_finds() -> None:
    features, hole = drawn()
    theirs, own = match_by_unfold(features[0], hole[0]), match(features[0], hole[0], features[0])
    assert torch.equal(theirs.query, own.query)
    assert torch.equal(theirs.candidate, own.candidate)
    torch.testing.assert_close(theirs.similarity, own.similarity)
    torch.testing.assert_close(swap_by_unfold(features, hole), patch_swap(features, hole))


def test_the_first_run_is_not_counted() -> None:
    waits = [0.2, 0.0, 0.0, 0.0]
    timing = timed(lambda: time.sleep(waits.pop(0)), 3)
    assert not waits
    assert timing.seconds < 0.1


def test_the_fastest_is_the_least() -> None:
    waits = [0.0, 0.2, 0.03, 0.2]
    assert 0.03 <= fastest(lambda: time.sleep(waits.pop(0)), 3) < 0.2


def test_memory_counts_what_is_let_go_again_and_nothing_before() -> None:
    np.ones(200_000_000, np.uint8).sum()  # a peak that is not the work's
    memory = watched(lambda: np.ones(60_000_000, np.uint8).sum())
    assert memory.extra >= 55_000_000
    assert memory.peak > memory.extra


def test_steps_are_those_of_the_engine_protocol() -> None:
    assert set(LEARNED) < set(STEPS)
    assert {"put", "get", "align_tone"} < set(STEPS)


class Halves:
    side = 3

    def encode(self, image: Any) -> Any:
        return image[:1]


def test_a_step_is_timed_and_its_bytes_counted() -> None:
    entered: list[str] = []

    def around(name: str) -> AbstractContextManager[None]:
        entered.append(name)
        return nullcontext()

    engine: Any = TimedEngine(Halves(), around)  # type: ignore[arg-type]
    image = np.ones((2, 5), np.float32)
    assert engine.encode(image).shape == (1, 5)
    assert engine.side == 3
    assert entered == ["encode"]
    assert engine.steps["encode"].moved == 40 + 20
    assert engine.steps["encode"].seconds > 0


def test_bytes_of_a_query_are_those_of_its_arrays() -> None:
    one = np.ones(3, np.float32)
    assert moved((Query(one, one, one > 0), None, 7)) == 12 + 12 + 3


def test_operations_are_counted_by_name_in_inference_mode() -> None:
    counter = Counter()
    with torch.inference_mode(), counter("translate"):
        torch.nn.functional.conv2d(torch.ones(1, 3, 4, 4), torch.ones(5, 3, 1, 1))
    assert dict(counter.operations) == {"translate": 2 * 3 * 5 * 16}


def test_the_scene_has_a_centred_hole() -> None:
    assert picture(130).shape == (130, 130, 3)
    hole = square(10, 4)
    assert hole.sum() == 16
    assert hole[3:7, 3:7].all()


def test_ours_is_measured_step_by_step(tiny_bundle: Path) -> None:
    row = ours(tiny_bundle, "torch")
    assert not row.missing
    assert {*LEARNED, "read", "write", "rest"} <= set(row.steps)
    assert min(row.steps[name] for name in (*LEARNED, "read", "write")) > 0
    assert row.operations["translate"] > row.operations["swap"] > 0
    assert row.peak > 0
    assert row.multiply > 0
    assert row.copy_rate > 0


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from swapfill.evaluation.methods import interface

    monkeypatch.setattr(interface, "find_spec", lambda name: None)
    row = measure(Case(kind="method", name="telea", side=128, hole=32, repeat=1))
    assert "opencv" in row.missing
    text = markdown(report_of([row], Asked(), 1))
    assert f"Not measured: telea: {row.missing}" in text


def test_a_hole_that_leaves_too_little_is_refused() -> None:
    with pytest.raises(ConfigError, match="--hole 100 in --side 128, want at most 96"):
        cases(Asked(side=128, hole=100))


def counted(name: str, **figures: Any) -> Row:
    return Row(name=name, kind="ours", multiply=1e9, copy_rate=1e9, **figures)


def test_a_floor_is_what_takes_longer_operations_or_bytes() -> None:
    steps = {"encode": 4.0, "swap": 1.0}
    row = counted(
        "torch",
        steps=steps,
        operations={"encode": 2_000_000_000, "swap": 10},
        moved={"encode": 10, "swap": 500_000_000},
    )
    assert floors_of(row, [row]) == {"encode": 2.0, "swap": 0.5}


def test_a_row_without_operations_takes_those_of_the_same_networks() -> None:
    steps, sent = {"encode": 4.0}, {"encode": 10}
    torch_row = counted("torch", steps=steps, operations={"encode": 10**9}, moved=sent)
    onnx_row = counted("onnx", steps=steps, moved=sent)
    assert floors_of(onnx_row, [torch_row, onnx_row]) == {"encode": 1.0}


def test_patch_swap_is_compared_with_unfold() -> None:
    rows = [
        Row(name="gram", kind="swap", seconds=0.5, processor=0.5, extra=3_000_000),
        Row(name="unfold", kind="swap", seconds=4.0, processor=2.0, extra=90_000_000),
    ]
    report = report_of(rows, Asked(side=512), 1)
    assert report["patch_swap"]["ratio"] == 8.0
    text = markdown(report)
    assert "128 x 128 x 256: 8.0 x as fast" in text
    assert "(4.0 x by the processor), 3 MB extra against 90 MB" in text


@pytest.mark.slow
def test_the_whole_command_at_a_small_size(tiny_bundle: Path, tmp_path: Path) -> None:
    table = tmp_path / "bench.md"
    options = ["--side=128", "--hole=32", "--repeat=1", "--threads=1", "--json", "--quiet"]
    command = [sys.executable, "-m", "swapfill", "bench", *options, "--model", str(tiny_bundle)]
    done = subprocess.run([*command, "-o", str(table)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    names = [case.name for case in cases(Asked(side=128, hole=32))]
    assert list(report["rows"]) == names
    there = [name for name, row in report["rows"].items() if not row["missing"]]
    assert {"ours, torch, fp32", "ours, onnx, fp32", "gram", "unfold"} <= set(there)
    assert report["rows"]["ours, torch, bf16"]["precision"] == "bf16"
    assert all(name in table.read_text() for name in there if name not in ("gram", "unfold"))
    assert report["floors"]["ours, onnx, fp32"].keys() == {"encode", "translate", "swap"}


def test_the_tables_are_printed_unless_a_file_is_named(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def in_child(threads: int) -> Any:
        return lambda case: Row(name=case.name, kind=case.kind, missing=f"{threads} threads")

    monkeypatch.setattr(run, "in_child", in_child)
    assert main(["bench", "--threads=3", "--side=256", "--hole=9", f"--model={tiny_bundle}"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("256 x 256, hole 9 x 9, threads: 3, medians of 5.")
    assert "Not measured: telea: 3 threads\n" in said


def test_a_model_that_is_not_there_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "--model", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
