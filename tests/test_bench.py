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
from swapfill.benching.forward import Forward
from swapfill.benching.rates import Counter
from swapfill.benching.report import floors_of, markdown, report_of
from swapfill.benching.run import Asked, cases, in_child, not_given, read_others
from swapfill.benching.scaling import (
    Most,
    exponent,
    points,
    scaling_markdown,
    scaling_report,
)
from swapfill.benching.scene import picture, square
from swapfill.benching.steps import LEARNED, STEPS, TimedEngine, moved
from swapfill.benching.unfold import match_by_unfold, swap_by_unfold
from swapfill.cli import main
from swapfill.engines.interface import Query
from swapfill.engines.onnx_graph import Graph
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
    assert min(row.operations["translate"], row.operations["swap"]) > 0
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


UINT8 = 2  # TensorProto.DataType
NETWORKS: dict[str, tuple[tuple[str, int, Any], ...]] = {
    "lama": (("image", 3, 1), ("mask", 1, 1)),
    "pipeline": (("image", 3, UINT8), ("mask", 1, UINT8)),
    "migan": (("input", 4, 1),),
}


def network(path: Path, kind: str, size: int | str) -> Path:
    """Write a network that gives back what it is given: picture and mask, one after the other."""
    graph = Graph("other")
    asked = [
        graph.input(name, 1, channels, size, size, kind=number)
        for name, channels, number in NETWORKS[kind]
    ]
    for place, (name, (_, channels, number)) in enumerate(zip(asked, NETWORKS[kind], strict=True)):
        graph.output(f"seen_{place}", name, 1, channels, size, size, kind=number)
    path.write_bytes(graph.to_bytes())
    return path


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("size", [32, "side"])
def test_a_network_sees_the_picture_and_the_hole_as_its_file_declares(
    tmp_path: Path, kind: str, size: int | str
) -> None:
    pixels, hole = picture(48), square(48, 16)
    forward = Forward(network(tmp_path / "other.onnx", kind, size), pixels, hole)
    seen = {name: given[0] for name, given in forward.feeds.items()}
    high = 255 if kind == "pipeline" else 1.0
    mask = seen["input"][0] if kind == "migan" else seen["mask"][0]
    image = seen["input"][1:] if kind == "migan" else seen["image"]
    wide = 48 if size == "side" else size
    assert forward.seen == f"{wide} x {wide}"
    assert image.shape == (3, wide, wide)
    assert mask.max() == high
    assert (mask > 0).mean() == pytest.approx(1 / 9, abs=0.03)
    assert image.mean() / high == pytest.approx(pixels.mean() / 255, abs=0.02)
    forward()


def test_another_network_is_measured_beside_ours(tmp_path: Path) -> None:
    path = network(tmp_path / "big-lama.onnx", "lama", 32)
    asked = Asked(side=128, hole=32, repeat=1, others=read_others([f"lama={path}"]))
    [case] = [case for case in cases(asked) if case.kind == "forward"]
    row = measure(case)
    assert not row.missing
    assert row.name == "lama, network alone, 32 x 32"
    assert row.seconds > 0
    assert row.peak > 0
    assert [row.name for row in not_given(asked)] == ["migan"]
    text = markdown(report_of([row, *not_given(asked)], asked, 1))
    assert "| lama, network alone, 32 x 32 | " in text
    assert "Not measured: migan: no file was given, want --other migan=FILE.onnx" in text


