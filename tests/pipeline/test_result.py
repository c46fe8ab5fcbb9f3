"""What result.json says of a recipe."""

from __future__ import annotations

from paredown.core.recipe import parse
from paredown.pipeline.result import steps_with_notes


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
