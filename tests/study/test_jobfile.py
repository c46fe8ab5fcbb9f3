"""Job files."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

import paredown.cli
from paredown.core.errors import BadDocument
from paredown.core.job import DataSpec, Deploy, GridSpec, MachineSpec, ModelSpec, SearchSpec
from paredown.study.jobfile import read_job

SMALL: dict[str, Any] = {
    "model": {"builtin": "digits-cnn"},
    "task": "image-classification",
    "data": {"builtin": "digits"},
    "metric": "accuracy",
    "policy": "frugal",
}


def write(folder: Path, text: str) -> Path:
    for name in ("train.csv", "test.csv", "w.safetensors", "m.onnx"):
        (folder / name).write_text("x\n", "utf-8")
    path = folder / "job.yaml"
    path.write_text(textwrap.dedent(text), "utf-8")
    return path


WHOLE = """\
    name: intents
    model: {python: my.mod:build, weights: w.safetensors, arguments: {width: 8}}
    task: tabular-classification
    data:
      train: train.csv
      test: test.csv
      unlabeled: my.data:queries
      label: intent
      groups: [region, age_band]
      drop: id
      missing: [-1, NA]
      skip: 2
      labels: [NO, 0, yes]
      preprocess: {standardize: true}
      shares: {validation: 20 %, calibration: 0.1}
    metric: my_metrics:cost
    deploy:
      scenario: offline
      batch: 32
      runtimes: onnxruntime
      volume: 2e6 / month for 12 months
      machine: {cpu: this, price: 0.045 EUR/h}
      grid: {zone: NO, pue: 1.2}
    search: {strategy: ladder, budget: [2 h, 300 kJ], exclude: [distill], seed: 7, trial: {time: 10 min, memory: 4 GB}}
    policy:
      extends: frugal
      rules:
        - quality: {drop: 2 %}