def test_a_network_of_other_inputs_is_named_and_left_out(tmp_path: Path) -> None:
    graph = Graph("other")
    graph.output("same", graph.input("words", 1, 7), 1, 7)
    path = tmp_path / "other.onnx"
    path.write_bytes(graph.to_bytes())
    case = Case(kind="forward", name="other", side=128, hole=32, repeat=1, file=str(path))
    assert "input words is tensor(float) [1, 7], want float or uint8" in measure(case).missing
    path.write_bytes(b"no network")
    assert f"{path}: ONNX Runtime does not take it: " in measure(case).missing


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["big-lama.onnx"], "--other big-lama.onnx: want NAME=FILE.onnx"),
        (["lama=nowhere.onnx"], "nowhere.onnx: there is no such file"),
        (["lama=big-lama.pt"], "big-lama.pt: cannot be measured, want an ONNX file"),
        (["lama={0}", "lama={0}"], "lama is given twice"),
    ],
)
def test_a_file_that_is_no_network_is_refused(
    tmp_path: Path, given: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = network(tmp_path / "there.onnx", "lama", 32)
    options = [part for one in given for part in ("--other", one.format(path))]
    assert main(["bench", *options]) == 2
    assert words in capsys.readouterr().err


def test_a_process_that_dies_is_named_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    row = in_child(1)(Case(kind="swap", name="gram", side=128, hole=32, repeat=1))
    assert row.missing == "its process ended with 1"


def test_an_exponent_is_that_of_the_power_law() -> None:
    assert exponent((x, 3 * x**1.5) for x in (1, 4, 5, 20)) == pytest.approx(1.5)
    assert exponent([(1, 2.0), (4, 2.0), (9, 0.0)]) == pytest.approx(0)  # 0: not measured
    assert exponent([(4, 2.0), (4, 3.0)]) is None


def test_each_curve_changes_one_thing() -> None:
    found = points(Asked(side=256, hole=64), Most(hole=256, megapixels=4, threads=3))
    told = {(point.curve, point.at): point for point in found}
    assert [at for curve, at in told if curve == "hole"] == [64, 128, 256]
    assert [at for curve, at in told if curve == "picture"] == [0.25, 1, 4]
    assert [at for curve, at in told if curve == "batch"] == [1, 2, 4, 8]
    assert [(at, told["threads", at].threads) for curve, at in told if curve == "threads"] == [
        *((1, 1), (2, 2), (3, 3))
    ]
    hole, wide, batch = told["hole", 256].case, told["picture", 4].case, told["batch", 8].case
    assert (hole.hole, hole.side, hole.pictures) == (256, 768, 1)
    assert (wide.hole, wide.side) == (64, 2000)
    assert (batch.hole, batch.side, batch.pictures) == (64, 256, 8)


def test_a_hole_that_no_picture_of_the_curve_can_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--largest-picture 0\.25: want megapixels"):
        points(Asked(side=1024, hole=400), Most(megapixels=0.25))


def test_a_scaling_report_fits_cost_against_the_area_of_the_hole() -> None:
    asked, most = Asked(repeat=2), Most(hole=1024, megapixels=1)
    measured = []
    for point in points(asked, most):
        row = Row(name=point.case.name, kind="curve", seconds=1.0, processor=1.0, extra=5_000_000)
        if point.curve == "hole":
            row.seconds, row.steps = 1e-6 * point.at**2, {"swap": 1e-8 * point.at**3}
        measured.append((point, row))
    measured[0][1].missing = "busy"
    report = scaling_report(measured, asked, most)
    assert report["curves"]["hole"]["exponents"]["seconds"] == pytest.approx(1)
    assert report["curves"]["hole"]["exponents"]["swap"] == pytest.approx(1.5)
    assert report["curves"]["hole"]["exponents"]["infer"] is None
    assert report["curves"]["picture"]["exponents"]["seconds"] == pytest.approx(0)
    text = scaling_markdown(json.loads(json.dumps(report)))
    assert "| 1024 | 1.05 | 1.00 |  |  | 10.74 |  |  |  |  | 5 | 0 |" in text
    assert "| exponent, of the area | 1.00 | 0.00 |  |  | 1.50 |  |  |  |  | 0.00 |  |" in text
    assert "Not measured: hole, 64: busy" in text


@pytest.mark.parametrize("pictures", [1, 2])
def test_a_point_of_a_curve_is_measured_step_by_step(tiny_bundle: Path, pictures: int) -> None:
    case = Case(kind="curve", name="one", side=128, hole=32, repeat=1, pictures=pictures)
    row = measure(case.model_copy(update={"model": str(tiny_bundle)}))
    assert not row.missing
    files = {"read", "write"} if pictures == 1 else set()
    assert row.steps.keys() >= {*LEARNED, "rest", *files}
    assert min(row.steps[name] for name in (*LEARNED, *files)) > 0
    assert row.seconds > 0
    assert row.peak > 0


def test_every_picture_of_a_batch_is_filled(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swapfill.inpainter import Inpainter

    filled: list[int] = []
    original = Inpainter.fill

    def noted(self: Inpainter, pixels: Any, hole: Any) -> Any:
        filled.append(len(pixels))
        return original(self, pixels, hole)

    monkeypatch.setattr(Inpainter, "fill", noted)
    case = Case(kind="curve", name="three", side=128, hole=32, repeat=1, pictures=3)
    measure(case.model_copy(update={"model": str(tiny_bundle)}))
    assert filled == [128] * 3 * 4  # memory, warm-up, once timed, once by steps


def test_scaling_prints_its_curves(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[int, str]] = []

    def in_child(threads: int) -> Any:
        def measured(case: Case) -> Row:
            asked.append((threads, case.name))
            return Row(name=case.name, kind=case.kind, seconds=1.0)

        return measured

    monkeypatch.setattr(run, "in_child", in_child)
    options = ["--threads=2", "--largest-hole=128", "--largest-picture=1", "--quiet"]
    assert main(["bench", "--scaling", *options, f"--model={tiny_bundle}"]) == 0
    said = capsys.readouterr().out
    for title in ("The hole's side", "The picture's size", "Pictures filled at", "Threads"):
        assert f"### {title}" in said
    assert (2, "hole, 128") in asked
    assert (1, "threads, 1") in asked


def test_scaling_takes_no_other_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--scaling", "--other", "lama=a.onnx"]) == 2
    assert "--other lama=a.onnx: --scaling measures ours alone" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_command_at_a_small_size(tiny_bundle: Path, tmp_path: Path) -> None:
    table = tmp_path / "bench.md"
    options = ["--side=128", "--hole=32", "--repeat=1", "--threads=1", "--json", "--quiet"]
    command = [sys.executable, "-m", "swapfill", "bench", *options, "--model", str(tiny_bundle)]
    done = subprocess.run([*command, "-o", str(table)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    names = [case.name for case in cases(Asked(side=128, hole=32))]
    assert list(report["rows"]) == [*names, "lama", "migan"]
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
