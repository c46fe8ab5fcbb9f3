"""Fewer trees: what is left answers, in the engine, as its trees add up; leaves that are fitted again miss less than those that are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from sklearn.datasets import make_friedman1
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)

from paredown.classical import estimators
from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.rows import Rows
from paredown.core.technique import Context
from paredown.ground.store import FolderStore
from paredown.techniques.prune_trees import PruneTrees
from paredown.testing import tiny
from paredown.testing.contracts import check_technique

X, Y = make_friedman1(500, n_features=6, noise=0.3, random_state=0)
X = X.astype(np.float32)
X[::9, 2] = np.nan
FILLED = np.nan_to_num(X, nan=0.5)
CLASSES = np.digitize(Y, np.quantile(Y, [0.35, 0.7]))


def test_contract(tmp_path: Path) -> None:
    check_technique(PruneTrees, tmp_path, network="trees")


def stored(model: Any, folder: Path) -> Candidate:
    store = FolderStore(folder / "store")
    scratch = store.scratch()
    scores = model.graph.output[-1]
    del model.graph.output[:]
    model.graph.output.append(scores)
    onnx.save(model, scratch / "graph.onnx")
    return Candidate(digest=store.put(scratch), form="onnx")


def over(folder: Path, rows: np.ndarray) -> Context:
    given = Rows(inputs=rows, labels=None)
    return replace(
        tiny.context(folder), data={"train": lambda: given}, encode=lambda raw: {estimators.NUMBERS: np.asarray(raw, np.float32)}
    )


def answers(context: Context, made: Candidate, rows: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(context.store.folder(made.digest) / "graph.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {estimators.NUMBERS: rows})
    return np.asarray(found)


CASES = {
    "boosting, numbers": (GradientBoostingRegressor(n_estimators=40, random_state=0), FILLED, Y),
    "boosting, two classes": (GradientBoostingClassifier(n_estimators=40, random_state=0), FILLED, CLASSES > 0),
    "boosting, three classes, gaps": (HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=7), X, CLASSES),
    "boosting by histogram, gaps": (HistGradientBoostingRegressor(max_iter=40, max_leaf_nodes=7), X, Y),
    "forest, numbers": (RandomForestRegressor(n_estimators=20, max_depth=6, random_state=0), FILLED, Y),
    "forest, three classes": (ExtraTreesClassifier(n_estimators=20, max_depth=6, random_state=0), FILLED, CLASSES),
    "forest, two classes": (ExtraTreesClassifier(n_estimators=20, max_depth=6, random_state=0), FILLED, CLASSES > 0),
}


@pytest.mark.parametrize("case", list(CASES))
def test_a_quarter_of_the_trees_stays_near_and_refitted_leaves_are_nearer(case: str, tmp_path: Path) -> None:
    estimator, rows, goal = CASES[case]
    estimator.fit(rows[:400], goal[:400])
    given = stored(estimators.converted(estimator, "m"), tmp_path)
    context = over(tmp_path, rows[:400])
    whole, off = answers(context, given, rows[400:]), {}
    spread = whole.std()
    for refit in (True, False):
        made = PruneTrees(keep=0.25, refit=refit).apply(given, replace(context, work=_new(tmp_path / f"work{refit}")))
        off[refit] = float(np.sqrt(((answers(context, made, rows[400:]) - whole) ** 2).mean()) / spread)
        assert made.note.startswith(f"kept {len(onnx_trees(context, given)) // 4} of {len(onnx_trees(context, given))} trees")
        assert len(onnx_trees(context, made)) * 4 == len(onnx_trees(context, given))
    assert off[True] <= off[False] * (1.02 if case.startswith("forest") else 0.7), off  # a forest's first trees are as good as any
    assert off[True] < 0.45, off


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def onnx_trees(context: Context, made: Candidate) -> set[int]:
    model = onnx.load(context.store.folder(made.digest) / "graph.onnx")
    (node,) = [node for node in model.graph.node if node.op_type.startswith("TreeEnsemble")]
    return {*next(item.ints for item in node.attribute if item.name == "nodes_treeids")}


def test_what_is_no_ensemble_or_too_small_a_one_is_unfit(tmp_path: Path) -> None:
    one = stored(estimators.converted(GradientBoostingRegressor(n_estimators=1).fit(FILLED, Y), "m"), tmp_path)
    with pytest.raises(Unfit, match="its 1 trees are too few to leave some out"):
        PruneTrees().apply(one, over(tmp_path, FILLED))
    with pytest.raises(Unfit, match="the graph has no ensemble of trees"):
        PruneTrees().apply(tiny.candidate("onnx", tmp_path / "net"), tiny.context(tmp_path / "net"))
    assert "this one is in torch form" in str(PruneTrees().fits(Candidate(digest="", form="torch")))


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"aggregate_function": "MAX"}, "put together by MAX and NONE"),
        ({"post_transform": "PROBIT"}, "put together by SUM and PROBIT"),
        ({"nodes_modes": ["BRANCH_MEMBER", "LEAF", "LEAF"] * 2}, "its trees branch by BRANCH_MEMBER"),
    ],
)
def test_forms_that_are_not_read_are_named(attributes: dict[str, Any], said: str, tmp_path: Path) -> None:
    plain = {
        "nodes_treeids": [0, 0, 0, 1, 1, 1], "nodes_nodeids": [0, 1, 2] * 2, "nodes_featureids": [0] * 6, "nodes_values": [0.5, 0, 0] * 2,
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * 2, "nodes_truenodeids": [1, 0, 0] * 2, "nodes_falsenodeids": [2, 0, 0] * 2,
        "target_treeids": [0, 0, 1, 1], "target_nodeids": [1, 2] * 2, "target_ids": [0] * 4, "target_weights": [1.0, 2.0] * 2,
        "n_targets": 1,
    }  # fmt: skip
    node = helper.make_node("TreeEnsembleRegressor", [estimators.NUMBERS], ["y"], domain="ai.onnx.ml", **(plain | attributes))
    taken, given = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for name, width in ((estimators.NUMBERS, 6), ("y", 1))
    )
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(helper.make_graph([node], "g", [taken], [given]), opset_imports=versions, ir_version=9)
    with pytest.raises(Unfit, match=said):
        PruneTrees().apply(stored(model, tmp_path), over(tmp_path, FILLED))