"""


def test_a_whole_job(tmp_path: Path) -> None:
    job = read_job(write(tmp_path, WHOLE))
    assert (job.name, job.task, job.metric, job.folder) == ("intents", "tabular-classification", "my_metrics:cost", tmp_path)
    options = {"weights": "w.safetensors", "arguments": {"width": 8}}
    assert job.model == ModelSpec(kind="python", value="my.mod:build", options=options)
    assert job.data == DataSpec(
        sources={"train": "train.csv", "test": "test.csv", "unlabeled": "my.data:queries"},
        columns={"label": "intent", "groups": ["region", "age_band"], "drop": ["id"], "missing": ["-1", "NA"], "skip": 2},
        labels=("NO", "0", "yes"),
        preprocess={"standardize": True},
        shares={"validation": 0.2, "calibration": 0.1},
    )
    assert job.deploy == Deploy(
        scenario="offline",
        batch=32,
        runtimes=("onnxruntime",),
        volume=24e6,
        period_s=12 * 365.25 / 12 * 86400,
        grid=GridSpec(zone="NO", pue=1.2),
        machine=MachineSpec(price=0.045),
        currency="EUR",
    )
    assert job.search == SearchSpec(budget_s=7200.0, budget_j=3e5, exclude=("distill",), seed=7, trial_s=600.0, trial_b=4e9)
    assert job.policy.drop is not None
    assert (job.policy.drop.limit.text, job.policy.drop.where) == ("2 %", "job.yaml:28")  # type: ignore[union-attr]
    assert job.document["data"]["labels"] == ["NO", 0, "yes"]


def test_a_small_job_takes_the_defaults_of_the_nouns(tmp_path: Path) -> None:
    job = read_job(SMALL, tmp_path)
    assert (job.name, job.folder, job.policy.name) == ("job", tmp_path, "frugal")
    assert job.data == DataSpec(sources={"all": "builtin:digits"})
    assert (job.deploy, job.search) == (Deploy(), SearchSpec())
    assert read_job(SMALL).folder == Path()


def test_the_example_of_init_is_a_job() -> None:
    path = Path(paredown.cli.__file__).parent / "starters" / "digits.yaml"
    job = read_job(path)
    assert job.name == path.stem == "digits"
    assert job.policy.drop is not None
    assert job.policy.drop.limit.value == 0.02  # type: ignore[union-attr]


def test_texts_and_a_split_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "queries.txt").write_text("x")
    data = {"train": "saved:train", "test": "./saved:test", "unlabeled": "queries.txt", "text": ["premise", "hypothesis"]}
    found = read_job(SMALL | {"data": data}, tmp_path).data
    assert found == DataSpec(
        sources={name: data[name] for name in ("train", "test", "unlabeled")}, columns={"text": ["premise", "hypothesis"]}
    )
    assert read_job(SMALL | {"data": {"all": "saved:x", "text": "q", "zero_based": True}}, tmp_path).data.columns == {
        "text": ["q"],
        "zero_based": True,
    }


def test_python_data_and_one_budget(tmp_path: Path) -> None:
    job = read_job(SMALL | {"data": {"python": "my.mod:load", "shares": {"test": 0.5}}, "search": {"budget": "20 min"}}, tmp_path)
    assert (dict(job.data.sources), dict(job.data.shares)) == ({"all": "python:my.mod:load"}, {"test": 0.5})
    assert (job.search.budget_s, job.search.budget_j) == (1200.0, None)


@pytest.mark.parametrize("kind", ["sklearn", "predictions"])
def test_models_of_later_versions_are_known_and_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadDocument, match=f"model.{kind} is for a {kind} model, which this version cannot read"):
        read_job(SMALL | {"model": {kind: "./my-model"}}, tmp_path)


@pytest.mark.parametrize(
    ("change", "found", "do"),
    [
        ({"model": "digits-cnn"}, "model is 'digits-cnn'; it has to say where the model comes from.", "{builtin: digits-cnn}"),
        ({"model": {"path": "x"}}, "model has no source, only path.", "Name one of builtin"),
        ({"model": {"builtin": "a", "onnx": "b"}}, "model names builtin and onnx.", "Name one of"),
        ({"model": {"builtin": 3}}, "model.builtin is 3; it has to be a text.", "`pkg.mod:function`"),
        ({"model": {"builtin": "a", "weights": "w"}}, "model.weights does not go with builtin.", "train, hidden, widths"),
        ({"model": {"builtin": "a", "train": 3}}, "model.train is 3; it has to be a mapping.", "`train: {...}`"),
        ({"model": {"python": "my.mod"}}, "model.python is 'my.mod'.", "`pkg.mod:function`"),
        ({"model": {"python": "m:f", "weights": "nix.pt"}}, "model.weights is 'nix.pt'; there is no such file.", "folder of the job file"),
        ({"model": {"python": "m:f", "weights": 3}}, "model.weights is 3; it has to be a path.", "safetensors"),
        ({"model": {"onnx": "nix.onnx"}}, "model.onnx is 'nix.onnx'; there is no such file.", "folder of the job file"),
        (
            {"model": {"onnx": "m.onnx", "opset": 17}},
            "model.opset does not go with onnx.",
            "Allowed beside `onnx`: tokenizer, output, constants.",
        ),
        ({"task": "image-clasification"}, "no task 'image-clasification'. Did you mean 'image-classification'?", "paredown list tasks"),
        ({"metric": "acuracy"}, "no metric 'acuracy'. Did you mean 'accuracy'?", "paredown list metrics"),
        ({"task": 3}, "task is 3; it has to be a text.", "quotes"),
        ({"metric": None}, "the document has no `metric`.", "Add `metric: ...`"),
        ({"name": "../up"}, "name is '../up'; it names the study's folder.", "letters, digits"),
        ({"name": "é" * 101}, "it names the study's folder.", "up to 200 bytes."),
        ({"data": {"test": "x" * 10_000}}, "there is no such file.", "folder of the job file"),
        ({"data": {"train": "train.csv"}}, "data has no `test`.", "Add `test: file`"),
        ({"data": {"test": "nix.csv"}}, "data.test is 'nix.csv'; there is no such file.", "folder of the job file"),
        (
            {"data": {"test": "tset.csv"}},
            "data.test is 'tset.csv'; there is no such file. Did you mean 'test.csv'?",
            "folder of the job file",
        ),
        ({"data": {"test": "saved/x:test"}}, "data.test is 'saved/x:test'; there is no such file.", "folder of the job file"),
        ({"data": {"test": "test.csv", "text": ["a", "b", "c"]}}, "data.text is a, b, c.", "two different ones for pairs"),
        ({"data": {"test": "test.csv", "text": "a", "features": "b"}}, "data.text stands beside `features`.", "texts or a table"),
        (
            {"data": {"test": "test.csv", "label": ["a", "b"]}},
            "data.label names a, b: multi-label, each of several labels",
            "text-multilabel",
        ),
        ({"data": {"test": "test.csv", "inputs": ["X", "Z"]}}, "data.inputs names X, Z; one input is taken now.", "Put them side by side"),
        ({"data": {"test": "test.csv", "lable": "x"}}, "no key 'lable' in data.", "Did you mean `label`?"),
        ({"data": {"builtin": "digits", "test": "test.csv"}}, "data names builtin and test.", "cut into splits"),
        ({"data": {"builtin": "digits", "all": "test.csv"}}, "data names all and builtin.", "cut into splits"),
        ({"data": {"builtin": "digits", "shares": 3}}, "data.shares is 3; it has to be a mapping.", "`shares: {test: 0.5}`"),
        ({"data": {"builtin": "digits", "shares": {"train": 0.5}}}, "data.shares.train is no split with a share.", "train is the rest"),
        ({"data": {"builtin": "digits", "shares": {"test": 1}}}, "data.shares.test is 1.", "above 0 and below 1"),
        ({"data": {"builtin": "digits", "shares": {"test": "1 s"}}}, "data.shares.test is '1 s'; that is a time", "`90 %`"),
        ({"data": {"builtin": "digits", "shares": {"test": 0.5, "validation": 0.5}}}, "data.shares add up to 1.", "for train"),
        ({"data": {"builtin": "digits", "labels": [True]}}, "data.labels[0] is true; it has to be a text.", "Write a text"),
        ({"data": "digits"}, "data is 'digits'; it has to be a mapping.", "Its keys: train"),
        ({"deploy": {"scenario": "server"}}, "deploy.scenario is server, which a search does not measure.", "`single-stream` or `offline`"),
        ({"deploy": {"scenario": "stream"}}, "deploy.scenario is 'stream'.", "Allowed: single-stream, offline or server."),
        ({"deploy": {"scenario": "offline"}}, "deploy is offline and has no `batch`.", "Add `batch: 32`."),
        ({"deploy": {"batch": 8}}, "deploy.batch is 8; single-stream answers one item at a time.", "`scenario: offline`"),
        ({"deploy": {"runtimes": ["onnxruntme"]}}, "no runtime 'onnxruntme'. Did you mean 'onnxruntime'?", "paredown list runtimes"),
        ({"deploy": {"volume": "lots"}}, "deploy.volume is 'lots'; it needs a number per period", "`2e6 / month for 12 months`"),
        (
            {"deploy": {"machine": {"price": "4 cents"}}},
            "deploy.machine.price is '4 cents'; 'cents' is no currency of three capitals.",
            "`0.045 EUR/h`",
        ),
        ({"deploy": {"grid": {"pue": 0.9}}}, "deploy.grid.pue is 0.9.", "greater than or equal to 1"),
        ({"deploy": {"grid": {"zon": "NO"}}}, "no key 'zon' in deploy.grid.", "Did you mean `zone`?"),
        ({"search": {"strategy": "pare"}}, "search.strategy is pare, which this version does not have.", "`strategy: ladder`"),
        ({"search": {"strategy": "random"}}, "search.strategy is 'random'.", "`strategy: ladder`"),
        ({"search": {"exclude": "trim"}}, "no technique 'trim'.", "paredown list techniques"),
        ({"search": {"budget": 7}}, "search.budget is 7; it has to be a time or an energy.", "`[2 h, 300 kJ]`"),
        ({"search": {"budget": ["2 h", "5 min"]}}, "search.budget[1] is '5 min', a second limit of its kind.", "one time and one energy"),
        ({"search": {"trial": {"time": 5}}}, "search.trial.time is 5; it needs a unit.", "`20 min`"),
        ({"search": {"trial": {"memory": "4 gb"}}}, "search.trial.memory is '4 gb'; there is no unit 'gb'", "Did you mean `4 GB`?"),
        ({"search": {"seed": -1}}, "search.seed is -1.", "greater than or equal to 0"),
        ({"policy": "frugl"}, "no policy 'frugl'. Did you mean 'frugal'?", "Built-in and installed"),
        ({"policy": "./nix.yaml"}, "there is no policy file './nix.yaml'.", "folder of the file that names them"),
        ({"policy": 3}, "policy is 3.", "a built-in name, a path or a mapping"),
        ({"policy": {"rules": [{"quality": {"drop": 2}}]}}, "policy.rules[0].quality.drop is 2; it needs a unit.", "`2 pp`"),
        ({"polcy": "frugal"}, "no key 'polcy'.", "Did you mean `policy`?"),
    ],
)
def test_what_a_job_cannot_say(tmp_path: Path, change: dict[str, Any], found: str, do: str) -> None:
    write(tmp_path, "")
    with pytest.raises(BadDocument) as caught:
        read_job(SMALL | change, tmp_path)
    (said,) = caught.value.problems
    assert found in said.found
    assert do in said.do


def test_all_problems_of_job_and_policy_at_once_with_their_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """\
        model: {builtin: digits-cnn, wieghts: x}
        task: image-clasification
        data:
          test: nix.csv
        deploy: {volume: 3 per day}
        search: {budget: 5}
        policy:
          rules:
            - quality: {drop: 2}
            - sise: {max: 1 MB}
        """,
    )
    with pytest.raises(BadDocument) as caught:
        read_job(path)
    assert [problem.where for problem in caught.value.problems] == [f"job.yaml:{line}" for line in (1, 1, 2, 4, 5, 6, 9, 10)]


def test_a_job_that_is_no_mapping_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadDocument, match=r"job.yaml:1: the document is a list; it has to be a mapping"):
        read_job(write(tmp_path, "- 1\n"))
    with pytest.raises(BadDocument, match=r"job.yaml: the document is empty; it has to be a mapping"):
        read_job(write(tmp_path, ""))
    with pytest.raises(BadDocument, match=r"gone.yaml: cannot be read"):
        read_job(tmp_path / "gone.yaml")


def test_nothing_written_is_lost_on_wrong_sections(tmp_path: Path) -> None:
    with pytest.raises(BadDocument) as caught:
        read_job({"model": None, "data": [], "deploy": 3, "search": "x"}, tmp_path)
    said = "\n".join(str(problem) for problem in caught.value.problems)
    for part in ("no `model`", "no `task`", "no `metric`", "no `policy`", "data is a list", "deploy is 3", "search is 'x'"):
        assert part in said


def test_entries_of_a_series_go_with_forecasts_alone(tmp_path: Path) -> None:
    entries = (
        "data: {train: train.csv, test: test.csv, label: [a, b], time: day, window: 48, horizon: [1, 6], begins: {validation: 2014-01-01}}"
    )
    text = "model: {{builtin: mlp}}\ntask: {task}\n{data}\nmetric: mae\npolicy: frugal\n"
    made = read_job(write(tmp_path, text.format(task="series-forecasting", data=entries)))
    wanted = {"label": ["a", "b"], "time": ["day"], "window": 48, "horizon": [1, 6], "begins": {"validation": "2014-01-01"}}
    assert made.data.columns == wanted
    with pytest.raises(BadDocument) as refused:
        read_job(write(tmp_path, text.format(task="tabular-regression", data=entries.replace("48", "0"))))
    said = str(refused.value)
    assert "job.yaml:3: data.window is 0" in said
    with pytest.raises(BadDocument, match=r"data\.begins does not go with tabular-regression\.\n  Take it out") as refused:
        read_job(write(tmp_path, text.format(task="tabular-regression", data=entries)))
    assert all(f"data.{key} does not go" in str(refused.value) for key in ("window", "horizon"))
    assert "label" not in str(refused.value)
