"""Records come out of the files that hold them, and of studies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import paredown
from paredown.core.errors import BadData, Damaged, UsageError
from paredown.core.reading import Reading
from paredown.exports.json import Json
from paredown.exports.model_card import ModelCard
from paredown.exports.records import read_records, study_records
from paredown.report.format import kind_of, number
from paredown.report.impact import search_took
from paredown.report.outline import compared, quantity_name
from paredown.report.words import load

RESULT = json.loads((Path(__file__).parents[1] / "report" / "digits.json").read_text())


def test_what_track_wrote_and_what_was_exported_is_read(tmp_path: Path) -> None:
    lines = tmp_path / "took.jsonl"
    for name in ("one", "two"):
        with paredown.track(name, to=lines):
            pass
    found = read_records(lines)
    assert [record.subject for record in found] == ["one", "two"]
    (tmp_path / "all.json").write_text(Json().text(found))
    assert [record.json() for record in read_records(tmp_path / "all.json")] == [record.json() for record in found]
    (tmp_path / "one.json").write_text(json.dumps(found[0].json()))
    assert read_records(tmp_path / "one.json")[0].subject == "one"


def test_codecarbon_is_told_by_its_ending() -> None:
    assert read_records(Path(__file__).with_name("emissions.csv"))[0].subject == "fixture"


def test_a_study_has_both_models_and_its_search() -> None:
    baseline, chosen, search = study_records(RESULT)
    assert [record.subject for record in (baseline, chosen, search)] == ["digits baseline", "digits chosen", "digits"]
    assert [record.activity for record in (baseline, chosen, search)] == ["inference", "inference", "compression-search"]
    assert baseline.readings["energy"].value == RESULT["baseline"]["readings"]["energy"]["value"]
    assert baseline.wall_s == pytest.approx(1 / RESULT["baseline"]["readings"]["throughput"]["value"])
    assert isinstance(search.readings["energy"], Reading)
    assert search.readings["energy"].value == RESULT["search"]["energy_j"]["value"]
    assert search.wall_s == RESULT["search"]["wall_s"]
    assert len(study_records(RESULT | {"chosen": None})) == 2


def test_an_export_and_the_report_show_the_same_figures() -> None:
    """What the report prints, printed again by the report's own rules from what was exported."""
    words = load("en")
    exported = [record["readings"] for record in json.loads(Json().text(study_records(RESULT)))["records"]]
    for row in compared(RESULT, words):
        for shown, readings in ((row.baseline, exported[0]), (row.chosen, exported[1])):
            if row.name in readings and "value" in readings[row.name]:
                assert shown == number(readings[row.name], kind_of(row.name, readings[row.name]["unit"]), words), row.name
    spent = {name: num for name, num in exported[2].items() if name != "cpu_time"}
    named = [f"{quantity_name(name, words)} {number(num, kind_of(name, num['unit']), words, origin=True)}" for name, num in spent.items()]
    assert search_took(RESULT, words)[0] == words("impact.comma").join(named) + words("impact.stop")
    assert {"energy", "idle_energy", "carbon", "embodied_carbon", "water", "cost"} == set(spent)
    totals = RESULT["impact"]["totals"]
    for side, readings in (("before", exported[0]), ("after", exported[1])):
        for name, num in totals["quantities"].items():
            if name != "idle_energy" and "value" in num[side]:
                assert readings[name]["value"] * totals["count"] == pytest.approx(num[side]["value"], rel=1e-6), name


def test_a_study_says_from_which_load_its_carbon_is() -> None:
    chosen = study_records(RESULT)[1]
    idle = RESULT["impact"]["totals"]["quantities"]["idle_energy"]["after"]["value"] / 1.2e9
    assert chosen.notes[1] == (
        "idle_energy is of the time that one inference takes; at 38 inferences per second on 1 machine, which carbon, water and cost are "
        f"of, it is {idle:.6g} J"
    )
    busy = RESULT["chosen"]["readings"]["idle_energy"]["value"]
    always = {**RESULT["impact"]["totals"], "quantities": {"idle_energy": {"after": {"value": busy * 1.2e9}}}}
    assert len(study_records(RESULT | {"impact": {**RESULT["impact"], "totals": always}})[1].notes) == 1


