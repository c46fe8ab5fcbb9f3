"""Whatever is nested, threaded, forked, broken off or moved in time: the totals of each export are those by hand."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from paredown.core.record import EnergyRecord
from paredown.exports.csv import Csv
from paredown.exports.json import Json
from paredown.exports.mlflow import Mlflow
from paredown.exports.model_card import ModelCard
from paredown.exports.opentelemetry import Opentelemetry
from paredown.exports.prometheus import Prometheus
from paredown.exports.records import read_records
from paredown.tracking.instruments import machine

PROGRAM = Path(__file__).parents[1] / "random_trackings.py"

Records = Sequence[EnergyRecord]


def of_csv(records: Records) -> float:
    rows = csv.DictReader(io.StringIO(Csv().text(records)))
    return sum(float(row["cpu_time_s"]) for row in rows if not row["inner"].startswith("not to be added"))


def of_mlflow(records: Records) -> float:
    runs = json.loads(Mlflow().text(records))["runs"]
    return sum(run["metrics"]["paredown.cpu_time_s"] for run in runs if "not to be added" not in run["tags"].get("paredown.inner", ""))


def of_prometheus(records: Records) -> float:
    return sum(map(float, re.findall(r"^paredown_\w+_cpu_seconds_total\{.*\} (\S+)$", Prometheus().text(records), re.MULTILINE)))


def of_opentelemetry(records: Records) -> float:
    (resource,) = json.loads(Opentelemetry().text(records))["resourceMetrics"]
    metrics = resource["scopeMetrics"][0]["metrics"]
    return sum(point["asDouble"] for one in metrics if one["name"].endswith(".cpu_time") for point in one["sum"]["dataPoints"])


@pytest.mark.parametrize("blocks", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_totals_by_export_are_the_totals_by_hand(tmp_path: Path, blocks: int) -> None:
    file = tmp_path / "took.jsonl"
    ran = subprocess.run([sys.executable, str(PROGRAM), "7", str(blocks), str(file)], check=True, capture_output=True, text=True)
    hand = json.loads(ran.stdout)
    records = read_records(file)
    assert len(records) >= blocks
    assert {"block", "itself", "threads", "tasks", "forked", "clock", "broken"} == set(hand["kinds"])
    added = sum(record.readings["cpu_time"].value for record in records)  # type: ignore[union-attr]
    assert added > 1.3 * hand["cpu_s"], "nothing overlaps, so that the test shows nothing"
    exports: Sequence[Callable[[Records], float]] = (of_csv, of_mlflow, of_prometheus, of_opentelemetry)
    totals = {export.__name__: export(records) for export in exports}
    assert totals == pytest.approx(dict.fromkeys(totals, hand["cpu_s"]), rel=0.05)  # what track() itself takes
    (tmp_path / "again.json").write_text(Json().text(records), "utf-8")
    assert of_csv(read_records(tmp_path / "again.json")) == pytest.approx(totals["of_csv"])

    here, curve = machine()
    joules = curve.active_w.value * hand["cpu_s"] + curve.idle_w.value * here.cores * hand["wall_s"]
    card = yaml.safe_load(ModelCard().text(records))["co2_eq_emissions"]["emissions"]
    assert card == pytest.approx(400 / 3.6e6 * joules, rel=0.08)  # it has two digits
    assert all(len(record.hourly_j) == 1 for record in records)
