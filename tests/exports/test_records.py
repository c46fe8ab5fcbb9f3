"""Records come out of the files that hold them, and of studies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import paredown
from paredown.core.errors import BadData
from paredown.core.reading import Reading
from paredown.exports.json import Json
from paredown.exports.records import read_records, study_records

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


def test_what_holds_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"none\.json is not there"):
        read_records(tmp_path / "none.json")
    lines = tmp_path / "took.jsonl"
    with paredown.track("one", to=lines):
        pass
    lines.write_text(lines.read_text() + '{"cut off by')
    with pytest.raises(BadData, match=r"took\.jsonl:2 is no record of energy: JSONDecodeError"):
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
    with pytest.raises(BadData, match=rf"took\.jsonl:1 is no record of energy: ValueError: {words}\.\n  A line that"):
        read_records(tmp_path / "took.jsonl")


def test_a_name_with_a_line_separator_is_one_line(tmp_path: Path) -> None:
    for name in ("a\u2028b", "a\x85b", "a\nb"):
        with paredown.track(name, to=tmp_path / "took.jsonl"):
            pass
    assert [record.subject for record in read_records(tmp_path / "took.jsonl")] == ["a\u2028b", "a\x85b", "a\nb"]
