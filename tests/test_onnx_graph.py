from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors.numpy import save_file

from swapfill.engines.onnx_graph import Graph
from swapfill.errors import BundleError


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_file({"w": np.array([0.5, -2], np.float16), "b": np.array([1, 2], np.float32)}, path)
    return path


def scaled(weights: Path | None) -> Graph:
    """x w + b."""
    graph = Graph("toy", weights)
    x = graph.input("x", "batch", 2)
    y = graph.op("Add", graph.op("Mul", x, graph.weight("w", 2)), graph.weight("b", 2))
    graph.output("y", y, "batch", 2)
    return graph


def run(model: bytes, folder: Path | None = None) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    if folder is not None:
        where = "session.model_external_initializers_file_folder_path"
        options.add_session_config_entry(where, str(folder))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    x = np.array([[2, 3], [4, 5]], np.float32)
    return np.asarray(session.run(None, {"x": x})[0])


def test_weights_are_read_from_the_safetensors_file_itself(weights: Path) -> None:
    model = scaled(weights).to_bytes()
    np.testing.assert_array_equal(run(model, weights.parent), [[2, -4], [3, -8]])
    assert len(model) < 400
    held = weights.read_bytes()
    weights.write_bytes(held.replace(np.float32(2).tobytes(), np.float32(7).tobytes()))
    np.testing.assert_array_equal(run(model, weights.parent), [[2, 1], [3, -3]])


def test_a_whole_file_needs_no_other(weights: Path) -> None:
    model = scaled(weights).to_bytes(whole=True)
    weights.unlink()
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    np.testing.assert_array_equal(run(model), [[2, -4], [3, -8]])


def test_without_a_file_it_tells_what_it_wants() -> None:
    assert scaled(None).wanted == {"w": (2,), "b": (2,)}


def test_a_tensor_that_is_not_there_is_named(weights: Path) -> None:
    with pytest.raises(BundleError, match=r"tensor v is missing, want \(2, 3\)"):
        Graph("toy", weights).weight("v", 2, 3)


def test_a_tensor_of_another_shape_is_named_with_both(weights: Path) -> None:
    with pytest.raises(BundleError, match=r"tensor w is \(2,\), want \(3,\)"):
        Graph("toy", weights).weight("w", 3)


def test_a_tensor_that_is_left_over_is_named(weights: Path) -> None:
    graph = Graph("toy", weights)
    graph.leave("w", 2)
    with pytest.raises(BundleError, match="tensor b belongs to another architecture"):
        graph.to_bytes()
