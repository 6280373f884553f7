import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from swapfill.engines import onnx_file
from swapfill.engines.tensor_files import stored_tensors
from swapfill.errors import BundleError


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    tensors = {
        "half": np.arange(6, dtype=np.float16).reshape(2, 3),
        "full": np.arange(4, dtype=np.float32) + 0.5,
        "count": np.array(7),
    }
    save_file(tensors, path, metadata={"told": "something"})
    return path


def test_each_tensor_is_where_it_is_said_to_be(weights: Path) -> None:
    found, held = stored_tensors(weights), weights.read_bytes()
    assert set(found) == {"half", "full", "count"}

    def numbers(name: str, dtype: type) -> list[float]:
        place = found[name]
        part = held[place.offset : place.offset + place.length]
        return list(np.frombuffer(part, dtype))

    assert numbers("half", np.float16) == [0, 1, 2, 3, 4, 5]
    assert numbers("full", np.float32) == [0.5, 1.5, 2.5, 3.5]
    assert numbers("count", np.int64) == [7]
    assert [found[name].shape for name in ("half", "full", "count")] == [(2, 3), (4,), ()]
    assert found["half"].kind == onnx_file.FLOAT16
    assert found["full"].kind == onnx_file.FLOAT


def test_a_file_cut_short_is_refused(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"weights\.safetensors: not a whole safetensors file"):
        stored_tensors(weights)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none\.safetensors: no such weights file"):
        stored_tensors(tmp_path / "none.safetensors")


def test_a_type_that_no_network_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    header = {"x": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}
    told = json.dumps(header).encode()
    path.write_bytes(len(told).to_bytes(8, "little") + told + b"ab")
    with pytest.raises(BundleError, match=r"tensor x is U8, want one of F64, F32"):
        stored_tensors(path)
