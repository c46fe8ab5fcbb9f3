"""`paredown init MODEL`: a job about a model and its data that passes a dry run; what cannot be seen is left to fill in."""

from __future__ import annotations

import csv
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import BadData, BadModel, UnknownName
from paredown.ground import documents
from paredown.planning import columns
from paredown.planning.dry_run import plan
from paredown.planning.init import starter
from paredown.planning.yaml_text import quoted
from paredown.running.story import run
from paredown.study.jobfile import read_job
from readme_folder import write_onnx
from tiny_cli import leave
from tiny_study import write_tiny_job

HEADER = ("age", "sex", "NO", "on: x", "outcome")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")


def write_table(name: str, rows: int, header: tuple[str, ...] = HEADER, classes: tuple[str, ...] = ("NO", "on", "2e6")) -> None:
    draw = random.Random(name)
    with open(name, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(header)
        for at in range(rows):
            row = [draw.randint(20, 80), draw.choice("fm"), draw.choice(["x", "y"]), draw.random(), classes[at % len(classes)]]
            out.writerow(row[5 - len(header) :])


def test_a_table_gets_a_job_with_comments_that_passes_a_dry_run(capfd) -> None:
    write_table("train.csv", 300)
    write_table("test.csv", 900)
    code, out, err = leave(capfd, "init", "mlp", "--train", "train.csv", "--test", "test.csv", "--out", "new/job.yaml")
    assert (code, err) == (0, "")
    assert "label is 'outcome': it is named so and has 3 different values" in out
    assert re.search(r"age \(\d+ values\), sex \(2 values\); suggested, not switched on", out)
    assert "test: 900 rows; can show a drop of 2.0% or more" in out
    assert out.endswith("Read it, then run `paredown run new/job.yaml --dry-run`.\n")
    text = Path("new/job.yaml").read_text()
    job = read_job(Path("new/job.yaml"))
    assert (job.model.kind, job.task, job.data.columns["label"]) == ("builtin", "tabular-classification", "outcome")
    assert job.data.sources == {"train": "../train.csv", "test": "../test.csv"}
    assert job.policy.margin.value == pytest.approx(0.02)
    assert "# groups: [sex]" in text
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all("#" in line or line.endswith(":") or line.startswith(("model", "task", "  seed")) for line in lines)
    assert leave(capfd, "run", "new/job.yaml", "--dry-run")[0] == 0


def test_an_existing_file_is_kept(capfd) -> None:
    write_table("test.csv", 60)
    Path("job.yaml").write_text("mine")
    code, _, err = leave(capfd, "init", "mlp", "--train", "test.csv", "--test", "test.csv")
    assert (code, Path("job.yaml").read_text()) == (2, "mine")
    assert err.startswith("job.yaml exists already and is kept as it is.\n  Give another file: `--out other.yaml`.")


def test_a_graph_says_its_input_and_how_many_classes_it_answers(capfd) -> None:
    write_tiny_job(Path())
    code, out, _ = leave(capfd, "init", "given.onnx", "--test", "rows.npz", "--json")
    found = json.loads(out)
    assert (code, found["rows"]) == (0, {"calibration": 30, "validation": 270, "test": 600})
    assert found["open"] == ["the order of the model's outputs is not known: write `labels:`; until then it is taken to be alphabetical"]
    assert "# labels: [left, middle, right]" in Path("job.yaml").read_text()
    assert leave(capfd, "run", "job.yaml", "--dry-run")[0] == 0
    write_table("two.csv", 60, classes=("a", "b"))
    with pytest.raises(BadModel, match=r"given\.onnx answers with 3 numbers per row; the label 'outcome' of two\.csv has 2 classes"):
        starter("given.onnx", "two.csv")
    Path("no.onnx").write_text("no graph")
    with pytest.raises(BadModel, match=r"no\.onnx is not a valid ONNX model"):
        starter("no.onnx", "two.csv")


def test_without_a_label_there_is_a_line_to_fill_in(capfd) -> None:
    write_table("test.csv", 60, header=("age", "sex", "a", "b", "z"), classes=("p", "q"))
    code, out, _ = leave(capfd, "init", "mlp", "--test", "test.csv")
    assert code == 0
    assert "to fill in: no column of labels was found: write `label:`, or say `--label`; with few values: sex, a, z" in out
    assert "  # label: column    # FILL IN: the column of labels; with few values: sex, a, z" in Path("job.yaml").read_text()
    assert starter("mlp", "test.csv", "test.csv", label="z").seen[0] == "label is 'z': you said so"


def test_labels_with_fractions_are_a_regression() -> None:
    for name in ("score", "target"):
        write_table("test.csv", 60, header=("age", "sex", "a", "b", name), classes=("0.5", "1", "2.25"))
        made = starter("mlp", "test.csv", "test.csv", label=name if name == "score" else "")
        assert made.seen[0] == f"label is '{name}': it holds numbers with fractions"
        assert "task: tabular-regression\n" in made.text
        assert "metric: mae    # rmse, r2, or a function of yours" in made.text


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"architectures": ["BertForTokenClassification"]}, "token classification, each word has a class; a classification answers"),
        ({"architectures": ["BertForQuestionAnswering"]}, "question answering, the answer is a part of the text; a classification answers"),
    ],
)
def test_a_head_that_is_no_choice_of_one_class_is_refused_beside_a_classification(config: dict[str, object], said: str) -> None:
    Path("given").mkdir()
    Path("given/config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["BertForSequenceClassification"]} | config))
    Path("given/model.safetensors").touch()
    write_table("test.csv", 60)
    assert f"task: {said.partition(',')[0].replace(' ', '-')}\n" in starter("given", "test.csv").text
    job = {
        "name": "a",
        "model": {"huggingface": "given"},
        "task": "text-classification",
        "data": {"test": "test.csv"},
        "metric": "accuracy",
    }
    for entrance in (plan, run):
        with pytest.raises(BadModel, match=re.escape(said)):
            entrance(read_job(job | {"policy": "frugal"}, Path()))
    fresh = job | {"model": {"huggingface": "given", "finetune": {}}, "policy": "frugal"}
    with pytest.raises(BadData, match="no column 'label'"):  # a new head has no past
        plan(read_job(fresh, Path()))


def test_groups_that_are_named_are_switched_on_with_a_rule(capfd) -> None:
    write_table("train.csv", 300)
    write_table("test.csv", 900)
    assert leave(capfd, "init", "mlp", "--train", "train.csv", "--test", "test.csv", "--groups", "sex, NO")[0] == 0
    job = read_job(Path("job.yaml"))
    assert job.data.columns["groups"] == ["sex", "NO"]
    assert [tuple(rule.by) for rule in job.policy.rules if rule.by] == [("sex", "NO")]


@pytest.mark.parametrize(
    ("config", "words", "absent"),
    [
        ({"architectures": ["BertForSequenceClassification"], "id2label": {"0": "bad", "1": "good"}}, "matched by name", "finetune"),
        (
            {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "bad", "1": "good", "2": "never seen"}},
            "matched by name",
            "finetune",
        ),
        ({"architectures": ["BertForMaskedLM"]}, "finetune: {epochs: 3}", "FILL IN"),
        (
            {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0", "1": "LABEL_1"}},
            "FILL IN: the order",
            "finetune",
        ),
        (
            {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "a", "1": "b", "2": "c"}},
            "finetune: {epochs: 3}",
            "FILL IN",
        ),
    ],
)
def test_a_folder_of_transformers_says_whether_its_head_is_new(config: dict, words: str, absent: str) -> None:
    Path("bert").mkdir()
    Path("bert/config.json").write_text(json.dumps(config))
    lines = [f"this is sentence number {at} of all,{('good', 'bad')[at % 2]}" for at in range(60)]
    for name in ("train.csv", "test.csv"):
        Path(name).write_text("\n".join(["review,mood", *(f"{name} {line}" for line in lines)]))
    made = starter("bert", "test.csv", "train.csv", label="mood")
    assert "task: text-classification" in made.text
    assert "  text: review    # what the model reads" in made.text
    assert words in made.text
    assert absent not in made.text
    assert documents.parse(made.text, "job").data["model"]["huggingface"] == "bert"


