"""Classifiers as converters of scikit-learn write them: a label beside the scores, ZipMap, one input per column, words among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.artifact.load import load
from paredown.artifact.pack import Label, pack
from paredown.core.candidate import Candidate
from paredown.core.errors import BadData, BadModel, Unfit, UnknownName
from paredown.core.job import ModelSpec
from paredown.core.rows import Rows
from paredown.encoders.feed import feed_shapes, make_encoder
from paredown.graphs import declared
from paredown.models.onnx import Onnx
from paredown.study.jobfile import read_job
from paredown.tasks.tabular_classification import TabularClassification
from paredown.techniques.distill import Distill
from paredown.testing import tiny

NAMES = ("blue", "green", "red")
COLUMNS = ("f0", "f1", "f2", "f3")
DRAW = np.random.default_rng(5)
X = DRAW.normal(size=(80, 4)).astype(np.float32)
HEAD = DRAW.normal(size=(3, 4)).astype(np.float32)
LINEAR = {"coefficients": HEAD.ravel().tolist(), "intercepts": [0.1, 0.0, -0.1], "multi_class": 1, "post_transform": "NONE"}
FLOAT, STRING, INT64 = TensorProto.FLOAT, TensorProto.STRING, TensorProto.INT64
LABEL = helper.make_tensor_value_info("label", STRING, ["N"])
PROBABILITIES = helper.make_tensor_value_info("probabilities", FLOAT, ["N", 3])
ONE = [helper.make_tensor_value_info("float_input", FLOAT, ["N", 4])]


def zipped(name: str = "output_probability") -> Any:
    info = onnx.ValueInfoProto()
    info.name = name
    info.type.sequence_type.elem_type.map_type.key_type = STRING
    info.type.sequence_type.elem_type.map_type.value_type.tensor_type.elem_type = FLOAT
    return info


def ml(op: str, taken: Sequence[str], made: Sequence[str], **more: Any) -> Any:
    return helper.make_node(op, list(taken), list(made), domain="ai.onnx.ml", **more)


def classifier(source: str = "float_input", names: Sequence[str] = NAMES) -> list[Any]:
    linear = ml("LinearClassifier", [source], ["label", "raw"], classlabels_strings=list(names), **LINEAR)
    return [linear, helper.make_node("Softmax", ["raw"], ["probabilities"], axis=1)]


def save(folder: Path, nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], held: Mapping[str, Any] = {}) -> ModelSpec:
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(array, name) for name, array in held.items()])
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=8), folder / "m.onnx")
    return ModelSpec(kind="onnx", value="m.onnx")


def wanted(inputs: np.ndarray) -> np.ndarray:
    powers = np.exp(inputs.astype(np.float64) @ HEAD.T + [0.1, 0.0, -0.1])
    return powers / powers.sum(axis=1, keepdims=True)


def answered(folder: Path, spec: ModelSpec, table: Mapping[str, Any], options: Mapping[str, Any] = {}) -> tuple[np.ndarray, str, Any]:
    """Probabilities of the packed graph to rows of a table, what was said about it, and the encoder's declaration."""
    task, rows = TabularClassification(), Rows(inputs=dict(table), labels=np.arange(80) % 3, names=NAMES)
    encode = task.encoder(rows, {"rare": "keep", **Onnx().preprocess(spec, folder, folder), **options})
    context = replace(tiny.context(folder / "study"), data={"calibration": lambda: rows}, encode=make_encoder(encode))
    candidate = Onnx().prepare(spec, folder, feed_shapes(encode), 3, context)
    decode = {"kind": "softmax", "output": "logits", "classes": 3}
    same = {"name": "m", "task": "tabular-classification", "recipe": "x", "lineage": [], "labels": NAMES, "isa": "avx2"}
    (folder / "out").mkdir()
    probe = task.probe(encode, 0)
    pack(Label(encode=encode, decode=decode, **same), candidate, "onnxruntime", {"threads": 1}, probe, context.store, folder / "out")
    with load(folder / "out") as model:
        return model.predict_proba(dict(table)), candidate.note, encode


