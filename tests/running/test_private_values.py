"""What is private does not ship: a study's files but its own cache hold no value that fewer than 20 training rows share."""

from __future__ import annotations

import random
import re
import sqlite3
from pathlib import Path

import pytest

from paredown.core.errors import BadData
from paredown.planning.dry_run import plan
from paredown.planning.init import starter
from paredown.running.encoding import encoding, fitted_on
from paredown.running.story import run
from paredown.study.jobfile import read_job
from paredown.study.splits import load_splits
from paredown.study.units import units_of
from tiny_study import ONE_RECIPE, shorten

RARE = ("von Hippel-Lindau", "Fabry", "Wilson")
COMMON = ("cold", "asthma", "gout")
PRIVATE = re.compile(rb"example\.org|von Hippel|Fabry|Wilson|Tristan")


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """People with addresses, diagnoses of which some are rare, and a group of one."""
    draw = random.Random(0)
    for name, count in (("train", 400), ("test", 300)):
        lines = ["email,age,diagnosis,island,label"]
        for at in range(count):
            age, diagnosis = draw.randint(18, 90), RARE[at % 3] if at < 9 else draw.choice(COMMON)
            island = "Tristan" if at < 2 else draw.choice(("North", "South"))
            lines.append(f"person{draw.randrange(10**6)}@example.org,{age},{diagnosis},{island},{int(age > 55)}")
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    file = tmp_path / "job.yaml"
    file.write_text(
        "name: private\nmodel: {builtin: mlp, hidden: [16], train: {epochs: 4, lr: 0.01}}\ntask: tabular-classification\n"
        "data: {train: train.csv, test: test.csv, label: label, groups: [island]}\nmetric: accuracy\n"
        f"deploy: {{runtimes: [onnxruntime]}}\nsearch: {ONE_RECIPE}\n"
        "policy: {minimize: cpu_time, rules: [{quality: {drop: 20 %}}, {quality: {id: islands, drop: 40 pp, by: [island]}}]}\n"
    )
    return file


def test_a_dry_run_and_init_say_what_is_left_out(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = "\n".join(plan(job)["notes"])
    assert "The column 'email' is left out: most of 260 rows share its value with fewer than 20 others" in notes
    assert "3 values of the column 'diagnosis' that fewer than 20 training rows share count as one" in notes
    assert not PRIVATE.search(notes.encode())
    monkeypatch.chdir(job.parent)
    made = starter("mlp", "test.csv", "train.csv", label="label")
    assert "  # drop: [email]    # tells who a row is, as a name does, and may not ship" in made.text
    assert any("tell who a row is, as a name does: email" in seen for seen in made.seen)


def test_a_model_that_arrives_trained_is_never_fed_otherwise_in_silence(job: Path) -> None:
    (job.parent / "mine.py").write_text("import torch\n\n\ndef net():\n    return torch.nn.Linear(9, 2)\n")
    text = job.read_text().replace("{builtin: mlp, hidden: [16], train: {epochs: 4, lr: 0.01}}", '{python: "mine:net"}')
    job.write_text(text)
    with pytest.raises(BadData, match=r"column 'email': (\d+) of its \1 values fewer than 20 training rows share, and it would ship"):
        plan(job)
    job.write_text(text.replace("label: label,", "label: label, drop: [email], preprocess: {rare: keep},"))
    assert "share count as one" not in "\n".join(plan(job)["notes"])


def test_the_words_of_a_model_that_arrives_trained_are_those_of_all_of_train(job: Path) -> None:
    job.write_text(job.read_text().replace("{builtin: mlp, hidden: [16], train: {epochs: 4, lr: 0.01}}", '{python: "mine:net"}'))
    (job.parent / "mine.py").write_text("def net(): ...\n")
    given = read_job(job)
    splits = load_splits(given, 0, trains_baseline=False)
    units = units_of(given)
    encode = encoding(given, units, fitted_on(given, units, splits), job.parent)
    found = {column["name"]: len(column["values"]) for column in encode["columns"] if "values" in column}
    assert found["email"] == len({line.split(",")[0] for line in (job.parent / "train.csv").read_text().splitlines()[1:]})
    assert (found["diagnosis"], found["island"]) == (6, 3)


@pytest.mark.slow
def test_nothing_of_a_study_but_its_cache_holds_an_address_or_a_rare_value(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, job.parent / "state")
    study = job.parent / "study"
    result = run(job, study)
    assert result.chosen is not None
    shipped = [path for path in study.rglob("*") if path.is_file() and "cache" not in path.relative_to(study).parts]
    assert {"artifact.json", "probe.json", "result.json", "report.html", "ledger.sqlite", "candidates.jsonl"} <= {
        path.name for path in shipped
    }
    assert [path.name for path in shipped if PRIVATE.search(path.read_bytes())] == []
    with sqlite3.connect(study / "ledger.sqlite") as ledger:
        assert not PRIVATE.search("\n".join(ledger.iterdump()).encode())
    assert {finding["group"] for finding in result.data["findings"] if finding["rule"] == "islands"} >= {
        "island=North",
        "island=other values",
    }
    readme = (study / "artifact" / "README.md").read_text("utf-8")
    assert "5 category values (of the columns 'diagnosis' 3, 'island' 2)" in readme
    assert any(note.startswith("What ships: ") for note in result.data["notes"])
    with result.load() as model:
        assert len(model.predict([{"age": 30, "diagnosis": "Fabry", "island": "Tristan"}])) == 1
