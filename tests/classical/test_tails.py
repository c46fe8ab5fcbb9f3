"""A graph in two before its last model: the front and another tail are one graph again, of one version of the operators."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from paredown.classical import estimators, tails
from paredown.core.errors import Unfit

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)


def student(opset: int) -> onnx.ModelProto:
    taken = helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["batch", 3])
    given = helper.make_tensor_value_info("values", TensorProto.FLOAT, ["batch", 1])
    node = helper.make_node("ReduceMax", ["numbers"], ["values"], axes=[1])
    return helper.make_model(helper.make_graph([node], "s", [taken], [given]), opset_imports=[helper.make_opsetid("", opset)])


def test_what_is_fed_the_numbers_themselves_is_not_cut() -> None:
    assert tails.halves(estimators.converted(RandomForestRegressor(3).fit(X, X[:, 0]), "m")) is None


def test_versions_that_cannot_be_brought_together_are_told() -> None:
    model = estimators.converted(make_pipeline(StandardScaler(), RandomForestRegressor(3)).fit(X, X[:, 0]), "m")
    parts = tails.halves(model)
    assert parts is not None
    assert [node.op_type for node in parts.front.graph.node] == ["Cast", "Sub", "Div", "Cast"]
    assert not any(node.op_type == "Div" for node in parts.tail.graph.node)
    parts.front.graph.node.append(helper.make_node("NoSuchOperator", [parts.between], ["more"]))
    with pytest.raises(Unfit, match=r"is written for opset 17 and cannot be brought to 13, which a student's layers are written for"):
        tails.joined(parts, student(13))