def test_the_carbon_of_a_search_goes_into_the_model_card() -> None:
    card = ModelCard().text(study_records(RESULT))
    assert f"emissions: {RESULT['impact']['search']['carbon']['value']:.2g}\n" in card
    missing = {**RESULT["impact"], "search": {**RESULT["impact"]["search"], "carbon": {"missing": "no place was declared"}}}
    with pytest.raises(UsageError, match="the carbon of 'digits' is missing: no place was declared"):
        ModelCard().text(study_records(RESULT | {"impact": missing}))


def test_a_study_begins_when_its_work_began() -> None:
    told = RESULT | {"started": "2026-11-24T18:10:00+00:00", "search": RESULT["search"] | {"started": "2026-11-24T18:20:00+00:00"}}
    assert [record.started[11:16] for record in study_records(told)] == ["18:10", "18:10", "18:20"]
    older = {name: value for name, value in RESULT["search"].items() if name != "hourly_j"}
    assert study_records(RESULT)[0].started == "2026-11-24T18:00:00+00:00"
    assert study_records(RESULT | {"search": older})[2].started == "2026-11-24T19:06:23+00:00"


def test_a_study_of_an_older_paredown_has_its_energies() -> None:
    found = study_records({name: value for name, value in RESULT.items() if name != "impact"})[2]
    assert set(found.readings) == {"cpu_time", "energy", "idle_energy"}


def test_a_study_that_was_edited_is_told() -> None:
    edited = json.loads(json.dumps(RESULT))
    edited["chosen"]["readings"]["energy"]["value"] = -1
    with pytest.raises(Damaged, match=r"the result of digits was edited: energy is -1, and cannot be below 0\.\n  `paredown run JOB`"):
        study_records(edited)


def test_what_holds_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"none\.json is not there"):
        read_records(tmp_path / "none.json")
    lines = tmp_path / "took.jsonl"
    with paredown.track("one", to=lines):
        pass
    lines.write_text(lines.read_text() + '{"cut off by')
    with pytest.raises(BadData, match=r"took\.jsonl:2 is no record of energy: it is not JSON: Unterminated"):
        read_records(lines)
    for text in ("[1]", "3", '{"activity": "other"}', '{"format": "paredown.records/1"}'):
        (tmp_path / "odd.json").write_text(text)
        with pytest.raises(BadData, match=r"odd\.json is no record of energy"):
            read_records(tmp_path / "odd.json")
    (tmp_path / "odd.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadData, match=r"odd\.json is not UTF-8 text"):
        read_records(tmp_path / "odd.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.update(count=0), "count is 0; it is above 0"),
        (lambda data: data.update(count="5"), "count is '5', which is no finite number"),
        (lambda data: data["readings"]["cpu_time"].update(value=float("nan")), "cpu_time is nan, which is no finite number"),
        (lambda data: data["readings"]["energy"].update(low="1"), r"energy\.low is '1', which is no finite number"),
        (lambda data: data.update(hourly_j={"2026-01-01T00": None}), "2026-01-01T00 is None, which is no finite number"),
    ],
)
def test_a_record_with_a_number_that_is_none_is_refused(tmp_path: Path, change: Callable[[Any], Any], words: str) -> None:
    with paredown.track("one") as took:
        pass
    data = json.loads(json.dumps(took.record.json()))
    change(data)
    (tmp_path / "took.jsonl").write_text(json.dumps(data))
    with pytest.raises(BadData, match=rf"took\.jsonl:1 is no record of energy: {words}\.\n  A line that"):
        read_records(tmp_path / "took.jsonl")


def test_a_name_with_a_line_separator_is_one_line(tmp_path: Path) -> None:
    for name in ("a\u2028b", "a\x85b", "a\nb"):
        with paredown.track(name, to=tmp_path / "took.jsonl"):
            pass
    assert [record.subject for record in read_records(tmp_path / "took.jsonl")] == ["a\u2028b", "a\x85b", "a\nb"]
