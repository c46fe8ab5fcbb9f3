"""Every format is what its own reader takes, for any record."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paredown.core.errors import UsageError
from paredown.core.quantity import quantities
from paredown.core.reading import How, Missing, Reading
from paredown.core.record import ACTIVITIES, EnergyRecord, Shared, record_from_json
from paredown.exports.sums import SUMS, relative_uncertainty, tier
from paredown.ground import registry
from paredown.impact.account import SIGNAL
from paredown.testing.contracts import check_export

NAMES = registry.names("exports")


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    check_export(registry.get("exports", name))


def export(name: str, *records: EnergyRecord) -> str:
    return registry.get("exports", name)().text(records)


def reading(quantity: str, value: float, how: How = How.ESTIMATED, **more: object) -> Reading:
    return Reading(quantity=quantity, value=value, how=how, **more)


RECORD = EnergyRecord(
    activity="inference",
    subject='a "quoted" \\ name\nin two lines',
    unit="inference",
    count=1000,
    readings={
        "cpu_time": reading("cpu_time", 2.5, How.MEASURED),
        "energy": reading("energy", 5.0, low=2.5, high=10.0, source="a table"),
        "wall_energy": reading("wall_energy", 9.0, How.COUNTED),
        "carbon": Missing(quantity="carbon", reason="no place was declared"),
        "cost": reading("cost", 0.02, unit="EUR"),
        "latency_p50": reading("latency_p50", 0.002),
    },
    wall_s=60.0,
    started="2026-11-24T21:10:00+00:00",
    boundary="the process",
    notes=("short", "shared"),
)

texts = st.text(max_size=20)
sizes = st.floats(min_value=0, max_value=1e12, allow_subnormal=False)


@st.composite
def readings(draw: st.DrawFn) -> dict[str, Reading | Missing]:
    out: dict[str, Reading | Missing] = {}
    for name in draw(st.lists(st.sampled_from(sorted(quantities())), unique=True, max_size=8)):
        if draw(st.booleans()):
            out[name] = Missing(quantity=name, reason=draw(texts))
            continue
        low, value, high = sorted(draw(st.tuples(sizes, sizes, sizes)))
        ends = draw(st.sampled_from([{}, {"low": low, "high": high}]))
        unit = draw(st.sampled_from(["EUR", "CNY"])) if name == "cost" else ""
        out[name] = Reading(quantity=name, value=value, how=draw(st.sampled_from(list(How))), unit=unit, source=draw(texts), **ends)
    return out


records = st.builds(
    EnergyRecord,
    activity=st.sampled_from(ACTIVITIES),
    subject=texts,
    unit=texts,
    count=st.floats(min_value=1e-3, max_value=1e12),
    readings=readings(),
    wall_s=st.floats(min_value=0, max_value=1e8),
    started=st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.isoformat() + "+00:00"),
    boundary=texts,
    notes=st.lists(texts, max_size=2).map(tuple),
)
many = st.lists(records, min_size=1, max_size=3)


def finite_sums(record: EnergyRecord) -> dict[str, Reading]:
    return {name: item for name in SUMS if isinstance(item := record.readings.get(name), Reading)}


@settings(max_examples=40, deadline=None)
@given(many)
def test_json_reads_back_as_it_was(found: list[EnergyRecord]) -> None:
    data = json.loads(export("json", *found))
    assert data["format"] == "paredown.records/1"
    assert [record_from_json(item).json() for item in data["records"]] == [record.json() for record in found]


@settings(max_examples=40, deadline=None)
@given(many)
def test_csv_has_one_row_per_record_and_the_same_columns_always(found: list[EnergyRecord]) -> None:
    head, *rows = csv.reader(io.StringIO(export("csv", *found)))
    assert head == next(csv.reader(io.StringIO(export("csv", RECORD))))
    assert len(rows) == len(found)
    for row, record in zip(rows, found):
        cells = dict(zip(head, row))
        for name in SUMS:
            item = record.readings.get(name)
            column = name if name == "cost" else f"{name}_{quantities()[name].unit.lower()}"
            if isinstance(item, Reading):
                assert float(cells[column]) == item.value
                assert cells[f"{name}_how"] == str(item.how)
            else:
                assert cells[column] == ""
                assert cells[f"{name}_how"].startswith("missing:")


def test_csv_text_is_never_a_formula() -> None:
    row = next(csv.DictReader(io.StringIO(export("csv", replace(RECORD, subject="=1+1\nnow")))))
    assert row["subject"] == "'=1+1 now"


@settings(max_examples=40, deadline=None)
@given(many)
def test_prometheus_parses_and_adds_up(found: list[EnergyRecord]) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    families = {family.name: family for family in parser.text_string_to_metric_families(export("prometheus", *found))}
    samples = [sample for family in families.values() for sample in family.samples]
    seen = {(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples}
    assert len(seen) == len(samples)
    assert all(re.fullmatch(r"paredown_[a-z0-9_]+_(total|ratio|info)", sample.name) for sample in samples)
    joules = sum(item.value for record in found for name, item in finite_sums(record).items() if item.unit == "J")
    assert sum(sample.value for sample in samples if sample.name.endswith("_joules_total")) == pytest.approx(joules)
    counts = sum(sample.value for sample in samples if sample.name.endswith(("_units_total", "_inferences_total")))
    assert counts == pytest.approx(sum(record.count for record in found))


def test_prometheus_has_the_names_of_the_plan() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    families = {family.name: family for family in parser.text_string_to_metric_families(export("prometheus", RECORD))}
    joules = families["paredown_inference_energy_joules"]
    assert joules.type == "counter"
    assert [(sample.labels, sample.value) for sample in joules.samples] == [
        ({"model": RECORD.subject, "kind": "estimated", "tier": "T4"}, 5.0)
    ]
    assert families["paredown_inferences"].samples[0].value == 1000
    assert families["paredown_inference_wall_energy_joules"].samples[0].labels["tier"] == "T0"
    assert families["paredown_inference_cost_eur"].samples[0].value == 0.02
    assert families["paredown_energy_relative_uncertainty_ratio"].samples[0].value == 0.75
    assert "paredown_inference_co2e_grams" not in families
    assert not any("latency" in name for name in families)


@settings(max_examples=40, deadline=None)
@given(many)
def test_opentelemetry_is_an_export_request(found: list[EnergyRecord]) -> None:
    service = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    from google.protobuf import json_format

    request = json_format.Parse(export("opentelemetry", *found), service.ExportMetricsServiceRequest())
    metrics = request.resource_metrics[0].scope_metrics[0].metrics
    points = [(metric, point) for metric in metrics for point in metric.sum.data_points]
    assert len(points) == len(found) + sum(len(finite_sums(record)) for record in found)
    assert all(metric.sum.is_monotonic and metric.sum.aggregation_temporality == 1 for metric in metrics)
    assert all(point.start_time_unix_nano <= point.time_unix_nano for _, point in points)
    assert len({(metric.name, metric.unit) for metric in metrics}) == len(metrics)


def test_opentelemetry_has_the_names_of_the_plan() -> None:
    service = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    from google.protobuf import json_format

    request = json_format.Parse(export("opentelemetry", RECORD), service.ExportMetricsServiceRequest())
    metrics = {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    point = metrics["paredown.inference.energy"].sum.data_points[0]
    told = {item.key: item.value.string_value or item.value.double_value for item in point.attributes}
    assert (metrics["paredown.inference.energy"].unit, point.as_double) == ("J", 5.0)
    assert told["energy.kind"] == "estimated"
    assert (told["energy.tier"], told["interval.low"], told["interval.high"]) == ("T4", 2.5, 10.0)
    assert (point.time_unix_nano - point.start_time_unix_nano) == 60 * 10**9
    assert point.start_time_unix_nano == 1795554600 * 10**9
    assert metrics["paredown.inference.requests"].sum.data_points[0].as_double == 1000
    assert metrics["paredown.inference.cost"].unit == "{EUR}"
    assert "paredown.inference.co2e" not in metrics
    assert not any(name.startswith("hw.") for name in metrics)


@settings(max_examples=40, deadline=None)
@given(many)
def test_mlflow_takes_every_name_and_length(found: list[EnergyRecord]) -> None:
    """MLflow's own rules for names and lengths; `tests/exports/test_mlflow.py` asks MLflow itself where it is installed."""
    runs = json.loads(export("mlflow", *found))["runs"]
    assert len(runs) == len(found)
    for run, record in zip(runs, found):
        for key in (*run["metrics"], *run["params"], *run["tags"]):
            assert re.fullmatch(r"[/\w.\- ]{1,250}", key), key
        assert all(len(text) <= 6000 for text in (*run["params"].values(), *run["tags"].values()))
        assert all(isinstance(value, int | float) for value in run["metrics"].values())
        missing = [name for name, item in record.readings.items() if isinstance(item, Missing)]
        assert all(f"paredown.{name}.missing" in run["tags"] for name in missing)
        assert not any(key.startswith(tuple(f"paredown.{name}_" for name in missing if name not in ("energy",))) for key in run["metrics"])


