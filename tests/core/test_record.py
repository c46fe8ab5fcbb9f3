"""The record of a piece of work survives its JSON and knows the share of one unit."""

from __future__ import annotations

import json

import pytest

from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord, Origin, Shared, record_from_json

RECORD = EnergyRecord(
    activity="inference",
    subject="digits",
    unit="inference",
    count=1000,
    readings={
        "energy": Reading(quantity="energy", value=5.0, low=2.5, high=10.0, how=How.ESTIMATED, covers=("cpu",), source="a table"),
        "carbon": Missing(quantity="carbon", reason="no place was declared"),
    },
    estimators={"vcpu_curve": Reading(quantity="energy", value=5.0, how=How.ESTIMATED)},
    wall_s=60.0,
    started="2026-11-24T21:10:00+00:00",
    hourly_j={"2026-11-24T21": 5.0},
    boundary="the process",
    notes=("short",),
    id="a1",
    shared=[Shared(within=["b2"], wall_s=6.0, amounts={"energy": 0.5}, hourly_j={"2026-11-24T21": 0.5})],
    origin=Origin(machine="m", processes=["1@2", "0@1"], began_s=1.0, ended_s=61.0, below=True),
)


def test_a_record_comes_back_from_its_json_as_it_was() -> None:
    again = record_from_json(json.loads(json.dumps(RECORD.json())))
    assert again.json() == RECORD.json()
    assert again.readings == RECORD.readings
    assert again.estimators == RECORD.estimators
    assert (again.shared, again.origin) == (RECORD.shared, RECORD.origin)


def test_a_record_of_an_older_version_has_no_id_and_shares_nothing() -> None:
    old = {name: value for name, value in RECORD.json().items() if name not in ("id", "shared", "origin")}
    again = record_from_json(old)
    assert (again.id, again.shared, again.origin) == ("", [], None)


def test_one_unit_has_its_share_and_what_is_missing_stays_missing() -> None:
    one = RECORD.per_unit()
    energy = one["energy"]
    assert isinstance(energy, Reading)
    assert (energy.value, energy.low, energy.high) == pytest.approx((0.005, 0.0025, 0.01))
    assert (energy.how, energy.covers, energy.source) == (How.ESTIMATED, ("cpu",), "a table")
    assert one["carbon"] == RECORD.readings["carbon"]
