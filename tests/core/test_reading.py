"""Readings add only where that means something; what is missing never becomes a number."""

from __future__ import annotations

import operator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.core.errors import CoverageMismatch, MissingValue, UnknownName
from paredown.core.finding import Finding, Level, Outcome
from paredown.core.quantity import quantities, quantity
from paredown.core.reading import How, Missing, Reading, reading_from_json
from paredown.core.trial import Trial, trial_from_json

floats = st.floats(allow_nan=False, allow_infinity=False, width=32)
readings = st.builds(
    Reading,
    quantity=st.sampled_from(list(quantities())),
    value=floats,
    how=st.sampled_from(How),
    low=st.none() | floats,
    high=st.none() | floats,
    n=st.none() | st.integers(0, 10**6),
    covers=st.lists(st.sampled_from(["cpu", "gpu", "dram"]), max_size=2).map(tuple),
    source=st.sampled_from(["", "SPECpower, 2024"]),
)


@given(readings | st.builds(Missing, quantity=st.sampled_from(list(quantities())), reason=st.text()))
def test_json_keeps_a_reading(found: Reading | Missing) -> None:
    assert reading_from_json(found.quantity, found.json()) == found


def test_the_unit_comes_from_the_table() -> None:
    assert Reading(quantity="cpu_time", value=1.0, how=How.MEASURED).unit == quantity("cpu_time").unit == "s"
    assert Reading(quantity="cpu_time", value=1.0, how=How.MEASURED, unit="x").unit == "x"


def test_a_sum_adds_values_and_ends_and_keeps_the_weaker_origin() -> None:
    first = Reading(quantity="energy", value=2.0, low=1.0, high=3.0, how=How.COUNTED, covers=("cpu",))
    second = Reading(quantity="energy", value=5.0, low=4.5, high=6.0, how=How.ESTIMATED, covers=("cpu",))
    assert first + second == second + first == replace(first, value=7.0, low=5.5, high=9.0, how=How.ESTIMATED)
    assert (first + replace(second, low=None)).low is None


def test_readings_of_different_hardware_quantity_or_unit_do_not_add() -> None:
    cpu = Reading(quantity="energy", value=1.0, how=How.COUNTED, covers=("cpu",))
    others = (replace(cpu, covers=("cpu", "dram")), replace(cpu, covers=()), replace(cpu, unit="kWh"), replace(cpu, quantity="cpu_time"))
    for other in others:
        with pytest.raises(CoverageMismatch, match=r"cannot add \('(energy|cpu_time)', .*\) to \('energy', 'J', \('cpu',\)\)"):
            cpu + other


BINARY = (operator.add, operator.sub, operator.mul, operator.truediv, operator.lt, operator.le, operator.gt, operator.ge)


@pytest.mark.parametrize("operate", BINARY)
def test_missing_refuses_every_operator_from_both_sides(operate: object) -> None:
    gap = Missing(quantity="energy", reason="no counter on this host")
    for left, right in ((gap, 1.0), (1.0, gap), (gap, gap)):
        with pytest.raises(MissingValue, match=r"energy is missing \(no counter on this host\); it cannot be used in arithmetic"):
            operate(left, right)  # type: ignore[operator]


@pytest.mark.parametrize("convert", [float, bool, lambda gap: sum([gap]), lambda gap: max(gap, 1.0), lambda gap: gap or 0])
def test_missing_is_neither_a_number_nor_false(convert: object) -> None:
    with pytest.raises(MissingValue, match="energy is missing"):
        convert(Missing(quantity="energy", reason="none"))  # type: ignore[operator]


def test_how_is_ordered_from_counted_to_modelled() -> None:
    order = [How.COUNTED, How.MEASURED, How.ESTIMATED, How.MODELLED]
    for at, strong in enumerate(order):
        assert [strong.at_least(weak) for weak in order] == [at <= other for other in range(4)]


def test_an_unknown_quantity_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match=r"no quantity 'latency_p55'\. Did you mean 'latency_p(50|95)'\?"):
        quantity("latency_p55")


def test_the_table_says_everything_of_every_quantity() -> None:
    for found in quantities().values():
        assert found.better in ("lower", "higher"), found
        assert len(found.meaning.split()) > 2, found
        assert found.print, found


def test_json_keeps_a_trial() -> None:
    trial = Trial(
        id=3,
        recipe="as_given @ torch",
        quality=0.9,
        drop={"drop": 0.01},
        readings={"cpu_time": Reading(quantity="cpu_time", value=1.0, how=How.MEASURED, n=4)},
        ratios={"size": Missing(quantity="size", reason="not measured")},
        notes=("one.",),
    )
    assert trial_from_json(trial.json()) == trial


def test_a_finding_is_plain_data_in_json() -> None:
    found = Finding(rule="size", outcome=Outcome.FAIL, level=Level.MUST, reason="too big.", value=2.0, blocks=True, refs=("a",)).json()
    assert (found["outcome"], found["level"], found["refs"], found["blocks"]) == ("fail", "must", ["a"], True)
    assert type(found["outcome"]) is str