def test_a_table_is_known_by_every_ending_that_its_reader_takes() -> None:
    lines = [json.dumps({"age": at, "mood": ("good", "bad")[at % 2]}) for at in range(60)]
    Path("test.ndjson").write_text("\n".join(lines))
    assert "  label: mood    # you said so" in starter("mlp", "test.ndjson", label="mood").text


def test_a_saved_data_set_is_a_table_with_its_label_among_the_columns() -> None:
    library = pytest.importorskip("datasets")
    review = [f"this is sentence number {at} of all" for at in range(60)]
    library.Dataset.from_dict({"review": review, "label": [at % 2 for at in range(60)]}).save_to_disk("data")
    Path("bert").mkdir()
    Path("bert/config.json").write_text(json.dumps({"architectures": ["BertForSequenceClassification"]}))
    made = starter("bert", "data")
    assert "label is 'label': it is named so and has 2 different values" in made.seen
    assert "  text: review    # what the model reads" in made.text


def test_a_column_that_holds_the_models_classes_is_the_label() -> None:
    table = {"class": np.array(["x", "y"] * 9, object), "mood": np.array(["good", "bad"] * 9, object)}
    assert columns.find_label(table, ["bad", "good"]).name == "mood"
    assert columns.find_label(table).name == "class"


def test_the_only_column_of_words_with_as_many_values_as_outputs_is_the_label() -> None:
    table = {"plan": np.array(["x", "y", "z"] * 9, object), "sex": np.array(["f", "m", "m"] * 9, object), "age": np.linspace(20, 70, 27)}
    assert columns.find_label(table) is None
    assert columns.find_label(table, width=3).why == "the model answers 3 classes, and of the columns of words only it has 3 values"
    assert columns.find_label(table | {"grade": table["plan"]}, width=3) is None
    assert columns.group_columns(table, "plan") == {"sex": 2}  # fractions are no groups


