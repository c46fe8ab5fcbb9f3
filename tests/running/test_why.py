"""Why a model costs less: the way to its recipe, factors that multiply to the headline, layers by name."""

from __future__ import annotations

import json
import math

import pytest

from paredown.core.reading import How, Missing, Reading
from paredown.core.recipe import parse
from paredown.running.why import divided, factors, grouped, stops
from tiny_study import TinyStudy


def way(text: str, given_on: str = "torch") -> list[tuple[str, str, str | None]]:
    return [(stop.kind, stop.text, stop.recipe and str(stop.recipe)) for stop in stops(parse(text), given_on)]


def ratio(value: float, share: float | None = 0.05) -> Reading:
    ends = (None, None) if share is None else (value / (1 + share), value * (1 + share))
    return Reading(quantity="cpu_time", value=value, low=ends[0], high=ends[1], unit="x", how=How.MEASURED, n=10)


def test_the_way_goes_by_engine_then_step_by_step_and_recovery_goes_with_what_it_follows() -> None:
    text = 'distill(student="half") > prune_channels(keep=0.6) > recover() > quantize_static() @ onnxruntime(threads=1)'
    assert way(text) == [
        ("engine", "onnxruntime", "as_given @ onnxruntime"),
        ("structure", 'distill(student="half")', 'distill(student="half") @ onnxruntime'),
        (
            "structure",
            "prune_channels(keep=0.6) > recover()",
            'distill(student="half") > prune_channels(keep=0.6) > recover() @ onnxruntime',
        ),
        ("quantize", "quantize_static()", None),
    ]


def test_a_cascade_is_the_last_step_after_the_model_that_is_always_right() -> None:
    text = 'cascade(distill(student="quarter") @ onnxruntime(threads=1), quantize_static() @ onnxruntime(threads=1), at=0.9)'
    assert way(text) == [
        ("engine", "onnxruntime", "as_given @ onnxruntime"),
        ("quantize", "quantize_static()", "quantize_static() @ onnxruntime"),
        ("compose", 'cascade(distill(student="quarter") @ onnxruntime(threads=1), ...)', None),
    ]


def test_no_step_is_told_for_an_engine_that_it_had_already() -> None:
    assert way("quantize_dynamic() @ onnxruntime(threads=2)", "onnxruntime") == [("quantize", "quantize_dynamic()", None)]
    assert way("as_given @ onnxruntime(threads=1)") == [("engine", "onnxruntime", None)]


def test_factors_multiply_to_the_last_ratio_exactly() -> None:
    found = factors([("engine", "a"), ("structure", "b"), ("quantize", "c")], [ratio(2.1), ratio(6.3), ratio(12.5)])
    assert math.prod(step["factor"]["value"] for step in found) == pytest.approx(12.5, rel=1e-12)
    assert [round(step["factor"]["value"], 3) for step in found] == [2.1, 3.0, 1.984]
    assert all(step["factor"]["low"] < step["factor"]["value"] < step["factor"]["high"] for step in found)


def test_what_could_not_be_measured_is_told_with_the_next_step() -> None:
    missing = Missing(quantity="cpu_time", reason="it does not fit.")
    found = factors([("engine", "a"), ("structure", "b"), ("structure", "c")], [missing, ratio(4.0), ratio(12.0)])
    assert [(step["kind"], step["text"], step["joined"]) for step in found] == [
        ("joined", "a > b", "it does not fit."),
        ("structure", "c", ""),
    ]
    assert [step["factor"]["value"] for step in found] == [4.0, 3.0]


def test_an_interval_joins_two_independent_ones_and_is_never_made_up() -> None:
    found = divided(ratio(6.0, 0.04), ratio(2.0, 0.03))
    assert found.value == 3.0
    assert math.log(found.high / found.low) / 2 == pytest.approx(math.hypot(math.log(1.04), math.log(1.03)))
    assert (divided(ratio(6.0, None), ratio(2.0)).low, divided(ratio(6.0), ratio(2.0, None)).high) == (None, None)


def test_layers_are_named_as_far_as_one_part_after_their_number() -> None:
    names = [
        "",
        "bert.embeddings.word",
        "bert.encoder.layer.0.attention.self.key",
        "bert.encoder.layer.0.attention.output",
        "bert.encoder.layer.1.output",
        "head",
    ]
    nodes = [{"name": str(at), "op": f"op{at}", "layer": name, "wall_s": at + 1.0} for at, name in enumerate(names)]
    assert grouped(nodes) == [
        ("input", "op0", 1.0),
        ("embeddings", "op1", 2.0),
        ("encoder.layer.0.attention", "op3", 7.0),
        ("encoder.layer.1.output", "op4", 5.0),
        ("head", "op5", 6.0),
    ]
    wrapped = [node | {"layer": f"module.{node['layer']}" if node["layer"] else ""} for node in nodes]
    assert grouped(wrapped) == grouped(nodes)
    plain = [{"name": name, "op": "Conv", "layer": name, "wall_s": 1.0} for name in ("features.0", "features.3", "head")]
    assert [name for name, _, _ in grouped(plain)] == ["features.0", "features.3", "head"]


def test_an_engine_that_knows_no_layers_is_told_by_kind_of_work() -> None:
    nodes = [{"name": str(at), "op": op, "layer": "", "wall_s": 1.0} for at, op in enumerate(("MatMul", "Add", "MatMul"))]
    assert grouped(nodes) == [("MatMul", "MatMul", 2.0), ("Add", "Add", 1.0)]


def test_a_run_says_why(tiny_study: TinyStudy) -> None:
    result = json.loads((tiny_study.folder / "result.json").read_text())
    steps = result["why"]["steps"]
    assert [(step["kind"], step["text"]) for step in steps] == [("quantize", "quantize_dynamic()")]
    assert math.prod(step["factor"]["value"] for step in steps) == pytest.approx(result["chosen"]["ratios"]["cpu_time"]["value"], rel=1e-9)
    layers = result["why"]["layers"]
    assert all(layer["op"] and layer["wall_s"] >= 0 for side in layers.values() for layer in side["layers"])
    assert not list(tiny_study.folder.rglob("*trace*"))
    given = result["baseline"]["efficiency"]
    assert given["value"] == pytest.approx(result["baseline"]["quality"]["value"] / result["baseline"]["readings"]["energy"]["value"])
    assert result["chosen"]["efficiency_ratio"]["unit"] == "x"
