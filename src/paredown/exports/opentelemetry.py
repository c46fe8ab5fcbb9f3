"""OpenTelemetry's OTLP as a JSON file, for a collector's file receiver or `POST /v1/metrics`.

Source: OTLP 1.x, "JSON Protobuf Encoding" and `metrics.proto`. Names stand under `paredown.`: the semantic conventions have `hw.energy` for
devices and nothing for a model; `hw.host.*` is for physical machines, so that it is never written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from paredown.core.export import Export
from paredown.core.quantity import quantity
from paredown.core.reading import Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.exports.sums import meaning, outermost, signal, sums, tier
from paredown.exports.texts import json_text, one_line, word
from paredown.ground.untrusted import visible

_NAMES = {"carbon": "co2e", "embodied_carbon": "embodied_co2e"}
_DELTA = 1
_SECOND_NS = 1_000_000_000


class Opentelemetry(Export):
    """Metrics in OTLP's JSON form: counters of joules, grams, liters and requests, one point per record from its start to its end."""

    suffix = ".json"

    def text(self, records: Sequence[EnergyRecord]) -> str:
        """One export request; `paredown.inference.energy`, `.co2e`, `.requests` and their like.

        What is Missing has no point; the points of `.requests` and `.units` say why. What lies in another record has none at all.
        """
        metrics: dict[str, dict[str, Any]] = {}
        kept, left_out = outermost(records)
        for record in kept:
            begin = f"paredown.{word(record.activity)}"
            plain: dict[str, str | float] = {"paredown.subject": record.subject}
            missing = {f"missing.{name}": item.reason for name, item in record.readings.items() if isinstance(item, Missing)}
            told = missing | ({"paredown.notes": "; ".join(record.notes)} if record.notes else {})
            requests = f"{begin}.{'requests' if record.unit == 'inference' else 'units'}"
            unit = "{" + one_line(record.unit).replace("{", "").replace("}", "") + "}"
            _point(metrics, requests, unit, "How many of them.", record, record.count, plain | told)
            for name, item in sums(record):
                made = {"energy.kind": str(item.how)} | ({} if name == "cpu_time" else {"energy.tier": tier(item)})
                attributes = plain | made | signal(item) | _ends(item)
                _point(metrics, f"{begin}.{_NAMES.get(name, name)}", _unit(item), meaning(name), record, item.value, attributes)
        version = metadata.version("paredown")
        said = {"attributes": _attributes({"paredown.not_added": left_out})} if left_out else {}
        scope = {"scope": {"name": "paredown", "version": version, **said}, "metrics": list(metrics.values())}
        resource = {"attributes": _attributes({"service.name": "paredown", "service.version": version})}
        document = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}
        return json_text(document)


def _unit(item: Reading) -> str:
    """In UCUM; a currency is an annotation."""
    return item.unit if quantity(item.quantity).unit != "¤" else "{" + item.unit + "}"


def _ends(item: Reading) -> dict[str, float]:
    return {} if item.low is None or item.high is None else {"interval.low": item.low, "interval.high": item.high}


def _point(
    metrics: dict[str, dict[str, Any]],
    name: str,
    unit: str,
    text: str,
    record: EnergyRecord,
    value: float,
    attributes: Mapping[str, str | float],
) -> None:
    """Add a point to the metric of that name and unit, which is made where it is not there yet."""
    kind = {
        "name": name,
        "description": text,
        "unit": unit,
        "sum": {"aggregationTemporality": _DELTA, "isMonotonic": True, "dataPoints": []},
    }
    began = datetime.fromisoformat(record.started)
    began_ns = int((began if began.tzinfo else began.replace(tzinfo=UTC)).timestamp()) * _SECOND_NS
    times = {"startTimeUnixNano": str(began_ns), "timeUnixNano": str(began_ns + round(record.wall_s * _SECOND_NS))}
    point = {"attributes": _attributes(attributes), **times, "asDouble": float(value)}
    metrics.setdefault(f"{name} {unit}", kind)["sum"]["dataPoints"].append(point)


def _attributes(named: Mapping[str, str | float]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"stringValue": visible(item)} if isinstance(item, str) else {"doubleValue": item}}
        for key, item in named.items()
    ]
