"""A small network for tables learns what a black box says: numbers and classes, with gaps, whatever the columns' units."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.rows import Rows
from paredown.ground.store import FolderStore
from paredown.modelkit.lower import to_onnx
from paredown.techniques.distill_to_mlp import DistillToMlp
from paredown.testing import tiny
from paredown.testing.contracts import check_technique

DRAW = np.random.default_rng(0)
ROWS = np.stack([DRAW.uniform(0, 1, 1500), DRAW.integers(0, 24, 1500), DRAW.normal(1e6, 1e5, 1500), np.full(1500, 7.0)], 1)
ROWS = ROWS.astype(np.float32)
ROWS[::10, 0] = np.nan


def truth(rows: np.ndarray) -> np.ndarray:
    """Steps in a whole number, a bend in a large one, and a column with gaps; around 500."""
    first = np.where(np.isnan(rows[:, 0]), 2.0, rows[:, 0])
    return np.asarray(500 + 100 * np.isin(rows[:, 1], [7, 8, 17, 18]) + 50 * first + 40 * np.abs(rows[:, 2] / 1e5 - 10))


def test_contract(tmp_path: Path) -> None:
    check_technique(DistillToMlp, tmp_path, network="trees", epochs=1, width=8)


@pytest.mark.slow
def test_numbers_are_learned_in_the_unit_of_the_data(tmp_path: Path) -> None:
    import onnxruntime

    rows = Rows(inputs=ROWS[:1200], labels=truth(ROWS[:1200])[:, None])
    context = replace(
        tiny.context(tmp_path),
        data={"train": lambda: rows},
        encode=lambda raw: {"input": np.asarray(raw, np.float32)},
        decode={"kind": "values", "output": "values", "width": 1},
        ask=lambda feed: truth(np.asarray(feed["input"])).astype(np.float32)[:, None],
    )
    made = DistillToMlp(width=32, epochs=16).apply(Candidate(digest="x", form="onnx"), context)
    assert "learned 16 epochs on 1200 rows" in made.note
    graph = to_onnx(made, context.store, _new(tmp_path / "lower"))
    session = onnxruntime.InferenceSession(str(context.store.folder(graph.digest) / "graph.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": ROWS[1200:]})
    goal = truth(ROWS[1200:])
    assert np.abs(found[:, 0] - goal).mean() < 0.6 * np.abs(goal - goal.mean()).mean()


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        ({"input": np.zeros((4, 1, 6, 6), np.float32)}, r"for rows of numbers, as of a table; the model as given is fed input \(1, 6, 6\)"),
        ({"input": np.zeros((4, 6), np.int64)}, "is fed input .6,. of int64"),
        ({"city": np.full((4, 1), "oslo", object)}, "takes words in its input 'city', and encodes them itself"),
    ],
)
def test_what_is_no_row_of_numbers_is_unfit(feed: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(Unfit, match=said):
        DistillToMlp().apply(Candidate(digest="x", form="onnx"), replace(tiny.context(tmp_path), encode=lambda raw: feed))


def test_a_module_is_cut_by_other_techniques() -> None:
    assert "works on a model in onnx form" in str(DistillToMlp().fits(Candidate(digest="", form="torch")))


def test_the_network_opens_for_whoever_is_given_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its factory is paredown's own, so that a candidate of others needs no word for it."""
    from paredown.modelkit.factories import strange

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert not strange("paredown.modelkit.nets:table_net", {"steps": [3, 1], "classes": 2, "hidden": [8], "gaps": 1})
    assert "steps" in strange("paredown.modelkit.nets:table_net", {"steps": [0], "classes": 2})


def test_behind_what_makes_numbers_of_words_a_network_takes_the_place_of_the_trees(tmp_path: Path) -> None:
    """The graph goes on to take words and gaps; only its last model is another."""
    import onnx
    import onnxruntime
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    pandas = pytest.importorskip("pandas")
    city = np.array(["oslo", "rome", "bonn"], object)[DRAW.integers(0, 3, len(ROWS))]
    table = pandas.DataFrame({"size": ROWS[:, 0], "hour": ROWS[:, 1], "city": city})
    goal = ((city == "oslo") & (ROWS[:, 1] > 8)).astype(int) + (ROWS[:, 1] > 18)
    parts = [("hot", OneHotEncoder(), ["city"]), ("fill", SimpleImputer(), ["size", "hour"])]
    model = make_pipeline(ColumnTransformer(parts), RandomForestClassifier(20, random_state=0)).fit(table, goal)
    from paredown.classical import estimators

    graph = estimators.converted(model, "m")
    (probabilities,) = (item for item in graph.graph.output if item.name == "probabilities")
    del graph.graph.output[:]
    graph.graph.output.append(probabilities)
    store = FolderStore(tmp_path / "store")
    scratch = store.scratch()
    onnx.save(graph, scratch / "graph.onnx")
    given = Candidate(digest=store.put(scratch), form="onnx")
    rows = Rows(inputs={"city": city, "size": ROWS[:, 0], "hour": ROWS[:, 1]}, labels=goal, names=("a", "b", "c"))

    def encode(raw: Any) -> dict[str, Any]:
        numbers = np.stack([raw["size"], raw["hour"]], axis=1).astype(np.float32)
        return {estimators.NUMBERS: numbers, estimators.WORDS: np.asarray(raw["city"], object)[:, None]}

    context = replace(tiny.context(tmp_path), data={"train": lambda: rows}, encode=encode, store=store)
    made = DistillToMlp(width=16, epochs=12).apply(given, context)
    assert made.form == "onnx"
    assert made.note.endswith("It stands behind what makes numbers of the rows, which stays.")
    joined = onnx.load(store.folder(made.digest) / "graph.onnx")
    assert not any(node.op_type.startswith("TreeEnsemble") for node in joined.graph.node)
    session = onnxruntime.InferenceSession(str(store.folder(made.digest) / "graph.onnx"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], encode(rows.inputs))
    assert (logits.argmax(axis=1) == model.predict(table)).mean() > 0.85
