"""What result.json says of a recipe."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from paredown.core.recipe import parse
from paredown.running.result import _disturbed, _window_counts, steps_with_notes


def test_each_step_of_a_cascade_keeps_its_own_note() -> None:
    recipe = parse('cascade(distill(student="quarter") > quantize_static() @ onnxruntime, distill() @ onnxruntime, at=0.9)')
    notes = [
        'distill(student="quarter"): a small one.',
        "quantize_static(): ranges from 90 rows.",
        "distill(): a larger one: twice as wide.",
    ]
    assert steps_with_notes(recipe, notes) == [
        {"text": 'distill(student="quarter")', "note": "a small one."},
        {"text": "quantize_static()", "note": "ranges from 90 rows."},
        {"text": "distill()", "note": "a larger one: twice as wide."},
    ]


def test_a_step_that_names_a_default_finds_its_note_and_one_without_a_note_has_none() -> None:
    recipe = parse('distill(student="half") > recover() @ onnxruntime')
    assert [step["note"] for step in steps_with_notes(recipe, ["distill(): learned."])] == ["learned.", ""]


STEAL = "steal: the hypervisor took 10.0% of the CPU time; 2.0% is allowed."
HEAT = "heat: heat slowed processors down, 1 times by their counts; none is allowed."
OTHERS = "disturbed by other machines on the same hardware (steal)"
WAIT = "waiting: its threads waited for a core 40.0% of the time they wanted one; 5.0% is allowed."
AGAIN = "; each was taken again once while there were windows to spare, and what was still disturbed then stands in the intervals."
DRIFT = "idle: package_energy idled at 10 W before and at 12 W after; 5% apart is allowed."


@pytest.mark.parametrize(
    ("reasons", "by", "said"),
    [
        ([[], []], {}, None),
        ([[STEAL], []], {"steal": 1}, f"1 of 2 measuring windows were {OTHERS}"),
        ([[STEAL, HEAT], [HEAT]], {"steal": 1, "heat": 2}, f"2 of 2 measuring windows were {OTHERS} and heat (heat)"),
        ([[WAIT]], {"waiting": 1}, "1 of 1 measuring windows were disturbed by other processes on this machine (waiting)"),
        ([["of an older kind"]], {}, "1 of 1 measuring windows were disturbed"),
    ],
)
def test_disturbed_windows_are_told_by_what_disturbed_them(reasons: list[list[str]], by: dict[str, int], said: str | None) -> None:
    counts = _window_counts(recorded({"raw": [{"reasons": each} for each in reasons]}))
    assert counts["reasons"] == by
    assert list(_disturbed(counts | {"unseen": {}})) == ([said + AGAIN] if said else [])


def test_a_gate_that_sees_nothing_here_is_named_with_why() -> None:
    counts = {"disturbed": 0, "all": 3, "reasons": {}, "uncounted": [], "unseen": {"waiting": "this kernel keeps no times"}}
    assert list(_disturbed(counts)) == [
        "Disturbance by other processes on this machine (waiting) would not be seen: this kernel keeps no times."
    ]


def test_how_warm_up_ended_is_counted_over_sides_and_measurements() -> None:
    steady = {"baseline": {"state": "steady"}, "candidate": {"state": "level"}}
    counts = _window_counts(recorded({"raw": [], "steady": steady}, {"raw": [], "steady": {"baseline": {"state": "steady"}}}, {"raw": []}))
    assert counts["warm_up"] == {"steady": 2, "level": 1}


def test_energy_that_was_not_counted_though_it_could_be_says_why_once() -> None:
    counts = _window_counts(recorded({"raw": [], "uncounted": ""}, {"raw": [], "uncounted": DRIFT}, {"raw": [], "uncounted": DRIFT}))
    assert list(_disturbed(counts | {"unseen": {}})) == [f"Energy is estimated although this machine counts it: {DRIFT}"]


def recorded(*values: dict[str, Any]) -> Any:
    """A workspace whose ledger holds these measurements."""
    records = {"floor": [], "measure": [SimpleNamespace(value=value) for value in values]}
    return SimpleNamespace(study=SimpleNamespace(ledger=SimpleNamespace(records=records.__getitem__)))