def columns(inputs: np.ndarray = X) -> dict[str, np.ndarray]:
    return dict(zip(COLUMNS, inputs.T))


@pytest.mark.parametrize("form", ["zipmap", "plain", "columns", "whole columns", "names in places"])
def test_probabilities_and_names_come_from_the_graph(tmp_path: Path, form: str) -> None:
    nodes, inputs, outputs, table, held = classifier(), list(ONE), [LABEL, PROBABILITIES], columns(), {}
    if form == "zipmap":
        nodes.append(ml("ZipMap", ["probabilities"], ["output_probability"], classlabels_strings=list(NAMES)))
        outputs = [LABEL, zipped()]
    elif form.endswith("columns"):
        kind = INT64 if form == "whole columns" else FLOAT
        table = columns(np.rint(3 * X)) if kind == INT64 else dict(reversed(columns().items()))  # by name, whatever their order
        inputs = [helper.make_tensor_value_info(name, kind, ["N", 1]) for name in COLUMNS]
        casts = [helper.make_node("Cast", [name], [f"{name}_"], to=FLOAT) for name in COLUMNS]
        nodes = [*casts, helper.make_node("Concat", [f"{name}_" for name in COLUMNS], ["together"], axis=1), *classifier("together")]
    elif form == "names in places":  # as converters write pipelines of anything: the largest place, looked up in a list
        nodes[0] = ml("LinearClassifier", ["float_input"], ["unused", "raw"], classlabels_ints=[0, 1, 2], **LINEAR)
        nodes += [helper.make_node("ArgMax", ["probabilities"], ["place"], axis=1, keepdims=0)]
        nodes += [ml("ArrayFeatureExtractor", ["classes", "place"], ["row"]), helper.make_node("Reshape", ["row", "flat"], ["label"])]
        held = {"classes": np.array([name.encode() for name in NAMES], object), "flat": np.array([-1])}
    spec = save(tmp_path, nodes, inputs, outputs, held)
    assert Onnx().labels(spec, tmp_path) == NAMES
    found, _, encode = answered(tmp_path, spec, table)
    np.testing.assert_allclose(found, wanted(np.stack([table[name] for name in COLUMNS], axis=1)), atol=1e-5)
    assert all(column["mean"] == 0 and column["std"] == 1 for column in encode["columns"])
    stored = onnx.load(tmp_path / "out" / "model.onnx")
    assert not {node.op_type for node in stored.graph.node} & {"ZipMap", "ArrayFeatureExtractor", "ArgMax"}
    assert [item.name for item in stored.graph.output] == ["probabilities"]


WORDS = np.array([["oslo", "rome"][at % 2] for at in range(80)], object)


def with_words(folder: Path, widths: Sequence[int] = (1, 1, 1, 1)) -> ModelSpec:
    """Numbers and a column of words, of which one is worth 2 in place of the first number."""
    names = COLUMNS if len(widths) == 4 else ("numbers",)
    inputs = [helper.make_tensor_value_info(name, FLOAT, ["N", width]) for name, width in zip(names, widths)]
    inputs.append(helper.make_tensor_value_info("the_city", STRING, ["N", 1]))
    nodes = [
        helper.make_node("Concat", list(names), ["numeric"], axis=1),
        ml("LabelEncoder", ["the_city"], ["worth"], keys_strings=["rome", "bonn"], values_floats=[2.0, 0.0], default_float=0.0),
        helper.make_node("Mul", ["worth", "first"], ["shift"]),
        helper.make_node("Add", ["numeric", "shift"], ["together"]),
        *classifier("together"),
    ]
    return save(folder, nodes, inputs, [LABEL, PROBABILITIES], {"first": np.array([[1, 0, 0, 0]], np.float32)})


