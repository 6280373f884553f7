from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from swapfill.engines.onnx_graph import Graph
from swapfill.engines.onnx_runtime import Provider, choose_provider, open_session
from swapfill.errors import DeviceError

ALL = ["CUDAExecutionProvider", "DmlExecutionProvider", "CPUExecutionProvider"]


def have(monkeypatch: pytest.MonkeyPatch, *providers: str) -> None:
    """Let this be a build of ONNX Runtime with other providers."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(providers))


def doubled() -> bytes:
    graph = Graph("toy")
    x = graph.input("x", "n")
    graph.output("y", graph.op("Add", x, x), "n")
    return graph.to_bytes()


def test_auto_is_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, *ALL)
    assert choose_provider("auto").device == "cuda"
    have(monkeypatch, "CPUExecutionProvider", "CoreMLExecutionProvider")
    assert choose_provider("auto").device == "cpu"


def test_a_device_is_a_provider_and_the_cpu_helps_out(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, *ALL)
    (first, options), (last, _) = choose_provider("directml:1").chain
    assert (first, options["device_id"], last) == (
        "DmlExecutionProvider",
        "1",
        "CPUExecutionProvider",
    )
    assert choose_provider("cuda").chain[0][1]["device_id"] == "0"
    assert choose_provider("cpu").chain == [("CPUExecutionProvider", {})]


def test_full_precision_is_asked_for_where_less_is_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    have(monkeypatch, *ALL, "OpenVINOExecutionProvider")
    assert choose_provider("cuda").chain[0][1]["use_tf32"] == "0"
    assert choose_provider("openvino").chain[0][1]["precision"] == "FP32"


def test_a_device_of_another_build_is_refused_with_what_this_one_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    have(monkeypatch, "OpenVINOExecutionProvider", "CPUExecutionProvider")
    for device in ("cuda", "cuda:1", "directml", "coreml"):
        with pytest.raises(DeviceError, match=f"'{device}' is not .*, want one of cpu, openvino$"):
            choose_provider(device)


@pytest.mark.parametrize("device", ["nope", "mps", "cuda:", "cuda:x", "cpu:1", "coreml:0"])
def test_an_unknown_device_is_refused_with_the_choices(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(monkeypatch, *ALL, "CoreMLExecutionProvider")
    with pytest.raises(DeviceError, match=f"device '{device}' is unknown .*, want auto, cpu, cuda"):
        choose_provider(device)


def test_a_session_takes_what_it_has_inputs_for(tmp_path: Path) -> None:
    session = open_session(doubled(), tmp_path, choose_provider("cpu"))
    (found,) = session.run(x=np.ones(3, np.float32), guide=np.zeros(1))
    assert found.tolist() == [2, 2, 2]


def test_a_device_that_does_not_start_is_refused_if_it_was_asked_for_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """ONNX Runtime goes on with the CPU by itself, and warns."""

    def fallen_back(*_: Any, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(
            get_providers=lambda: ["CPUExecutionProvider"], get_inputs=lambda: []
        )

    have(monkeypatch, *ALL)
    monkeypatch.setattr(onnxruntime, "InferenceSession", fallen_back)
    with pytest.raises(DeviceError, match=r"device 'cuda' is not .*, want one of cpu, directml"):
        open_session(b"", tmp_path, choose_provider("cuda"))
    assert open_session(b"", tmp_path, choose_provider("auto")).device == "cpu"


def test_threads_are_as_many_as_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[int] = []
    real = onnxruntime.InferenceSession

    def counting(model: bytes, options: Any, providers: Any) -> Any:
        seen.append(options.intra_op_num_threads)
        return real(model, options, providers=providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", counting)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    open_session(doubled(), tmp_path, Provider("cpu", 0, sure=True))
    monkeypatch.delenv("OMP_NUM_THREADS")
    open_session(doubled(), tmp_path, Provider("cpu", 0, sure=True))
    assert seen == [3, 0]