def test_a_graph_gets_the_numbers_of_a_table_as_they_are_and_the_margin_is_said(capfd) -> None:
    write_onnx(Path())
    code, out, _ = leave(capfd, "init", "model.onnx", "--train", "train.csv", "--test", "test.csv")
    assert (code, read_job(Path("job.yaml")).data.preprocess) == (0, {"standardize": False})
    assert "the graph gets its numbers as they stand in the columns" in out
    assert "(at 2 % flips 1.7%, at 8 % 3.4%). The job says `drop: 3 %`.\n" in out


@pytest.mark.parametrize(
    "text", ["NO", "on", "2e6", "1.0", "null", "a: b", "x #y", "- z", "tr'ue", 'q"', "é", "true", "~", "[a]", " lead", "a\tb"]
)
def test_every_name_comes_back_as_it_was(text: str) -> None:
    assert documents.parse(f"- {quoted(text)}\n- [{quoted(text)}, b]", "x").data == [text, [text, "b"]]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("mlp", "none.csv"), BadData, r"none\.csv: no such file"),
        (("mlp", "empty.csv"), BadData, r"empty\.csv is empty"),
        (("mlp", "head.csv"), BadData, r"head\.csv has a header and no rows"),
        (("model.pkl", "one.csv"), BadModel, r"model\.pkl cannot be opened: EOFError"),
        (("module.pt", "one.csv"), BadModel, r"module\.pt holds weights, not the code"),
        (("folder", "one.csv"), BadModel, r"folder has no config\.json"),
        (("broken", "one.csv"), BadModel, r"broken/config\.json is not JSON"),
        (("listed", "one.csv"), BadModel, r"listed/config\.json holds a list"),
    ],
)
def test_what_cannot_be_used_is_refused(words: tuple[str, str], error: type[Exception], message: str) -> None:
    Path("empty.csv").touch()
    Path("head.csv").write_text("age,label\n")
    write_table("one.csv", 20, classes=("a",))
    for file in ("model.pkl", "module.pt"):
        Path(file).touch()
    for folder, text in (("folder", None), ("broken", "{"), ("listed", "[]")):
        Path(folder).mkdir()
        if text:
            Path(folder, "config.json").write_text(text)
    with pytest.raises(error, match=message):
        starter(*words)


def test_one_class_and_columns_that_are_not_there_are_refused(capfd) -> None:
    write_table("one.csv", 20, classes=("a",))
    with pytest.raises(BadData, match=r"one\.csv: the label 'outcome' has one value, 'a'"):
        starter("mlp", "one.csv", label="outcome")
    with pytest.raises(UnknownName, match=r"no column 'outcom'\. Did you mean 'outcome'"):
        starter("mlp", "one.csv", label="outcom")
    with pytest.raises(UnknownName, match=r"no column of one\.csv 'sexx'\. Did you mean 'sex'"):
        starter("mlp", "one.csv", groups=["sexx"])
    assert leave(capfd, "init", "mlp", "--test", "none.csv", "--out", "new/job.yaml")[0] == 2
    assert not Path("new").exists()


@pytest.mark.parametrize(("words", "message"), [((), "there is no model"), (("mlp",), "there is no `--test`")])
def test_a_call_that_lacks_something_says_what(words: tuple[str, ...], message: str, capfd) -> None:
    code, _, err = leave(capfd, "init", *words)
    assert code == 2
    assert message in err


