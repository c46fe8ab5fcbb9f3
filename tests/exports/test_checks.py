"""Records from outside: what cannot be is refused with its line, whatever it is; what is taken goes through every format."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paredown
from paredown.core.errors import BadData, UsageError
from paredown.core.reading import How, Reading
from paredown.core.record import EnergyRecord
from paredown.exports.checks import record_of
from paredown.exports.records import read_records
from paredown.ground import registry

GOOD = EnergyRecord(
    activity="training",
    subject="bert",
    unit="run",
    count=1,
    readings={"energy": Reading(quantity="energy", value=5.0, low=2.0, high=9.0, how=How.ESTIMATED)},
    estimators={"vcpu_curve": Reading(quantity="energy", value=5.0, how=How.ESTIMATED)},
    wall_s=60.0,
    started="2026-11-24T21:10:00+00:00",
    hourly_j={"2026-11-24T21": 5.0},
    boundary="the process",
    host={"cpu": {"vendor": "x"}, "cores": 2},
).json()


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Sets what stands at a path; the last is the value."""
    *keys, last, value = path

    def change(data: dict[str, Any]) -> None:
        for key in keys:
            data = data[key]
        data[last] = value

    return change


DEEP: dict[str, Any] = {}
for _ in range(12):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("activity", "x\nevil_metric 5"), r"activity is 'x\\nevil_metric 5'; it is one of training, fine-tuning, "),
        (put("subject", 5), "subject is 5, and has to be a text"),
        (put("unit", None), "unit is None, and has to be a text"),
        (put("boundary", ["a"]), r"boundary is \['a'\], and has to be a text"),
        (lambda data: data.pop("count"), "it has no count"),
        (put("count", True), "count is True, which is no finite number"),
        (put("count", -1), "count is -1, and cannot be below 0"),
        (put("count", 10**400), "it holds a whole number of 401 digits; 300 are read"),
        (put("wall_s", -1.0), "wall_s is -1, and cannot be below 0"),
        (put("wall_s", 1e300), r"wall_s is 1e\+300, and cannot be above 1e\+10"),
        (put("started", "yesterday"), "started is 'yesterday', which is no time of 1970 to 2200 in ISO 8601"),
        (put("started", "0001-01-01T00:00+14:00"), "which is no time of 1970 to 2200"),
        (put("notes", "one"), "notes is 'one', and has to be a list of texts"),
        (put("notes", [1]), r"notes is \[1\], and has to be a list of texts"),
        (put("readings", []), r"readings is \[\], and has to be a mapping"),
        (put("readings", "energy", 5), "energy is 5, and has to be a mapping"),
        (put("readings", "energy", {"missing": 5}), r"energy\.missing is 5, and has to be a text"),
        (put("readings", "energy", {}), "energy has no value"),
        (put("readings", "energy", "value", -5), "energy is -5, and cannot be below 0"),
        (put("readings", "energy", "value", 1e308), r"energy is 1e\+308, and cannot be above 1e\+30"),
        (put("readings", "energy", "value", math.nan), "energy is nan, which is no finite number"),
        (put("readings", "energy", "high", 1.0), "energy lies between 2 and 1, the lower end above the upper one"),
        (put("readings", "energy", "how", "guessed"), r"energy\.how is 'guessed'; it is one of counted, measured, estimated, modelled"),
        (put("readings", "energy", "how", {}), r"energy\.how is \{\}; it is one of"),
        (put("readings", "energy", "unit", "kWh"), "energy is in 'kWh'; it is in 'J'"),
        (put("readings", "energy", "n", "2"), r"energy\.n is '2', which counts nothing"),
        (put("readings", "energy", "covers", "cpu"), r"energy\.covers is 'cpu', and has to be a list of texts"),
        (
            put("readings", "cost", {"value": 1, "unit": "x\nevil 5", "how": "measured"}),
            "cost is in .*; it is in a currency of three capitals",
        ),
        (put("readings", "enrgy", {"value": 1, "unit": "J", "how": "measured"}), "no quantity 'enrgy'. Did you mean 'energy'?"),
        (put("estimators", "vcpu_curve", "value", None), r"estimators\.vcpu_curve is None, which is no finite number"),
        (put("hourly_j", {"21 Uhr": 5}), "hourly_j has the hour '21 Uhr'; one is written as 2026-11-24T21"),
        (put("hourly_j", {"2026-11-24T25": 5}), "hourly_j has the hour '2026-11-24T25'"),
        (put("hourly_j", {"2026-11-24T21": -5}), "2026-11-24T21 is -5, and cannot be below 0"),
        (put("host", {"cpu": 5}), r"host\.cpu is 5, and has to be a text or a mapping"),
        (put("host", DEEP), "host is nested deeper than 8 levels"),
        (put("windows", {"n": math.inf}), "windows holds inf, which is no finite number"),
        (put("shared", {}), r"shared is \{\}, and has to be a list"),
        (put("shared", [{"within": []}]), r"a part of shared has \['within'\]; it has within, wall_s, amounts and hourly_j"),
        (put("shared", [{"within": [1], "wall_s": 1, "amounts": {}}]), r"shared\.within is \[1\], and has to be a list of texts"),
        (put("shared", [{"within": [], "wall_s": 1, "amounts": {"energy": "5"}}]), r"shared\.amounts\.'energy' is '5', which is no finite"),
        (put("shared", [{"within": [""], "wall_s": 1, "amounts": {}}]), r"shared\.within names the record itself"),
        (put("origin", {"machine": "m"}), r"origin has \['machine'\]; it has machine, processes"),
        (
            put("origin", {"machine": "m", "processes": [], "began_s": 0, "ended_s": 1, "below": True}),
            "origin.processes is empty; the process itself is the first",
        ),
        (
            put("origin", {"machine": "m", "processes": ["p"], "began_s": 0, "ended_s": 1, "below": "no"}),
            "origin.below is 'no', and has to be true or false",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words(tmp_path: Path, change: Callable[[Any], Any], words: str) -> None:
    data = copy.deepcopy(GOOD)
    change(data)
    (tmp_path / "took.jsonl").write_text(f"{json.dumps(GOOD)}\n{json.dumps(data)}\n")
    with pytest.raises(BadData, match=rf"took\.jsonl:2 is no record of energy: .*{words}"):
        read_records(tmp_path / "took.jsonl")


def test_what_is_no_record_at_all_is_refused(tmp_path: Path) -> None:
    for text, words in (
        ("[" * 200_000, "it is nested more than 64 deep"),
        ('{"readings": ' * 200_000, "it is nested more than 64 deep"),
        ("1" * 5000, "it holds a whole number of 5000 digits; 300 are read"),
        ('{"format": "paredown.records/1", "records": {}}', "the document has no list of records"),
        ("null", "None stands where a record has to be"),
    ):
        (tmp_path / "odd.json").write_text(text)
        with pytest.raises(BadData, match=rf"odd\.json is no record of energy: {words}"):
            read_records(tmp_path / "odd.json")
    for name, text in (("odd.json", '{"format": "paredown.records/1", "records": []}'), ("odd.jsonl", "\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(BadData, match=rf"{name} holds no record\.\n  Give what"):
            read_records(tmp_path / name)


def test_what_track_writes_is_taken(tmp_path: Path) -> None:
    with paredown.track("outer", to=tmp_path / "took.jsonl", grid="NO"), paredown.track("inner", to=tmp_path / "took.jsonl"):
        sum(range(1000))
    for line in (tmp_path / "took.jsonl").read_text().splitlines():
        assert record_of(json.loads(line)).json() == json.loads(line)


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -1, 1e308, math.nan, math.inf, "", "x\ny 5", "\ud800", '"}', "=1+1", "# TYPE"])
    | st.text(st.characters(exclude_categories=[]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_record_that_was_mutated_is_refused_in_words_or_goes_through_every_format(data: st.DataObject) -> None:
    record = copy.deepcopy(GOOD)
    for _ in range(data.draw(st.integers(1, 2))):
        place, key = record, data.draw(st.sampled_from(sorted(record)))
        while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
            place, key = place[key], data.draw(st.sampled_from(sorted(place[key])))
        place[key] = data.draw(ODD)
    try:
        found = record_of(json.loads(json.dumps(record)))
    except ValueError:
        return
    for name in registry.names("exports"):
        with contextlib.suppress(UsageError):  # a model card is refused where its carbon is missing
            text = registry.get("exports", name)().text([found, found])
            text.encode()
            assert name != "prometheus" or all(re.match(r"# |paredown_[a-z0-9_]+\{.*\} \S+$", line) for line in text.splitlines())
