"""What `print(took)` says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.tracking.format import _amount, in_words

RECORD = EnergyRecord(
    activity="training",
    subject="train",
    unit="token",
    count=1000,
    readings={
        "cpu_time": Reading(quantity="cpu_time", value=12345.6, how=How.MEASURED),
        "energy": Reading(quantity="energy", value=48123.0, low=31000.0, high=66000.0, how=How.ESTIMATED, source="a table; a row"),
        "idle_energy": Reading(quantity="idle_energy", value=12.3, how=How.ESTIMATED, source="a table; another row"),
        "package_energy": Missing(quantity="package_energy", reason="no counter"),
        "carbon": Missing(quantity="carbon", reason="no place was declared"),
    },
    wall_s=9.8765,
    started="2026-11-24T21:10:00+00:00",
    boundary="All of it.",
    notes=("A note.",),
)


def test_each_number_has_its_interval_and_how_it_was_obtained() -> None:
    assert in_words(RECORD).splitlines() == [
        "train: 9.88 s of wall time",
        "  cpu time        12300 s (measured); 12 s per token",
        "  energy          48 kJ [31 kJ, 66 kJ] (estimated); 48 J per token",
        "  idle energy     12 J (estimated); 12 mJ per token",
        "  carbon          missing: no place was declared",
        "  a table; a row; another row.",
        "  All of it.",
        "  A note.",
    ]


def test_one_run_has_no_share() -> None:
    assert " per " not in in_words(replace(RECORD, count=1))


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 2, "0 J"),
        (999.6, 3, "1000 J"),
        (0.0123, 2, "12 mJ"),
        (2.0, 2, "2.0 J"),
        (1e-12, 2, "0.0010 nJ"),
        (3.6e9, 2, "3.6 GJ"),
        (1e-30, 2, "1.0e-21 nJ"),
        (1e30, 2, "1.0e+21 GJ"),
    ],
)
def test_amounts_keep_their_digits(value: float, digits: int, text: str) -> None:
    assert _amount(value, "J", digits) == text
