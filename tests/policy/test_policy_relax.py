"""The smallest relaxation is one with which the same evidence passes."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from paredown.core.reading import How, Reading
from paredown.metrics.accuracy import Accuracy
from paredown.policy.parse import load
from paredown.policy.relax import smallest_relaxation
from paredown.policy.rules import Evidence, judge, verdict


def evidence(**more: Any) -> Evidence:
    before, after = np.repeat([1, 1, 0, 0], [850, 14, 8, 28]), np.repeat([1, 0, 1, 0], [850, 14, 8, 28])
    readings = {
        "size": Reading(quantity="size", value=61.2e6, how=How.COUNTED),
        "throughput": Reading(quantity="throughput", value=90.0, low=86.8, high=93.0, how=How.MEASURED),
    }
    ratios = {"energy": Reading(quantity="energy", value=1.8, low=1.7, high=1.9, unit="x", how=How.ESTIMATED)}
    data = {"labels": np.ones(900, dtype=np.int64), "before": np.eye(2)[before], "after": np.eye(2)[after], "metric": Accuracy()}
    return Evidence(today=date(2026, 1, 1), readings=readings, ratios=ratios, **data, **more)


RULES: list[dict[str, Any]] = [
    {"quality": {"drop": "1 %"}},
    {"size": {"max": "50 MB"}},
    {"throughput": {"id": "enough", "min": "100 /s"}},
    {"energy": {"max": "0.5 x baseline"}},
    {"peak_rss": {"max": "1 GB", "level": "should"}},
]


def test_each_blocking_rule_gives_its_smallest_limit_and_with_them_it_passes() -> None:
    policy = load({"rules": RULES})
    found = smallest_relaxation(policy, judge(policy, evidence()))
    assert {item.rule: item.needed for item in found} == {
        "quality": "1.8 %",
        "size": "62 MB",
        "enough": "86 /s",
        "energy": "0.59 x baseline",
    }
    assert [item.rule for item in found] == ["quality", "size", "energy", "enough"]  # the furthest from its limit first
    assert found[0].text == "quality drop: 1 % -> 1.8 %"
    assert found[3].text == "enough (throughput min): 100 /s -> 86 /s"
    needed = {item.rule: item.needed for item in found}
    relaxed = []
    for rule in RULES:
        ((name, body),) = rule.items()
        kind = next(key for key in ("drop", "max", "min") if key in body)
        relaxed.append({name: body | {kind: needed.get(body.get("id", name), body[kind])}})
    assert verdict(judge(load({"rules": relaxed}), evidence())) == "pass"


def test_where_no_limit_helps_the_reason_is_given() -> None:
    policy = load(
        {"rules": [{"size": {"max": "50 MB"}}, {"cold_start": {"max": "1 s"}}, {"energy": {"max": "1 x baseline", "at_least": "measured"}}]}
    )
    found = smallest_relaxation(policy, judge(policy, evidence()))
    assert [(item.rule, item.needed) for item in found] == [("cold_start", None), ("energy", None), ("size", "62 MB")]
    assert found[0].text == "cold_start max: no other limit helps. cold_start is missing: it was not measured."
    assert "the rule asks for at least measured" in found[1].text


def test_of_the_groups_of_a_rule_the_worst_one_binds() -> None:
    policy = load({"rules": [{"quality": {"drop": "0.1 pp", "by": "half"}}]})
    findings = judge(policy, evidence(groups={"half": np.repeat(["a", "b"], [866, 34])}))
    worst = max((finding for finding in findings if finding.blocks), key=lambda finding: finding.high or 0)
    (item,) = smallest_relaxation(policy, findings) if any(finding.blocks for finding in findings) else (None,)
    assert item is not None
    assert item.needed is not None
    assert float(item.needed.split()[0]) / 100 >= (worst.high or 0)


def test_an_exact_value_is_named_as_it_is() -> None:
    policy = load({"rules": [{"size": {"equals": "50 MB"}}]})
    (item,) = smallest_relaxation(policy, judge(policy, evidence()))
    assert item.text == "size equals: 50 MB -> 61.2 MB"


def test_nothing_blocks_nothing_gives() -> None:
    policy = load({"rules": [{"size": {"max": "70 MB"}}, {"cold_start": {"max": "1 s", "level": "should"}}]})
    assert smallest_relaxation(policy, judge(policy, evidence())) == ()
