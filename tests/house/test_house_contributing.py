"""The packages that CONTRIBUTING.md walks through work as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from house_tree import ROOT
from sklearn.metrics import cohen_kappa_score

from paredown.ground import registry
from paredown.testing import tiny

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def installed(folder: Path, toml: str, files: dict[str, str]) -> None:
    """A package as pip would leave it: its modules, and its entry points in a dist-info."""
    project = tomllib.loads(toml)["project"]
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    info = folder / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    (info / "entry_points.txt").write_text(
        "\n".join(f"[{group}]\n" + "\n".join(f"{key} = {value}" for key, value in points.items()) for group, points in groups)
    )


@contextmanager
def found(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")])))
    registry.units.cache_clear()
    yield folder
    registry.units.cache_clear()
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


@pytest.fixture
def narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    installed(tmp_path, blocks("toml")[0], {"narrow/__init__.py": "", "narrow/layers.py": blocks("python")[0]})
    with found(tmp_path, "narrow", monkeypatch) as folder:
        yield folder


@pytest.fixture
def grades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    installed(tmp_path, blocks("toml")[1], {"grades/__init__.py": blocks("python")[2]})
    with found(tmp_path, "grades", monkeypatch) as folder:
        yield folder


def test_the_registry_finds_it(narrow: Path) -> None:
    assert registry.units("techniques")["narrow_layers"].origin == "narrow 0.1.0"
    assert registry.get("techniques", "narrow_layers").name() == "narrow_layers"


def test_its_own_test_passes(narrow: Path) -> None:
    written: dict[str, object] = {}
    exec(compile(blocks("python")[1], "test_layers.py", "exec"), written)
    written["test_contract"](narrow / "scratch")


def test_it_narrows(narrow: Path) -> None:
    given = tiny.candidate("torch", narrow, "conv_net")
    made = registry.get("techniques", "narrow_layers")(keep=0.5).apply(given, tiny.context(narrow, teacher=given))
    assert made.parameters < given.parameters
    assert made.note == "kept 0.5 of 2 groups of channels."


def test_a_task_and_a_metric_of_a_package_hold_the_contracts(grades: Path) -> None:
    assert registry.units("tasks")["grading"].origin == "grades 0.1.0"
    written: dict[str, Any] = {}
    exec(compile(blocks("python")[3], "test_grades.py", "exec"), written)
    written["test_contracts"]()
    kappa, draw = registry.get("metrics", "weighted_kappa")(), np.random.default_rng(0)
    for _ in range(50):
        targets, answers = draw.integers(0, 4, 30), draw.dirichlet(np.ones(4), 30)
        expected = cohen_kappa_score(targets, answers.argmax(1), weights="quadratic", labels=range(4))
        assert kappa.over_set(targets, answers) == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
def test_they_go_through_search_report_and_evidence(grades: Path) -> None:
    draw = np.random.default_rng(0)
    numbers = draw.normal(size=(3000, 8)).astype(np.float32)
    level = numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + 0.3 * draw.normal(size=3000)
    lines = [f"{','.join(f'{value:.4f}' for value in row)},{['low', 'middle', 'high'][grade]}"
             for row, grade in zip(numbers, np.digitize(level, [-0.6, 0.6]))]  # fmt: skip
    header = ",".join([*(f"x{at}" for at in range(8)), "grade"])
    (grades / "rows.csv").write_text("\n".join([header, *lines]) + "\n")
    (grades / "job.yaml").write_text(
        "name: grades\nmodel: {builtin: mlp, train: {epochs: 6}}\ntask: grading\nmetric: weighted_kappa\n"
        "data: {all: rows.csv, label: grade, labels: [low, middle, high]}\ndeploy: {runtimes: [onnxruntime]}\n"
        "search: {seed: 0, budget: 90 s}\npolicy: {minimize: cpu_time, rules: [{quality: {drop: 8 %}}]}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "paredown", "run", "job.yaml", "--study", "study"], cwd=grades, capture_output=True, text=True
    )
    assert done.returncode in (0, 3, 4), done.stderr[-2000:]
    result = json.loads((grades / "study" / "result.json").read_text())
    assert result["baseline"]["quality"]["value"] > 0.5
    assert len(result["trials"]) >= 2
    assert "weighted_kappa" in (grades / "study" / "report.html").read_text()
    checked = subprocess.run([sys.executable, "-m", "paredown", "verify", "study"], cwd=grades, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr[-2000:]
