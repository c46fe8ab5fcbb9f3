"""A study is opened by what its job rests on: metrics with what they read, data with their form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import OtherJob
from paredown.ground import trust
from paredown.running.setup import opened
from paredown.running.workspace import Silent
from paredown.study.jobfile import read_job
from tiny_study import NAMES, shorten, tiny_rows, write_tiny_job

METRIC = """
from pathlib import Path

import importlib

tools = importlib.import_module("_".join(["pare", "tools"]))
COSTS = Path(__file__).with_name("costs.txt").read_text().split()


def cost(y_true, y_pred):
    import pare_late
    return pare_late.weigh(tools.count(y_true, y_pred), COSTS)
"""


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shorten(monkeypatch, tmp_path / "state")


def open_once(job: Path) -> dict[str, str]:
    """What the study says that was read."""
    with opened(read_job(job), job.parent / "study", fresh=False, wait_s=0, listener=Silent()) as workspace:
        workspace.study.ledger.once("trial", "k", lambda span: None)  # from here on something is worth keeping
        return dict(workspace.study.read)


def test_a_metric_is_all_that_it_imports_and_reads(tmp_path: Path) -> None:
    job = write_tiny_job(tmp_path)
    job.write_text(job.read_text().replace("metric: accuracy", "metric: pare_metric:cost"))
    sources = {
        "pare_metric.py": METRIC,
        "pare_tools.py": "def count(a, b):\n    return (a == b).mean()\n",
        "pare_late.py": "def weigh(value, costs):\n    return value * float(costs[0])\n",
        "costs.txt": "1 2",
    }
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    assert sorted(open_once(job)) == sorted(sources)
    assert sorted(open_once(job)) == sorted(sources)
    for name in sources:
        before = (tmp_path / name).read_text()
        (tmp_path / name).write_text(before + "\n#" if name.endswith(".py") else "3 4")
        with pytest.raises(OtherJob, match=rf"  {name}: \w{{64}} -> \w{{64}}\n"):
            open_once(job)
        (tmp_path / name).write_text(before)
    open_once(job)


def test_what_the_job_names_itself_is_called_wherever_its_cache_names_it(tmp_path: Path) -> None:
    job = write_tiny_job(tmp_path)
    (tmp_path / "pare_net.py").write_text("def build():\n    return None\n")
    job.write_text(job.read_text().replace("{onnx: given.onnx}", "{python: 'pare_net:build'}"))
    with opened(read_job(job), tmp_path / "study", fresh=False, wait_s=0, listener=Silent()) as workspace:
        assert trust.trusted() == {workspace.job.model.value} == {"pare_net:build"}
    assert trust.trusted() == set()


def test_a_column_of_another_name_is_another_job(tmp_path: Path) -> None:
    job, (inputs, labels) = write_tiny_job(tmp_path), tiny_rows(300, 0)

    def table(first: str) -> None:
        head = ",".join([first, *(f"x{at}" for at in range(1, inputs.shape[1])), "label"])
        lines = [",".join([*map(repr, map(float, row)), NAMES[label]]) for row, label in zip(np.round(inputs, 4), labels)]
        (tmp_path / "rows.csv").write_text("\n".join([head, *lines]))

    job.write_text(job.read_text().replace("all: rows.npz", "all: rows.csv, label: label"))
    table("a_name")
    open_once(job)
    table("b_name")  # the order of columns by name stays, and so do all values
    with pytest.raises(OtherJob, match=r"(?s)differ \(old -> new\):\n.*  data\.form: \w{64} -> \w{64}\n  Use"):
        open_once(job)