def test_mlflow_keeps_how_a_number_was_made() -> None:
    run = json.loads(export("mlflow", RECORD))["runs"][0]
    assert run["metrics"]["paredown.energy_j"] == 5.0
    assert run["metrics"]["paredown.cost_eur"] == 0.02
    assert run["tags"]["paredown.energy.how"] == "estimated"
    assert run["tags"]["paredown.carbon.missing"] == "no place was declared"


def test_tiers_say_how_strong_a_number_is() -> None:
    assert tier(reading("wall_energy", 1, How.COUNTED)) == "T0"
    assert [tier(reading("energy", 1, how)) for how in How] == ["T1", "T2", "T4", "T5"]
    assert relative_uncertainty(reading("energy", 4, low=2.0, high=8.0)) == 0.75
    assert relative_uncertainty(reading("energy", 4)) is None
    assert relative_uncertainty(reading("energy", 0, low=0.0, high=1.0)) is None


CARBON = reading("carbon", 12.3456, low=6.0, high=30.0)


def test_a_model_card_has_the_documented_keys_and_the_carbon_of_training_alone() -> None:
    from ruamel.yaml import YAML

    host = {"cpu": {"vendor": "GenuineIntel", "family": 6, "model": 207}, "cores": 2, "virtual": True}
    trained = replace(RECORD, activity="fine-tuning", readings={"carbon": CARBON}, host=host)
    card = YAML(typ="safe").load(export("model_card", trained, trained, RECORD))["co2_eq_emissions"]
    assert card["emissions"] == 25
    assert (card["training_type"], card["hardware_used"]) == ("fine-tuning", "2 vCPUs GenuineIntel family 6 model 207")
    assert re.fullmatch(r"paredown \S+, estimated T4, fine-tuning only", card["source"])
    assert set(card) <= {"emissions", "source", "training_type", "geographical_location", "hardware_used"}


