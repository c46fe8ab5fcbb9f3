"""What MLflow takes for a run: metrics, params and tags.

    for run in json.load(open("runs.json"))["runs"]:
        with mlflow.start_run(run_name=run["run_name"]):
            mlflow.log_metrics(run["metrics"])
            mlflow.log_params(run["params"])
            mlflow.set_tags(run["tags"])

Nothing is sent and MLflow is not imported: who keeps a tracking server decides when it is asked.
Source: MLflow's REST API, `runs/log-batch`: names of letters, digits, `_ - . /` and spaces; a param holds 6000 letters, a tag 8000.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import metadata

from paredown.core.export import Export
from paredown.core.quantity import quantity
from paredown.core.reading import Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.exports.sums import placed
from paredown.exports.texts import json_text
from paredown.ground.untrusted import visible

_LETTERS = 5000
_NAME = 250


class Mlflow(Export):
    """One run per record: numbers as metrics, what was declared as params, how each number was obtained as tags."""

    suffix = ".json"

    def text(self, records: Sequence[EnergyRecord]) -> str:
        """`{"runs": [{"run_name", "metrics", "params", "tags"}]}`; a reading that is Missing is a tag with its reason, and no metric.

        Of work that several records hold, the metrics of one run have it, and the tag `paredown.inner` of the others says so.
        """
        return json_text({"runs": [_run(record, inner) for record, inner in placed(records)]})


def _run(record: EnergyRecord, inner: str) -> dict[str, object]:
    metrics: dict[str, float] = {"paredown.count": record.count, "paredown.wall_s": record.wall_s}
    tags = {"paredown.version": metadata.version("paredown"), "paredown.started": record.started, "paredown.boundary": record.boundary}
    for name, item in record.readings.items():
        if isinstance(item, Missing):
            tags[f"paredown.{name}.missing"] = item.reason
            continue
        key = _key(name, item)
        ends = {"low": item.low, "high": item.high}
        metrics |= {key: item.value} | {f"{key}.{end}": value for end, value in ends.items() if value is not None}
        tags |= {f"paredown.{name}.how": str(item.how)} | ({f"paredown.{name}.source": item.source} if item.source else {})
    tags |= {"paredown.notes": "; ".join(record.notes)} if record.notes else {}
    tags |= {"paredown.inner": inner} if inner else {}
    params = {"paredown.activity": record.activity, "paredown.subject": record.subject, "paredown.unit": record.unit}
    return {
        "run_name": visible(record.subject)[:_NAME],
        "metrics": metrics,
        "params": {key: visible(text)[:_LETTERS] for key, text in params.items()},
        "tags": {key: visible(text)[:_LETTERS] for key, text in tags.items()},
    }


def _key(name: str, item: Reading) -> str:
    """`paredown.energy_j`; money with its currency."""
    unit = item.unit if quantity(name).unit == "¤" else item.unit.replace("1/s", "per_s").replace("1", "")
    tail = re.sub(r"[^a-z0-9_]", "", unit.lower())
    return f"paredown.{name}_{tail}" if tail else f"paredown.{name}"