def test_a_graph_of_words_has_no_student(tmp_path: Path) -> None:
    rows = Rows(inputs={"the_city": WORDS, **columns()}, labels=np.arange(80) % 3, names=NAMES)
    encode = TabularClassification().encoder(rows, {"rare": "keep", **Onnx().preprocess(with_words(tmp_path), tmp_path, tmp_path)})
    context = replace(tiny.context(tmp_path / "study"), data={"train": lambda: rows}, encode=make_encoder(encode))
    with pytest.raises(
        Unfit, match=r"a student takes numbers; the model as given takes words in its input 'the_city', and encodes them itself"
    ):
        Distill(student="paredown.testing.tiny:mlp").apply(Candidate(digest="", form="onnx"), context)


@pytest.mark.parametrize("widths", [(1, 1, 1, 1), (4,)], ids=["by name", "by kind"])
def test_words_go_to_inputs_of_words_as_they_are(tmp_path: Path, widths: tuple[int, ...]) -> None:
    spec = with_words(tmp_path, widths)
    found, _, encode = answered(tmp_path, spec, {"The city": WORDS, **columns()})
    shifted = X + np.outer(WORDS == "rome", [2, 0, 0, 0])
    np.testing.assert_allclose(found, wanted(shifted), atol=1e-5)
    assert encode["words"] == [{"input": "the_city", "columns": ["The city"], "known": [["rome", "bonn"]]}]
    with load(tmp_path / "out") as model:
        one = {name: float(values[1]) for name, values in columns().items()} | {"The city": "rome"}
        np.testing.assert_allclose(model.predict_proba([one]), wanted(shifted[1:2]), atol=1e-5)


def test_columns_that_fit_no_input_are_refused_and_the_job_can_name_them(tmp_path: Path) -> None:
    spec = with_words(tmp_path)
    table = {"city": WORDS, **columns()}
    said = r"takes the inputs f0 \(1 number\), .*the_city \(1 word\); the data have no column 'the_city': they have city, .*\n.*\{inputs: "
    with pytest.raises(BadData, match=said):
        answered(tmp_path, spec, table)
    named = {name: name for name in COLUMNS} | {"the_city": ["city"]}
    found = answered(tmp_path, spec, table, {"inputs": named})[0]
    np.testing.assert_allclose(found, wanted(X + np.outer(WORDS == "rome", [2, 0, 0, 0])), atol=1e-5)
    with pytest.raises(BadData, match=r"preprocess: inputs: the_city has 'town', which is no column; the model takes f0"):
        answered(tmp_path, spec, table, {"inputs": named | {"the_city": ["town"]}})
    with pytest.raises(BadData, match=r"the column 'f1' holds words \(oslo\); the model's input 'f1' takes numbers\."):
        answered(tmp_path, spec, table | {"f1": WORDS, "the_city": WORDS})
    with pytest.raises(BadData, match=r"the column 'the_city' holds fractions; the model's input 'the_city' takes words"):
        answered(tmp_path, spec, table | {"the_city": X[:, 0]})
    extra = TabularClassification().encoder(
        Rows(inputs=table, labels=None), {**Onnx().preprocess(spec, tmp_path, tmp_path), "inputs": named}
    )
    told = TabularClassification().left_out(extra, Rows(inputs=table | {"more": X[:, 0]}, labels=None))
    assert told == ["The column 'more' goes to none of the model's inputs."]


def test_missing_numbers_go_to_a_graph_that_knows_them_as_they_are(tmp_path: Path) -> None:
    imputer = ml("Imputer", ["float_input"], ["whole"], imputed_value_floats=[9.0], replaced_value_float=float("nan"))
    spec = save(tmp_path, [imputer, *classifier("whole")], ONE, [LABEL, PROBABILITIES])
    broken = X.copy()
    broken[::3, 2] = np.nan
    found, _, encode = answered(tmp_path, spec, columns(broken))
    np.testing.assert_allclose(found, wanted(np.where(np.isnan(broken), 9, broken)), atol=1e-5)
    assert "fill" not in encode["columns"][2]