def test_a_model_card_is_refused_without_training_or_without_its_carbon() -> None:
    with pytest.raises(UsageError, match="there is only inference"):
        export("model_card", RECORD)
    trained = replace(RECORD, activity="training", subject="bert")
    with pytest.raises(UsageError, match="the carbon of 'bert' is missing: no place was declared"):
        export("model_card", trained, replace(trained, readings={"carbon": CARBON}))


EVIL = 'x"} 1\nevil_metric 5\r\u2028# TYPE \x1b[2J\ud800'


def test_names_that_would_end_a_line_or_a_quote_are_one_name_in_every_format() -> None:
    """A record made in memory, whose names no reader has looked at."""
    evil = replace(
        RECORD,
        activity=EVIL,
        subject=EVIL,
        unit=EVIL,
        boundary=EVIL,
        notes=(EVIL,),
        readings={
            "energy": reading("energy", 5.0),
            "cost": reading("cost", 0.02, unit=EVIL),
            "carbon": Missing(quantity="carbon", reason=EVIL),
        },
    )
    text = export("prometheus", evil)
    assert all(re.fullmatch(r"# .*|paredown_[a-z0-9_]+(\{.*\})? [0-9.e+-]+", line) for line in text.split("\n")[:-1])
    parser = pytest.importorskip("prometheus_client.parser")
    samples = [sample for family in parser.text_string_to_metric_families(text) for sample in family.samples]
    assert all(
        sample.name.startswith("paredown_") and set(sample.labels) <= {"model", "unit", "kind", "tier", "version"} for sample in samples
    )
    assert {sample.labels["model"] for sample in samples if "model" in sample.labels} == {
        'x"} 1\nevil_metric 5\\r\\u2028# TYPE \\x1b[2J\\ud800'
    }
    head, row = csv.reader(io.StringIO(export("csv", evil)))
    assert (len(head), row[0]) == (len(row), 'x"} 1 evil_metric 5\\r\\u2028# TYPE \\x1b[2J\\ud800')
    assert json.loads(export("json", evil))["records"][0]["subject"] == EVIL
    for name in ("json", "mlflow", "opentelemetry"):
        assert "\x1b" not in json.dumps(json.loads(export(name, evil)), ensure_ascii=False) or name == "json"
        export(name, evil).encode()
    key = next(key for key in json.loads(export("mlflow", evil))["runs"][0]["metrics"] if "cost" in key)
    assert re.fullmatch(r"[a-z0-9_.]+", key)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", " =1", "＝1", "\u2028=1", "\0=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    evil = replace(RECORD, subject=text, unit=text, boundary=text, notes=(text,), activity=text)
    row = next(csv.DictReader(io.StringIO(export("csv", evil))))
    assert not any(cell.lstrip().startswith(tuple("=+-@＝＋－＠")) for cell in row.values())