def write_graph_of_images(name: str, batch: str | int, shape: tuple[int, ...]) -> None:
    """A graph of arrays of two channels."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("ReduceMean", ["serving/in.1:0"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "head"], ["out:0"]),
    ]
    taken = [helper.make_tensor_value_info("serving/in.1:0", TensorProto.FLOAT, [batch, *shape])]
    given = [helper.make_tensor_value_info("out:0", TensorProto.FLOAT, [batch, 2])]
    head = numpy_helper.from_array(np.eye(shape[0], 2, dtype=np.float32), "head")
    graph = helper.make_graph(nodes, "g", taken, given, [head])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), name)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 8, 8)])
def test_arrays_that_a_graph_takes_as_they_are_are_no_images_and_its_batch_is_said(capfd, shape: tuple[int, ...]) -> None:
    write_graph_of_images("m.onnx", 1, shape)
    labels = np.arange(600) % 2
    rows = np.random.default_rng(0).normal(size=(600, *shape)).astype(np.float32)
    rows[np.arange(600), labels] += 2
    np.savez("test.npz", X=rows, y=labels)
    code, out, err = leave(capfd, "init", "m.onnx", "--test", "test.npz")
    assert (code, err) == (0, "")
    assert "its batch was opened" in out
    assert (read_job(Path("job.yaml")).task, "to fill in" in out) == ("array-classification", False)


def test_a_graph_that_holds_its_classes_asks_for_no_labels(capfd) -> None:
    import onnx
    from onnx import TensorProto, helper

    numbers = {"coefficients": [1.0, 0.0, -1.0, 0.0], "intercepts": [0.0, 0.0], "post_transform": "SOFTMAX", "multi_class": 1}
    nodes = [helper.make_node("LinearClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"], **numbers)]
    taken = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])]
    ends = [
        helper.make_tensor_value_info("label", TensorProto.STRING, ["N"]),
        helper.make_tensor_value_info("p", TensorProto.FLOAT, ["N", 2]),
    ]
    graph, versions = helper.make_graph(nodes, "g", taken, ends), [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=8), "m.onnx")
    draw = np.random.default_rng(0).normal(size=(700, 2))
    with open("test.csv", "w") as file:
        file.write("a,b,answer\n")
        file.writelines(f"{a:.4f},{b:.4f},{'no' if a > 0 else 'yes'}\n" for a, b in draw)
    code, out, err = leave(capfd, "init", "m.onnx", "--test", "test.csv", "--label", "answer")
    assert (code, err, "to fill in" in out) == (0, "", False)
    assert "labels are matched by name with the 2 classes of the model" in Path("job.yaml").read_text()


def test_cells_that_list_labels_are_a_multilabel_task() -> None:
    write_table("test.csv", 90, header=("age", "sex", "a", "b", "tags"), classes=("red|green", "green", "red|blue"))
    made = starter("mlp", "test.csv", "test.csv", label="tags")
    assert "task: tabular-multilabel\n" in made.text
    assert "# 3 classes; the rarest, blue, has" in made.text
    assert "metric: micro_f1    # macro_f1, average_precision" in made.text


def test_fractions_beside_an_array_are_a_regression() -> None:
    draw = np.random.default_rng(0)
    np.savez("test.npz", X=draw.normal(size=(300, 6)), y=draw.normal(size=300))
    made = starter("mlp", "test.npz", "test.npz")
    assert "task: tabular-regression\n" in made.text
    assert "metric: mae" in made.text


def test_an_estimator_is_opened_and_its_job_needs_nothing_more(capfd) -> None:
    """The command says first that a pickle is code; columns, classes and the task are what it was fitted on."""
    import joblib
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    write_table("train.csv", 300)
    write_table("test.csv", 300)
    table = pandas.read_csv("train.csv", dtype={"outcome": str, "NO": str}, keep_default_na=False)
    hot = ColumnTransformer([("hot", OneHotEncoder(), ["sex", "NO"])], remainder="passthrough")
    joblib.dump(make_pipeline(hot, LogisticRegression(max_iter=1000)).fit(table[list(HEADER[:4])], table["outcome"]), "model.joblib")
    code, out, err = leave(capfd, "init", "model.joblib", "--train", "train.csv", "--test", "test.csv")
    assert code == 0, err
    assert "runs code that is not paredown's, with your rights: model model.joblib" in err
    job = read_job(Path("job.yaml"))
    assert (job.model.kind, job.model.value, job.task) == ("estimator", "model.joblib", "tabular-classification")
    assert (job.data.columns["label"], dict(job.data.preprocess)) == ("outcome", {})
    assert "to fill in" not in out
    assert "answers as the Pipeline itself does in all of" in out


def test_files_that_are_for_one_task_say_so() -> None:
    Path("test.conll").write_text("Ada\tB-PER\nwrote\tO\n\n" * 60)
    made = starter("mlp", "test.conll")
    assert "task: token-classification\n" in made.text
    assert "metric: entity_f1    # token_accuracy, or a function of yours" in made.text
    assert "classes; the rarest" not in made.text
    questions = [{"question": f"who {at}?", "answers": [{"text": "Ada", "answer_start": 0}]} for at in range(60)]
    Path("test.json").write_text(json.dumps({"data": [{"paragraphs": [{"context": "Ada wrote it.", "qas": questions}]}]}))
    assert "task: question-answering\n" in starter("mlp", "test.json").text