def ends(*names: tuple[str, int, list[Any]]) -> list[Any]:
    return [helper.make_tensor_value_info(*each) for each in names]


IDENTITY = [helper.make_node("Identity", ["float_input"], ["y"])]
REFUSED = {
    "regressor": (
        [ml("LinearRegressor", ["float_input"], ["variable"], coefficients=[1.0] * 4, intercepts=[0.0])],
        ends(("variable", FLOAT, ["N", 1])),
        r"answers with one number per row \(variable: float \(N, 1\), from LinearRegressor\): a regressor, or",
    ),
    "anomalies": (
        [
            ml("LinearRegressor", ["float_input"], ["scores"], coefficients=[1.0] * 4, intercepts=[0.0]),
            helper.make_node("Cast", ["scores"], ["label"], to=INT64),
        ],
        ends(("label", INT64, ["N", 1]), ("scores", FLOAT, ["N", 1])),
        r"answers with a label and one score per row \(label: int64 \(N, 1\); scores: float \(N, 1\)\), as detectors of anomalies do",
    ),
    "labels alone": (classifier()[:1], [LABEL], r"answers with label: string \(N,\) alone: answers without a number per class"),
    "several labels": (
        [*classifier(), helper.make_node("Cast", ["float_input"], ["all"], to=INT64)],
        [*ends(("all", INT64, ["N", 2])), PROBABILITIES, *ends(("raw", FLOAT, ["N", 3]))],
        "",
    ),
    "boxes": (
        [helper.make_node("Reshape", ["float_input", "four"], ["y"])],
        ends(("y", FLOAT, ["N", 2, 2, 1])),
        r"answers with y: float \(N, 2, 2, 1\): not one number per class, as a detector, a segmenter or a model of sequences does",
    ),
    "several": (
        [*IDENTITY, helper.make_node("Neg", ["y"], ["z"])],
        ends(("y", FLOAT, ["N", 4]), ("z", FLOAT, ["N", 4])),
        r"has 2 outputs, none of which .*: y: float \(N, 4\); z: float \(N, 4\)\.\n.*`model: \{onnx: \.\.\., output: NAME\}`",
    ),
}


@pytest.mark.parametrize("kind", [kind for kind in REFUSED if REFUSED[kind][2]])
def test_what_is_no_classifier_is_refused_in_the_same_words_by_every_way_in(tmp_path: Path, kind: str) -> None:
    from paredown.planning.model_entry import declared_by

    nodes, outputs, said = REFUSED[kind]
    held = {"four": np.array([-1, 2, 2, 1])} if kind == "boxes" else {}
    spec = save(tmp_path, nodes, ONE, outputs, held)
    entrances = (
        lambda: Onnx().labels(spec, tmp_path),
        lambda: Onnx().preprocess(spec, tmp_path, tmp_path),
        lambda: Onnx().prepare(spec, tmp_path, {"input": (4,)}, 3, tiny.context(tmp_path / "study")),
        lambda: declared_by({"onnx": str(tmp_path / "m.onnx")}),
    )
    asked = {"regressor": entrances[2:3], "boxes": entrances[2:]}.get(kind, entrances)  # both are answers where the task asks for them
    for entrance in asked:
        with pytest.raises(BadModel, match=rf"^m\.onnx {said}"):
            entrance()


def test_scores_that_do_not_rise_with_the_answer_are_refused(tmp_path: Path) -> None:
    """Distances to centres, as KMeans has them: the label is the least."""
    nodes = [
        helper.make_node("MatMul", ["float_input", "head"], ["scores"]),
        helper.make_node("ArgMin", ["scores"], ["label"], axis=1, keepdims=0),
    ]
    outputs = ends(("label", INT64, ["N"]), ("scores", FLOAT, ["N", 3]))
    spec = save(tmp_path, nodes, ONE, outputs, {"head": HEAD.T.copy()})
    said = r"m\.onnx says '\d' in its output 'label' where the largest number of 'scores' is that of '\d', in 80 of 80 rows"
    with pytest.raises(BadModel, match=said):
        answered(tmp_path, spec, columns())