def test_a_model_card_says_what_is_missing_and_cannot_be_broken() -> None:
    from ruamel.yaml import YAML

    meter = Missing(quantity="wall_energy", reason="PAREDOWN_WALL_LOG names a file that is not there: /x\ntraining_type: pre-training")
    host = {"cpu": {"vendor": 'a"\nlicense: mit', "family": 6, "model": 207}, "cores": "2\n"}
    trained = replace(RECORD, activity="fine-tuning", readings={"carbon": CARBON, "wall_energy": meter}, host=host, notes=("weak: # x",))
    text = export("model_card", trained)
    (card,) = YAML(typ="safe").load(text).values()
    assert (card["training_type"], set(card)) == ("fine-tuning", {"emissions", "source", "training_type", "hardware_used"})
    assert "wall_energy is missing: PAREDOWN_WALL_LOG names a file that is not there: /x training_type: pre-training\n" in text


def test_every_face_names_a_meter_that_failed() -> None:
    why = "PAREDOWN_WALL_LOG names a file that was reset"
    record = replace(
        RECORD,
        activity="training",
        readings={**RECORD.readings, "carbon": CARBON, "wall_energy": Missing(quantity="wall_energy", reason=why)},
    )
    assert all(why in export(name, record) for name in NAMES)
    assert all("shared" in export(name, record) for name in NAMES)  # its note


def inside(subject: str, id_: str, energy: float, within: str = "", amount: float = 0.0) -> EnergyRecord:
    """A record of training; `amount` joules of it lie in the record `within`."""
    share = energy and amount / energy
    parts = (Shared(within=(within,), wall_s=60 * share, amounts={"energy": amount, "carbon": amount}),) if within else ()
    found = {"energy": reading("energy", energy), "carbon": reading("carbon", energy)}
    return replace(RECORD, activity="training", subject=subject, id=id_, readings=found, shared=parts, count=1, notes=())


def test_no_format_adds_what_lies_in_another_record() -> None:
    outer, inner, partly = inside("outer", "a", 10.0), inside("inner", "b", 4.0, "a", 4.0), inside("partly", "c", 6.0, "a", 2.0)
    found = (inner, outer, partly)
    prometheus = export("prometheus", *found)
    assert sum(float(value) for value in re.findall(r"paredown_training_energy_joules_total\{.*\} (\S+)", prometheus)) == 14
    assert "# paredown: 1 of 3 records lie in others, which hold their work, and are not added: 'inner'; of 'partly' only" in prometheus
    assert "emissions: 14.0" in export("model_card", *found)
    assert "1 of 3 records lie in others" in export("model_card", *found)
    scope = json.loads(export("opentelemetry", *found))["resourceMetrics"][0]["scopeMetrics"][0]
    (joules,) = [metric for metric in scope["metrics"] if metric["name"] == "paredown.training.energy"]
    assert sum(point["asDouble"] for point in joules["sum"]["dataPoints"]) == 14
    assert "not added: 'inner'" in scope["scope"]["attributes"][0]["value"]["stringValue"]
    rows = list(csv.DictReader(io.StringIO(export("csv", *found))))
    assert [row["inner"] for row in rows] == ["not to be added: another record holds it", "", "only what no other record holds"]
    assert sum(float(row["energy_j"]) for row in rows if not row["inner"].startswith("not")) == 14
    runs = json.loads(export("mlflow", *found))["runs"]
    assert [run["tags"].get("paredown.inner", "") for run in runs] == [row["inner"] for row in rows]
    document = json.loads(export("json", *found))
    assert len(document["records"]) == 3
    assert document["not_added"].startswith("1 of 3 records lie in others")
    assert [record_from_json(item).json() for item in document["records"]] == [record.json() for record in found]


def test_average_and_marginal_carbon_have_no_sum() -> None:
    average = replace(RECORD, activity="training", readings={"carbon": CARBON})
    marginal = replace(average, readings={"carbon": replace(CARBON, source=f"a table; marginal{SIGNAL}")})
    with pytest.raises(UsageError, match=r"carbon of average and marginal intensity has no sum\.\n  Give records of one signal"):
        export("model_card", average, marginal)
    assert "training only, marginal intensity" in export("model_card", marginal)
    lines = [line for line in export("prometheus", average, marginal).splitlines() if line.startswith("paredown_training_co2e")]
    assert [('signal="marginal"' in line, line.endswith(" 12.3456")) for line in lines] == [(False, True), (True, True)]
    assert export("opentelemetry", average, marginal).count('"signal"') == 1
