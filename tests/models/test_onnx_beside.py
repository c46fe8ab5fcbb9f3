"""ONNX models as people have them: tensors in a file beside, inputs with names of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.graphs import graphs
from paredown.models.onnx import Onnx
from paredown.testing import tiny


def write(folder: Path, weight: np.ndarray) -> ModelSpec:
    node = helper.make_node("MatMul", ["pixels", "weight"], ["scores"])
    taken = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", weight.shape[0]])
    given = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", weight.shape[1]])
    graph = helper.make_graph([node], "beside", [taken], [given], [numpy_helper.from_array(weight, "weight")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "m.onnx", save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    return ModelSpec(kind="onnx", value="m.onnx")


def test_tensors_in_a_file_beside_are_part_of_the_model_and_of_its_digest(tmp_path: Path) -> None:
    spec = write(tmp_path, np.ones((64, 3), np.float32))
    before = Onnx().digest(spec, tmp_path)
    context = tiny.context(tmp_path / "store")
    candidate = Onnx().prepare(spec, tmp_path, {"pixels": [64]}, 3, context)
    stored = onnx.load(context.store.folder(candidate.digest) / "graph.onnx")
    assert numpy_helper.to_array(stored.graph.initializer[0]).sum() == 192
    write(tmp_path, np.zeros((64, 3), np.float32))
    assert Onnx().digest(spec, tmp_path) != before


def test_an_input_of_another_name_takes_what_the_task_feeds(tmp_path: Path) -> None:
    spec = write(tmp_path, np.ones((4, 3), np.float32))
    context = tiny.context(tmp_path / "store")
    candidate = Onnx().prepare(spec, tmp_path, {"input": [4]}, 3, context)
    stored = onnx.load(context.store.folder(candidate.digest) / "graph.onnx")
    assert [item.name for item in stored.graph.input] == ["input"]


def external(folder: Path, name: str, array: np.ndarray, location: str) -> TensorProto:
    """A tensor whose numbers lie in a file."""
    tensor = numpy_helper.from_array(array, name)
    (folder / location).parent.mkdir(parents=True, exist_ok=True)
    (folder / location).write_bytes(tensor.raw_data)
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def test_files_that_a_graph_names_are_part_of_the_digest_whatever_they_are_called_and_wherever_it_names_them(tmp_path: Path) -> None:
    """optimum's name, one without an ending, one in a folder; of initializers, constants, sparse tensors, subgraphs and functions."""

    def tensor(name: str, location: str, dtype: type = np.float32) -> TensorProto:
        return external(tmp_path, name, np.ones(4, dtype), location)

    then = helper.make_graph([helper.make_node("Constant", [], ["a"], value=tensor("", "then.onnx_data"))], "then", [], [])
    sparse = onnx.SparseTensorProto(values=tensor("s", "sparse-values"), indices=tensor("i", "sparse-indices", np.int64), dims=[9])
    nodes = [
        helper.make_node("Constant", [], ["k"], value=tensor("", "weights/constant")),
        helper.make_node("If", ["x"], ["y"], then_branch=then, else_branch=then),
    ]
    inner = helper.make_node("Constant", [], ["o"], value=tensor("", "of_a_function.bin"))
    function = helper.make_function("own", "f", [], ["o"], [inner], [helper.make_opsetid("", 18)])
    graph = helper.make_graph(nodes, "g", [], [], [tensor("w", "model.onnx_data")], sparse_initializer=[sparse])
    onnx.save(helper.make_model(graph, functions=[function]), tmp_path / "model.onnx")
    (tmp_path / "model.onnx.unused").write_bytes(b"not named")
    named = ["model.onnx_data", "of_a_function.bin", "sparse-indices", "sparse-values", "then.onnx_data", "weights/constant"]
    assert graphs.files_of(onnx.load(tmp_path / "model.onnx", load_external_data=False)) == named
    spec = ModelSpec(kind="onnx", value="model.onnx")
    seen = {Onnx().digest(spec, tmp_path)}
    for number, name in enumerate(named, 2):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1] + b"!")
        seen.add(Onnx().digest(spec, tmp_path))
        assert len(seen) == number
    (tmp_path / "model.onnx.unused").write_bytes(b"other")
    assert Onnx().digest(spec, tmp_path) in seen


@pytest.mark.parametrize("location", ["../outside", "/dev/zero", "gone.bin", "folder"])
def test_a_file_of_tensors_outside_the_folder_or_gone_is_refused_unread(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(bytes(16))
    weight = external(folder, "w", np.ones(4, np.float32), "w.bin")
    weight.external_data[0].value = location
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [weight])), folder / "m.onnx")
    with pytest.raises(BadModel, match=r"m\.onnx keeps tensors in '.*', which is no file inside its folder\.\n  Copy it there"):
        Onnx().digest(ModelSpec(kind="onnx", value="m.onnx"), folder)
    (folder / "m.onnx").write_bytes(b"no graph")
    with pytest.raises(BadModel, match="is not a valid ONNX model"):
        Onnx().digest(ModelSpec(kind="onnx", value="m.onnx"), folder)