def test_a_label_that_is_now_and_then_another_is_said(tmp_path: Path) -> None:
    """As a support vector machine answers by its votes and not by its probabilities."""
    nodes = classifier()
    nodes[0] = ml("LinearClassifier", ["float_input"], ["label", "unused"], classlabels_strings=list(NAMES), **LINEAR)
    other = LINEAR | {"intercepts": [0.0, 0.1, 0.1]}
    nodes.insert(1, ml("LinearClassifier", ["float_input"], ["unused_too", "raw"], classlabels_strings=list(NAMES), **other))
    note = answered(tmp_path, save(tmp_path, nodes, ONE, [LABEL, PROBABILITIES]), columns())[1]
    assert "The graph's own 'label' is another class than that of its largest number in " in note


def test_classes_in_another_order_than_the_probabilities_are_refused(tmp_path: Path) -> None:
    nodes = [*classifier(), ml("ZipMap", ["probabilities"], ["zip"], classlabels_strings=list(NAMES))]
    spec = save(tmp_path, nodes, ONE, [LABEL, zipped("zip")])
    look = declared.look(onnx.load(tmp_path / "m.onnx"))
    assert (look.scores, look.width, look.classes, look.label) == ("probabilities", 3, NAMES, "label")
    nodes[-1] = ml("ZipMap", ["probabilities"], ["zip"], classlabels_strings=list(reversed(NAMES)))
    spec = save(tmp_path, nodes, ONE, [LABEL, zipped("zip")])
    with pytest.raises(BadModel, match=r"says '.*' in its output 'label' where the largest number"):
        answered(tmp_path, spec, columns())


def test_a_job_names_the_output_of_several(tmp_path: Path) -> None:
    spec = save(
        tmp_path,
        [*classifier(), helper.make_node("Neg", ["raw"], ["other"])],
        ONE,
        ends(("raw", FLOAT, ["N", 3]), ("other", FLOAT, ["N", 3])),
    )
    with pytest.raises(BadModel, match="has 2 outputs, none of which"):
        Onnx().labels(spec, tmp_path)
    named = replace(spec, options={"output": "raw"})
    np.testing.assert_allclose(answered(tmp_path, named, columns())[0], wanted(X), atol=1e-5)
    with pytest.raises(UnknownName, match=r"no output of the graph 'row'\. Did you mean 'raw'\?"):
        Onnx().labels(replace(spec, options={"output": "row"}), tmp_path)
    np.savez(tmp_path / "rows.npz", X=X, y=np.arange(80) % 3)
    job = {
        "name": "m",
        "model": {"onnx": "m.onnx", "output": "raw"},
        "task": "tabular-classification",
        "data": {"all": "rows.npz"},
        "metric": "loss",
    }
    rules = {"policy": {"minimize": "size", "rules": [{"quality": {"drop": "5 %"}}]}}
    assert read_job(job | rules, tmp_path).model.options == {"output": "raw"}
    with pytest.raises(Exception, match=r"model\.output is 3; it has to be a name\."):
        read_job(job | rules | {"model": {"onnx": "m.onnx", "output": 3}}, tmp_path)


@pytest.mark.slow
def test_a_graph_of_words_is_measured_against_its_artifact(tmp_path: Path) -> None:
    from paredown.measuring.side_by_side import measure

    spec, table = with_words(tmp_path), {"The city": WORDS, **columns()}
    answered(tmp_path, spec, table)
    with (tmp_path / "rows.csv").open("w") as file:
        file.write(",".join(table) + "\n")
        file.writelines(",".join(map(str, row)) + "\n" for row in zip(*table.values()))
    answers = measure(tmp_path / "out", str(tmp_path / "m.onnx"), data=tmp_path / "rows.csv", seconds=1).answers
    assert answers is not None
    assert (answers.rows, answers.flips.value) == (80, 0.0)
