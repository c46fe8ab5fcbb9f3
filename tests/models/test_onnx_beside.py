"""ONNX models as people have them: tensors in a file beside, inputs with names of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.core.rows import Rows
from paredown.models.onnx import Onnx
from paredown.tasks.image_classification import ImageClassification
from paredown.tasks.tabular_classification import TabularClassification
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


def test_an_input_of_another_name_is_refused_with_the_entry_that_names_it_and_the_entry_works(tmp_path: Path) -> None:
    spec = write(tmp_path, np.ones((4, 3), np.float32))
    with pytest.raises(BadModel, match=r"takes the inputs pixels; the task feeds input\.\n.*preprocess: \{input: pixels\}"):
        Onnx().prepare(spec, tmp_path, {"input": [4]}, 3, tiny.context(tmp_path / "store"))
    images = Rows(inputs=np.zeros((2, 4, 4), np.uint8), labels=None)
    table = Rows(inputs=np.zeros((2, 4), np.float32), labels=None)
    assert ImageClassification().encoder(images, {"input": "pixels"})["input"] == "pixels"
    assert TabularClassification().encoder(table, {"input": "pixels"})["input"] == "pixels"
