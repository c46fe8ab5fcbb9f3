"""MLflow itself takes a run as it is exported; skipped where MLflow is not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import paredown
from paredown.exports.mlflow import Mlflow

CODE = """
import json, sys
import mlflow
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/runs.db")
for run in json.load(open(f"{sys.argv[1]}/runs.json"))["runs"]:
    with mlflow.start_run(run_name=run["run_name"]) as opened:
        mlflow.log_metrics(run["metrics"])
        mlflow.log_params(run["params"])
        mlflow.set_tags(run["tags"])
    kept = mlflow.get_run(opened.info.run_id).data
    assert kept.metrics == run["metrics"] and kept.params == run["params"] and run["tags"].items() <= kept.tags.items()
"""


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_keeps_every_metric_param_and_tag(tmp_path: Path) -> None:
    with paredown.track("train", activity="training", grid="NO") as took:
        pass
    (tmp_path / "runs.json").write_text(Mlflow().text([took.record]))
    assert json.loads((tmp_path / "runs.json").read_text())["runs"]
    quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run([sys.executable, "-c", CODE, str(tmp_path)], check=True, env=quiet)
