"""A model and data from a script, a notebook or a test go the whole way; what does not fit is refused before anything is spent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import paredown
from paredown.core.errors import BadData, BadModel, OtherJob, UsageError
from paredown.core.rows import Rows
from paredown.ground import registry
from paredown.inmemory import in_program, shrink
from tiny_study import shorten, tiny_rows

HERE = Path(__file__).parents[1]
SETUP = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import pytest
from pathlib import Path
from paredown.ground import registry
from tiny_study import shorten, tiny_rows
shorten(pytest.MonkeyPatch(), Path("state").resolve())
X, y = tiny_rows(900, 0)
"""
NET = """
import torch
import paredown

class Net(torch.nn.Module):
    "Passes the first three numbers on as logits; large enough for 8-bit numbers to pay."
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(*sizes, bias=False) for sizes in ((8, 1024), (1024, 1024), (1024, 3))])
        self.act = lambda x: torch.relu(x)
        for layer in self.layers:
            torch.nn.init.eye_(layer.weight)

    def forward(self, x):
        first, second, last = self.layers
        return last(second(self.act(first(x))))
"""
CALL = """
result = paredown.shrink(
    Net().train(), test=(X, y), runtimes=["onnxruntime"], folder="study",
    policy={"minimize": "size", "rules": [{"quality": {"drop": "5 %"}}]},
    job={"search": {"exclude": [name for name in registry.names("techniques") if name != "quantize_dynamic"]}},
)
"""
SAY = """
with result.load() as model:
    print(result.verdict, model.predict(X[:4]), round(result.ratios["size"]["value"], 1), result.report.is_file(), result.nearest)
print(repr(result))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A script whose model stands in `__main__`, run to its end in a folder of its own."""
    folder = tmp_path_factory.mktemp("script")
    (folder / "mine.py").write_text(SETUP + NET + CALL + SAY)
    done = subprocess.run([sys.executable, "mine.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_script_gets_a_result_that_loads_and_says_where_the_report_is(script) -> None:
    _, done = script
    first, second = done.stdout.splitlines()
    assert re.fullmatch(r"pass \['0', '1', '2', '0'\] 3\.\d True None", first)
    assert second.startswith("<pass: ")
    assert "times less size to deploy" in second
    assert re.search(r"quantize_dynamic\(\) @ onnxruntime\(threads=\d\); report: study/report\.html>$", second)
    assert "tabular-classification, as X is an array (900, 8)" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_the_commands_go_on_with_the_study_of_a_script(script, tmp_path: Path) -> None:
    folder, _ = script

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
        return subprocess.run(
            [sys.executable, "-m", "paredown", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
        )

    dry = command("run", "study", "--dry-run")
    assert "rows    calibration 30, validation 270, test 600" in dry.stdout, dry.stderr
    assert "3 trials" in command("show", "study").stdout
    assert command("verify", "study").returncode == 0


def test_the_model_as_given_can_be_measured_again(script, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = script
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    measured = paredown.measure(folder / "study", "baseline", seconds=1)
    assert measured.other_recipe.startswith("as_given @ torch")
    assert measured.ratios["size"].value > 3


def test_a_notebook_goes_on_with_the_study_of_a_script_and_shows_the_result(script) -> None:
    import nbformat
    from nbclient import NotebookClient

    folder, _ = script
    book = nbformat.v4.new_notebook()
    texts = [SETUP, NET, CALL, "result", SAY, "paredown.shrink(Net(), test=(X[:, :5], y))"]
    book.cells = [nbformat.v4.new_code_cell(text) for text in texts]
    book.cells[-1].metadata["tags"] = ["raises-exception"]
    NotebookClient(book, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    ran = book.cells[2].outputs
    assert {(output.output_type, output.name) for output in ran} == {("stream", "stdout")}
    told = "".join(output.text for output in ran)
    assert len(told.splitlines()) < 20
    assert re.search(r"trial \d+: quantize_dynamic\(\)", told)
    assert "\x1b" not in told
    assert "measuring 1" not in told, "the script has measured everything"
    (shown,) = book.cells[3].outputs
    assert "<strong>Pass</strong>" in shown.data["text/html"]
    assert 'href="study/report.html"' in shown.data["text/html"]
    assert "times less size to deploy" in shown.data["text/html"]
    assert book.cells[4].outputs[0].text.startswith("pass ['0', '1', '2', '0']")
    refused = book.cells[5].outputs[-1]
    assert refused.ename == "BadModel"
    assert "\n".join(refused.traceback).startswith("BadModel: the model does not take X as it is: RuntimeError")
    assert "File " not in "\n".join(refused.traceback)


def test_an_interrupted_kernel_says_how_to_go_on_and_ends_its_workers(tmp_path: Path) -> None:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(cwd=str(tmp_path))
    try:
        client.execute(SETUP + NET + CALL, store_history=False)
        told, name, pressed, until = "", "", False, time.monotonic() + 120
        while not name and time.monotonic() < until:
            message = client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "stream":
                told += message["content"]["text"]
            if not pressed and "the model as given" in told:  # once: a second press would break into IPython's own traceback
                pressed = True
                manager.interrupt_kernel()
            name = message["content"].get("ename", "")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert name == "KeyboardInterrupt", told
    assert "stopped. Nothing that was recorded is lost; the same call goes on from there." in told
    assert (tmp_path / "study/ledger.sqlite").is_file()
    assert (tmp_path / "study/given/job.yaml").is_file()


def test_another_model_is_another_job_and_leaves_the_study_as_it_was(script) -> None:
    folder, _ = script
    before = {path.name: path.read_bytes() for path in (folder / "study/given").iterdir()}
    inputs, y = tiny_rows(900, 0)
    with pytest.raises(OtherJob, match=r"model: [0-9a-f]+ -> [0-9a-f]+(.|\n)*Give another `folder=`"):
        paredown.shrink(net(), test=(inputs, y), folder=folder / "study", quiet=True)
    assert {path.name: path.read_bytes() for path in (folder / "study/given").iterdir()} == before


def net(*sizes: int) -> nn.Module:
    """Linear layers, (N, 8) -> (N, 3)."""
    sizes = sizes or (8, 16, 3)
    layers = [nn.Linear(*pair) for pair in pairwise(sizes)]
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))[:-1]


def refuse(tmp_path: Path, model: object, inputs: object, labels: object, **more: object) -> None:
    """A call that has to be refused before a study exists."""
    try:
        paredown.shrink(model, test=(inputs, labels), folder=tmp_path / "study", quiet=True, **more)
    finally:
        assert not (tmp_path / "study").exists()


X, Y = tiny_rows(60, 0)
IMAGES = np.zeros((12, 3, 8, 8), np.float32)


def with_attribute(**attributes: object) -> nn.Module:
    model = net()
    for key, value in attributes.items():
        setattr(model[0], key, value)
    return model


def nan(model: nn.Module) -> nn.Module:
    model[-1].bias.data[0] = torch.nan
    return model


def hooked() -> nn.Module:
    model = net()
    model[0].register_forward_hook(print)
    return model


def scripted() -> nn.Module:
    with pytest.warns(DeprecationWarning, match="trace"):
        return torch.jit.trace(net(), torch.zeros(1, 8))


@pytest.mark.parametrize(
    ("model", "inputs", "labels", "message"),
    [
        (net(8, 5), X, Y + 3, r"y goes up to 5; the model answers 5 numbers per row, so classes go from 0 to 4\."),
        (net(8, 2), X, Y, r"y goes up to 2; the model answers 2 numbers per row"),
        (net(8, 3), X, np.array(["a", "b", "c"])[Y], r"3 words \(a, b, c\), and the model has 3 outputs; which is which is not guessed"),
        (net(7, 3), X, Y, r"does not take X as it is: RuntimeError(.|\n)*One row of X is \(8,\) in float32"),
        (net(8, 1), X, Y % 2, r"the model answers with 1 number per row; two classes need 2 logits(.|\n)*its probability p\."),
        (net(8, 1), X, Y, r"1 number per row, and the labels have 3 values: regression, the answer is a number; a classification answers"),
        (nn.Sequential(net(8, 3), nn.Flatten(0)), X, Y, r"answers 60 rows with a tensor \(180,\); it has to be logits"),
        (nan(net()), X, Y, r"2\.bias holds NaN or infinite numbers"),
        (net().double(), X, Y, r"0\.weight is float64(.|\n)*`model\.float\(\)`"),
        (hooked(), X, Y, r"the layer '0' carries a hook \(print\)"),
        (nn.LazyLinear(3), X, Y, r"weight has no numbers yet"),
        (scripted(), X, Y, r"TorchScript module"),
        (len, X, Y, r"the model is a builtin_function_or_method\.\n  Give a torch\.nn\.Module"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_with_what_to_do(tmp_path: Path, model, inputs, labels, message: str) -> None:
    with pytest.raises((BadModel, BadData), match=message):
        refuse(tmp_path, model, inputs, labels)


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        (X.astype(np.int64), Y, r"X is int64, and the model does not take that; rows are fed as float32(.|\n)*divided by 255"),
        (["a text", "another"], [0, 1], r"X is texts; a torch module takes numbers"),
        (np.where(np.eye(60, 8) > 0, np.nan, X), Y, r"test: 8 of 60 rows hold NaN or infinite values, first row 0"),
        (X, Y[:5], r"test: 5 labels for 60 rows"),
        (X, Y / 7, r"the model answers 3 numbers per row, and y holds one number for each"),
        (X, np.eye(3)[Y], r"shape \(60, 3\)\.\n  Give one class per row, shape \(N,\); for one-hot rows use argmax"),
        (X, X[:, :2], r"the model answers 3 numbers per row, and y holds 2 for each\.\n  Give a model that answers \(N, 2\)"),
        (X[0, 0], Y, r"the inputs are a float32"),
        ({"age": X[:, 0], "job": ["x"] * 60}, Y, r"the column 'job' holds words(.|\n)*preprocess=\{'one_hot': True\}"),
        ({"age": np.where(Y == 0, np.nan, 1.0)}, Y, r"the column 'age' has no value in 20 rows"),
    ],
)
def test_data_that_cannot_be_used_are_refused_with_what_to_do(tmp_path: Path, inputs, labels, message: str) -> None:
    with pytest.raises(BadData, match=message):
        refuse(tmp_path, net(), inputs, labels)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"test": None}, r"there is no `test`"),
        ({"test": "test.csv"}, r"test is 'test\.csv', a path\.\n  Files are for `paredown\.run`"),
        ({"test": X}, r"test is a ndarray\.\n  Give `\(X, y\)`"),
        ({"test": (X, Y, [1])}, r"test: the groups are a list"),
        ({"test": (X, Y, {"sex": ["f"]})}, r"the group 'sex' has 1 values for 60 rows"),
        ({"test": (X, Y), "groups": ["sex"]}, r"test has no column 'sex' for `groups`; it has no columns, X is an array"),
        ({"test": (X, Y), "labels": ["a", "b"]}, r"`labels` names 2 classes; the model answers 3 numbers"),
        ({"test": (X, Y), "unlabeled": (X, Y)}, r"unlabeled is a tuple of 2"),
        ({"test": (np.zeros(4), [0, 1, 0, 1])}, r"X has shape \(4,\)"),
        ({"test": (["a", 5], [0, 1])}, r"row 1 of X is 5, among texts"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(tmp_path: Path, more: dict[str, object], message: str) -> None:
    with pytest.raises(BadData, match=message):
        paredown.shrink(net(), folder=tmp_path / "study", quiet=True, **more)


def test_a_folder_of_somebody_else_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"is not empty and holds no study; found mine\.txt"):
        paredown.shrink(net(), test=(X, Y), folder=tmp_path, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_model_is_asked_in_eval_mode_and_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    model[0].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    parts = {"test": Rows(inputs=X, labels=Y, names=("0", "1", "2"))}
    assert shrink._asked(model, paredown_task("tabular-classification"), parts, {}) == (3, {})
    assert [module.training for module in model.modules()] == [True, False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def paredown_task(name: str):

    return registry.get("tasks", name)()


def test_images_for_a_torch_module_are_fed_as_they_are() -> None:
    rows = in_program.labeled("test", (torch.from_numpy(IMAGES) + 0.5, [0, 1] * 6), ())
    assert in_program.guessed(rows, as_images=False) == ("array-classification", "an array (12, 3, 8, 8)")
    assert in_program.guessed(rows, as_images=True)[0] == "image-classification"
    fed = []

    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            fed.append(x)
            return x.flatten(1)[:, :2] * torch.tensor([1.0, -1.0])

    assert shrink._asked(Net(), paredown_task("array-classification"), {"test": rows}, {}) == (2, {})
    assert fed[0].shape == (12, 3, 8, 8)
    assert torch.equal(fed[0], torch.full((12, 3, 8, 8), 0.5))


def test_frames_texts_pairs_and_groups_become_rows() -> None:
    columns = {"age": torch.tensor([30, 40]), "sex": np.array(["f", "m"], object)}
    rows = in_program.labeled("test", (columns, ["yes", "no"], {"region": ["north", "south"]}), ["sex"])
    assert (rows.names, rows.labels.tolist()) == (("no", "yes"), [1, 0])
    assert {name: column.tolist() for name, column in rows.groups.items()} == {"region": ["north", "south"], "sex": ["f", "m"]}
    texts = in_program.labeled("test", (["one", "two"], [0, 1]), ())
    assert (texts.inputs.dtype, texts.inputs.tolist(), in_program.guessed(texts, False)[0]) == (
        object,
        ["one", "two"],
        "text-classification",
    )
    pairs = in_program.unlabeled([("a", "b"), ("c", "d")])
    assert (pairs.inputs.shape, pairs.labels) == ((2, 2), None)


def test_labels_in_the_order_of_the_outputs_and_classes_that_do_not_occur() -> None:
    words = Rows(inputs=X[:3], labels=np.array([0, 1, 0]), names=("cat", "dog"))
    assert in_program.with_names({"test": words}, ["dog", "cat"], 2)["test"].labels.tolist() == [1, 0, 1]
    truths = in_program.labeled("test", (X[:3], np.array([True, False, True])), ())
    assert in_program.with_names({"test": truths}, [True, False], 2)["test"].labels.tolist() == [0, 1, 0]
    assert in_program.class_names([np.float64(1), 2, np.int64(3), np.True_, "4.0"]) == ["1", "2", "3", "1", "4.0"]
    numbers = Rows(inputs=X[:2], labels=np.array([0, 1]), names=("0", "3"))
    found = in_program.with_names({"test": numbers}, None, 5)["test"]
    assert (found.names, found.labels.tolist()) == (("0", "1", "2", "3", "4"), [0, 3])


def test_a_function_by_name_is_called_by_the_user(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"is the function 'my\.mod:build'\.\n  Call it and give the module"):
        refuse(tmp_path, "my.mod:build", X, Y)


def test_a_hugging_face_folder_gets_raw_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vit").mkdir()
    (tmp_path / "vit" / "config.json").write_text("{}")
    asked = []
    monkeypatch.setattr(shrink, "run", lambda job, *_, **__: asked.append(job))
    images = np.zeros((4, 8, 8, 3), np.uint8)
    paredown.shrink(tmp_path / "vit", test=(images, ["cat", "dog"] * 2), folder=tmp_path / "study", quiet=True)
    assert (asked[0].model.kind, asked[0].task) == ("huggingface", "image-classification")


def test_a_transformers_model_with_its_tokenizer_goes_as_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from paredown.planning.dry_run import plan
    from paredown.testing import tiny

    texts = tiny.texts(96)
    folder = tiny.pretrained(tmp_path / "bert", texts.names)
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    asked = []
    monkeypatch.setattr(shrink, "run", lambda job, *_, **__: asked.append((job, plan(job, timed=True))))
    words = [texts.names[label] for label in texts.labels]
    for _ in range(2):
        paredown.shrink(model.train(), test=(list(texts.inputs), words), tokenizer=tokenizer, folder=tmp_path / "study", quiet=True)
    (first, found), (second, _) = asked
    assert (first.model.kind, first.task, first.name) == ("huggingface", "text-classification", type(model).__name__)
    assert first.document == second.document
    assert found["rows"]["test"] == 64
    assert found["estimate"]["rehearsed"]["parameters"] > 0
    with pytest.raises(BadModel, match=r"the tokenizer is a function\.\n  `tokenizer=` goes with a transformers model"):
        paredown.shrink(model, test=(["a", "b"], ["c", "d"]), tokenizer=refuse, folder=tmp_path / "other", quiet=True)


def test_numbers_and_labels_are_known_by_y(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    head = np.random.default_rng(3).normal(size=(8, 2)).astype(np.float32)
    module = nn.Sequential(nn.Linear(8, 512, bias=False), nn.Linear(512, 2, bias=False))
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(512, 8))
        module[1].weight.copy_(torch.cat([torch.from_numpy(head.T.copy()), torch.zeros(2, 504)], 1))
    inputs = np.random.default_rng(4).normal(size=(500, 8)).astype(np.float32)
    policy = {"minimize": "size", "rules": [{"quality": {"drop": "5 %"}}]}
    more: dict[str, Any] = {"quiet": True, "runtimes": ["onnxruntime"], "policy": policy, "job": {"search": {"exclude": ["drop_layers"]}}}
    marks = (inputs @ head > 0).astype(int)
    found = paredown.shrink(module, test=(inputs, marks), folder=tmp_path / "labels", **more)
    assert found.data["task"] == "tabular-multilabel"
    assert found.data["baseline"]["quality"]["value"] == 1.0
    first = nn.Sequential(module[0], nn.Linear(512, 1, bias=False))
    first[1].weight.data.copy_(module[1].weight.data[:1])
    noise = np.random.default_rng(5).normal(0, 0.1, 500)
    found = paredown.shrink(first, test=(inputs, inputs @ head[:, 0] + noise), folder=tmp_path / "numbers", **more)
    assert found.data["task"] == "tabular-regression"
    assert found.data["baseline"]["quality"]["value"] == pytest.approx(0.08, abs=0.01)
