import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from swapfill.engines import onnx_file


def written(node: bytes, *constants: bytes) -> onnx.ModelProto:
    """Read back a model of one operator with `onnx` itself."""
    inputs = [onnx_file.value("x", onnx_file.FLOAT, ("batch", 3))]
    outputs = [onnx_file.value("y", onnx_file.FLOAT, ("batch", 3))]
    held = onnx_file.model("toy", [node], constants, inputs, outputs, "told")
    return onnx.load_from_string(held)


@pytest.mark.parametrize(
    "value", [3, -1, 2**40, 0, 0.25, -1.5, "reflect", "", [1, 2, -3], [0.5, 2.0]]
)
def test_an_attribute_reads_back_as_it_was(value: onnx_file.Attribute) -> None:
    model = written(onnx_file.node("Toy", ["x"], ["y"], {"told": value}))
    (found,) = model.graph.node[0].attribute
    read = helper.get_attribute_value(found)
    assert (read.decode() if isinstance(read, bytes) else read) == value
    assert found == helper.make_attribute("told", value)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.array([-1, 2**40]),
        np.array(True),
        np.zeros((0, 2), np.float32),
    ],
)
def test_a_constant_reads_back_as_it_was(values: np.ndarray) -> None:
    model = written(onnx_file.node("Add", ["x", "c"], ["y"], {}), onnx_file.tensor("c", values))
    (found,) = model.graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(found), values)
    assert numpy_helper.to_array(found).dtype == values.dtype


def test_what_lies_in_another_file_is_named_with_its_place() -> None:
    where = onnx_file.External("weights.safetensors", 72, 12)
    held = onnx_file.raw_tensor("c", (3,), onnx_file.FLOAT, where)
    model = written(onnx_file.node("Add", ["x", "c"], ["y"], {}), held)
    (found,) = model.graph.initializer
    assert found.data_location == TensorProto.EXTERNAL
    told = {entry.key: entry.value for entry in found.external_data}
    assert told == {"location": "weights.safetensors", "offset": "72", "length": "12"}
    assert list(found.dims) == [3]


def test_a_model_says_what_it_needs_and_what_is_free() -> None:
    model = written(onnx_file.node("Identity", ["x"], ["y"], {}))
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == onnx_file.OPSET
    assert (model.producer_name, model.graph.name) == ("swapfill", "toy")
    assert model.graph.doc_string == "told"
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert (dims[0].dim_param, dims[1].dim_value) == ("batch", 3)
