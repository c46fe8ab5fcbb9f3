"""Rules to findings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pytest

from paredown.core.finding import Finding, Level, Outcome
from paredown.core.quantity import quantities
from paredown.core.reading import How, Missing, Reading
from paredown.metrics.accuracy import Accuracy
from paredown.metrics.auroc import Auroc
from paredown.metrics.macro_f1 import MacroF1
from paredown.metrics.mae import Mae
from paredown.policy.parse import load
from paredown.policy.rules import Evidence, judge, verdict
from paredown.stats.paired import absolute_upper, relative_upper

TODAY = date(2026, 6, 1)


def reading(quantity: str, value: float, low: float | None = None, high: float | None = None, **more: Any) -> Reading:
    return Reading(quantity=quantity, value=value, low=low, high=high, **({"how": How.MEASURED} | more))


def ratio(quantity: str, value: float, low: float, high: float, **more: Any) -> dict[str, Reading]:
    return {quantity: reading(quantity, value, low, high, unit="x", **more)}


def rows(both: int, lost: int, gained: int, neither: int) -> dict[str, Any]:
    n = both + lost + gained + neither
    before = np.repeat([1, 1, 0, 0], [both, lost, gained, neither])
    after = np.repeat([1, 0, 1, 0], [both, lost, gained, neither])
    return {"metric": Accuracy(), "labels": np.ones(n, dtype=np.int64), "before": np.eye(2)[before], "after": np.eye(2)[after]}


def one(rule: Mapping[str, Any], head: Mapping[str, Any] | None = None, **evidence: Any) -> Finding:
    (finding,) = judge(load({"rules": [rule], **(head or {})}), Evidence(today=TODAY, **evidence))
    return finding


@pytest.mark.parametrize(
    ("limit", "value", "low", "high", "outcome"),
    [
        ({"max": "20 ms"}, 0.018, 0.017, 0.019, Outcome.PASS),
        ({"max": "20 ms"}, 0.018, 0.016, 0.020, Outcome.PASS),
        ({"max": "20 ms"}, 0.019, 0.017, 0.021, Outcome.INCONCLUSIVE),
        ({"max": "20 ms"}, 0.020, 0.020, 0.020, Outcome.PASS),
        ({"max": "20 ms"}, 0.023, 0.021, 0.025, Outcome.FAIL),
        ({"min": "20 ms"}, 0.023, 0.021, 0.025, Outcome.PASS),
        ({"min": "20 ms"}, 0.018, 0.017, 0.019, Outcome.FAIL),
        ({"min": "20 ms"}, 0.020, 0.019, 0.021, Outcome.INCONCLUSIVE),
        ({"equals": "20 ms"}, 0.020, None, None, Outcome.PASS),
        ({"equals": "20 ms"}, 0.021, None, None, Outcome.FAIL),
        ({"equals": "20 ms"}, 0.021, 0.019, 0.022, Outcome.INCONCLUSIVE),
        ({"present": True}, 0.021, 0.019, 0.022, Outcome.PASS),
    ],
)
def test_an_absolute_limit_is_judged_by_the_whole_interval(limit: Any, value: float, low: Any, high: Any, outcome: Outcome) -> None:
    finding = one({"latency_p95": limit}, readings={"latency_p95": reading("latency_p95", value, low, high)})
    assert finding.outcome is outcome
    assert finding.blocks == (outcome is not Outcome.PASS)
    assert verdict([finding]) is outcome
    assert (finding.value, finding.unit) == (value, "s")


def test_the_reason_speaks_the_users_unit() -> None:
    finding = one({"latency_p95": {"max": "20 ms"}}, readings={"latency_p95": reading("latency_p95", 0.0231, 0.0228, 0.0234)})
    assert finding.reason == "latency_p95 is 23.1 ms (22.8 ms to 23.4 ms), measured; allowed at most 20 ms."


@pytest.mark.parametrize(
    ("limit", "value", "low", "high", "noise", "outcome"),
    [
        ("0.5 x baseline", 12.0, 11.0, 13.0, 0.02, Outcome.PASS),
        ("0.5 x baseline", 2.1, 2.01, 2.2, 0.0, Outcome.PASS),
        ("0.5 x baseline", 2.1, 2.01, 2.2, 0.02, Outcome.INCONCLUSIVE),  # the noise floor covers what is above 2
        ("0.5 x baseline", 2.0, 1.9, 2.1, 0.0, Outcome.INCONCLUSIVE),
        ("0.5 x baseline", 1.8, 1.7, 1.9, 0.02, Outcome.FAIL),
        ("1 x baseline", 1.01, 1.005, 1.015, 0.02, Outcome.INCONCLUSIVE),  # a saving within the noise floor is not claimed
        ("1 x baseline", 1.05, 1.04, 1.06, 0.02, Outcome.PASS),
        ("1 x baseline", 0.985, 0.981, 0.99, 0.02, Outcome.INCONCLUSIVE),
        ("1 x baseline", 0.9, 0.89, 0.91, 0.02, Outcome.FAIL),
    ],
)
def test_a_limit_by_the_baseline_is_judged_on_the_paired_ratio(
    limit: str, value: float, low: float, high: float, noise: float, outcome: Outcome
) -> None:
    finding = one({"energy": {"max": limit}}, ratios=ratio("energy", value, low, high), noise=noise)
    assert finding.outcome is outcome
    assert finding.unit == "x"
    assert finding.value == pytest.approx(1 / value)
    assert (finding.low, finding.high) == pytest.approx((1 / high / (1 + noise), 1 / low * (1 + noise)))


@pytest.mark.parametrize("quantity", ["carbon", "water", "cost", "embodied_carbon"])
def test_what_follows_from_time_has_its_noise(quantity: str) -> None:
    finding = one({quantity: {"max": "1 x baseline"}}, ratios=ratio(quantity, 1.01, 1.005, 1.015), noise=0.02)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "noise floor included" in finding.reason


def test_higher_is_better_turns_a_floor_not_a_ratio() -> None:
    finding = one({"throughput": {"min": "2 x baseline"}}, ratios=ratio("throughput", 0.25, 0.24, 0.26))
    assert finding.outcome is Outcome.PASS
    assert finding.value == pytest.approx(4.0)


def test_the_baseline_as_found_is_another_baseline() -> None:
    evidence = {"ratios": ratio("latency_p95", 0.5, 0.49, 0.51), "ratios_as_found": ratio("latency_p95", 2.0, 1.9, 2.1)}
    assert one({"latency_p95": {"max": "1 x baseline as found"}}, **evidence).outcome is Outcome.PASS
    assert one({"latency_p95": {"max": "1 x baseline"}}, **evidence).outcome is Outcome.FAIL


def test_without_a_ratio_the_two_readings_give_the_widest_one() -> None:
    finding = one(
        {"peak_rss": {"max": "0.5 x baseline", "at_least": "measured"}},
        readings={"peak_rss": reading("peak_rss", 40e6, 38e6, 44e6)},
        baseline={"peak_rss": reading("peak_rss", 100e6, 95e6, 110e6, how=How.ESTIMATED)},
        noise=0.5,  # of windows, not of bytes
    )
    assert (finding.value, finding.low, finding.high) == pytest.approx((0.4, 38 / 110, 44 / 95))
    assert finding.outcome is Outcome.INCONCLUSIVE  # the baseline's reading is only estimated
    assert finding.reason.endswith("allowed at most 0.5 x baseline; the rule asks for at least measured.")


@pytest.mark.parametrize(
    ("how", "outcome"), [("counted", "pass"), ("measured", "pass"), ("estimated", "inconclusive"), ("modelled", "inconclusive")]
)
def test_a_weaker_origin_than_asked_for_never_passes(how: str, outcome: str) -> None:
    evidence = {"readings": {"energy": reading("energy", 1.0, how=How(how))}}
    assert one({"energy": {"max": "2 J", "at_least": "measured"}}, **evidence).outcome == outcome
    assert one({"energy": {"present": True, "at_least": "measured"}}, **evidence).outcome == outcome


def test_what_is_missing_is_inconclusive_with_the_reason_and_fails_where_it_must_be_present() -> None:
    missing = {"readings": {"energy": Missing(quantity="energy", reason="no counter on this host")}}
    finding = one({"energy": {"max": "2 J"}}, **missing)
    assert (finding.outcome, finding.value, finding.limit, finding.blocks) == (Outcome.INCONCLUSIVE, None, 2.0, True)
    assert finding.reason == "energy is missing: no counter on this host."
    assert one({"energy": {"present": True}}, **missing).outcome is Outcome.FAIL
    assert one({"size": {"max": "2 MB"}}).reason == "size is missing: it was not measured."
    mine = {"readings": {"size": reading("size", 3.0)}}
    assert one({"size": {"max": "1 x baseline"}}).reason == "size is missing: it was not measured."
    assert (
        "the baseline's value is not there to compare with (it was not measured)" in one({"size": {"max": "1 x baseline"}}, **mine).reason
    )
    zero = {"baseline": {"size": reading("size", 0.0)}}
    assert "the baseline's value is 0" in one({"size": {"max": "1 x baseline"}}, **mine, **zero).reason


def test_above_97_5_percent_the_interval_is_widened() -> None:
    rule, head = {"energy": {"max": "1.25 J"}}, {"confidence": "99 %"}
    exact = {"readings": {"energy": reading("energy", 1.0, 0.8, 1.2)}}
    assert one(rule, **exact).high == 1.2
    assert one(rule, head, **exact).high == pytest.approx(1 + 0.2 * 2.3263 / 1.9600, abs=1e-4)
    few = {"readings": {"energy": reading("energy", 1.0, 0.8, 1.2, n=10)}}
    assert one(rule, head, **few).high == pytest.approx(1 + 0.2 * 2.821 / 2.262, abs=1e-4)  # Student's t, 9 degrees, from a table
    paired = one({"energy": {"max": "1 x baseline"}}, head, ratios=ratio("energy", 4.0, 2.0, 8.0))
    assert (paired.low, paired.high) == pytest.approx((0.25 / 2 ** (2.3263 / 1.96), 0.25 * 2 ** (2.3263 / 1.96)), rel=1e-4)


@pytest.mark.parametrize(
    ("limit", "counts", "outcome"),
    [
        ("2 %", (850, 12, 10, 28), Outcome.PASS),
        ("0.2 %", (850, 12, 10, 28), Outcome.INCONCLUSIVE),
        ("1 %", (800, 60, 12, 28), Outcome.FAIL),
        ("2 pp", (850, 12, 10, 28), Outcome.PASS),
    ],
)
def test_quality_is_judged_on_the_score_bounds(limit: str, counts: tuple[int, int, int, int], outcome: Outcome) -> None:
    finding = one({"quality": {"drop": limit}}, **rows(*counts))
    both, lost, gained, _ = counts
    relative = limit.endswith("%")
    upper = relative_upper(900, both, lost, gained) if relative else absolute_upper(900, lost, gained)
    assert finding.outcome is outcome
    assert finding.high == pytest.approx(upper)
    assert finding.unit == ("share" if relative else "points")
    assert f"on 900 rows ({100 * (lost + gained) / 900:.2g} % flips)" in finding.reason
    assert limit in finding.reason


def test_an_open_quality_finding_says_how_many_rows_are_needed() -> None:
    finding = one({"quality": {"drop": "0.5 %"}}, **rows(850, 11, 10, 29))
    needed = int(finding.reason.split("needs n = ")[1].rstrip("."))
    width = finding.high - finding.value  # type: ignore[operator]
    exact = 900 * (width / 0.005 * 2.9264 / 1.6449) ** 2
    assert exact <= needed <= 1.1 * exact
    assert "needs" not in one({"quality": {"drop": "0 %"}}, **rows(850, 11, 10, 29)).reason


def test_quality_without_rows_is_inconclusive_and_blocks() -> None:
    for rule in ({"drop": "1 %"}, {"min": 0.9}, {"drop": "1 %", "by": "region"}):
        finding = one({"quality": rule})
        assert (finding.outcome, finding.blocks, finding.reason) == (
            Outcome.INCONCLUSIVE,
            True,
            "quality: there are no labeled rows to judge by.",
        )


def test_a_floor_of_quality() -> None:
    assert one({"quality": {"min": 0.9}}, **rows(850, 12, 10, 28)).outcome is Outcome.PASS
    assert one({"quality": {"min": "95 %"}}, **rows(850, 12, 10, 28)).outcome is Outcome.INCONCLUSIVE
    failed = one({"quality": {"min": 0.99}}, **rows(850, 12, 10, 28))
    assert failed.outcome is Outcome.FAIL
    assert failed.reason.startswith("quality is 0.956 on 900 rows (")


def test_macro_f1_goes_through_the_bootstrap() -> None:
    data = rows(700, 20, 10, 20) | {"metric": MacroF1()}
    data["labels"] = np.arange(750) % 2
    for key in ("before", "after"):
        right = data[key][:, 1] == 1
        data[key] = np.eye(2)[np.where(right, data["labels"], 1 - data["labels"])]
    finding = one({"quality": {"drop": "5 %"}}, **data)
    accuracy = relative_upper(750, 700, 20, 10)  # with two equal classes macro F1 is accuracy, nearly
    assert finding.outcome is Outcome.PASS
    assert finding.high == pytest.approx(accuracy, abs=0.003)


def test_rows_to_which_the_metric_gives_no_value_stay_open() -> None:
    data = rows(70, 2, 1, 2) | {"metric": Auroc()}  # all of one class
    says = "the metric has no value on these 75 rows, as where all of them are of one class."
    for limit in ({"drop": "5 %"}, {"drop": "1 pp"}, {"min": 0.5}, {"max": 0.5}):
        finding = one({"quality": limit}, **data)
        assert (finding.outcome, finding.blocks, finding.reason) == (Outcome.INCONCLUSIVE, True, f"quality: {says}")
        assert (finding.value, finding.low, finding.high) == (None, None, None)
    by_group = {"groups": {"region": np.repeat(["north"], 75)}}
    for limit in ({"drop": "5 %"}, {"min": 0.5}):
        finding = one({"quality": {**limit, "by": ["region"], "min_rows": 50}}, **data, **by_group)
        assert (finding.outcome, finding.reason) == (Outcome.INCONCLUSIVE, f"quality, region=north: {says}")


def test_answers_of_another_kind_are_judged_as_such() -> None:
    draw = np.random.default_rng(0)
    targets = draw.normal(size=(400, 1))
    before = targets + 0.1 * draw.normal(size=(400, 1))
    data = {"metric": Mae(), "kind": "numbers", "labels": targets, "before": before}
    near, far = (one({"quality": {"drop": "5 %"}}, **data, after=targets + factor * (before - targets)) for factor in (1.02, 1.2))
    assert (near.outcome, far.outcome) == (Outcome.PASS, Outcome.FAIL)
    assert "flips" not in near.reason
    assert one({"quality": {"max": 0.2}}, **data, after=before).outcome is Outcome.PASS


def grouped(*parts: tuple[str, tuple[int, int, int, int]]) -> dict[str, Any]:
    pieces = [rows(*counts) for _, counts in parts]
    data = {key: np.concatenate([piece[key] for piece in pieces]) for key in ("labels", "before", "after")}
    names = np.concatenate([[name] * sum(counts) for name, counts in parts])
    return {"metric": Accuracy(), "groups": {"region": names}, **data}


GROUPS = {"quality": {"id": "groups", "drop": "3 pp", "by": ["region"], "min_rows": 50}}


def test_groups_pass_fail_stay_open_and_are_named() -> None:
    data = grouped(("big", (900, 5, 5, 40)), ("bad", (700, 150, 0, 50)), ("small", (90, 1, 1, 8)), ("tiny", (20, 0, 0, 1)))
    findings = judge(load({"rules": [GROUPS]}), Evidence(today=TODAY, **data))
    found = {finding.group: finding for finding in findings}
    assert {group: (str(f.outcome), f.blocks) for group, f in found.items()} == {
        "region=big": ("pass", False),
        "region=bad": ("fail", True),
        "region=small": ("inconclusive", False),
        "region=tiny": ("inconclusive", False),
    }
    assert found["region=tiny"].reason == "groups, region=tiny: has 21 rows, too few for the rule: needs n = 50."
    assert "needs n = " in found["region=small"].reason
    assert verdict(findings) is Outcome.FAIL
    assert verdict([finding for finding in findings if finding.group != "region=bad"]) is Outcome.PASS


def test_fails_over_many_groups_are_corrected() -> None:
    counts = (170, 20, 2, 8)  # alone this group fails at 5 %
    alone = judge(load({"rules": [GROUPS]}), Evidence(today=TODAY, **grouped(("x", counts))))
    assert alone[0].outcome is Outcome.FAIL
    crowd = [(f"g{i}", (180, 3, 3, 14)) for i in range(30)]
    many = judge(load({"rules": [GROUPS]}), Evidence(today=TODAY, **grouped(("x", counts), *crowd)))
    assert {finding.group: finding.outcome for finding in many}["region=x"] is Outcome.INCONCLUSIVE


def test_a_floor_by_group() -> None:
    rule = {"quality": {"min": 0.8, "by": "region"}}
    data = grouped(("good", (190, 2, 2, 6)), ("bad", (100, 2, 2, 96)))
    found = {finding.group: finding.outcome for finding in judge(load({"rules": [rule]}), Evidence(today=TODAY, **data))}
    assert found == {"region=good": Outcome.PASS, "region=bad": Outcome.FAIL}
    edge = [("x", (140, 2, 8, 50)), *((f"g{i}", (190, 2, 2, 6)) for i in range(40))]
    outcomes = [judge(load({"rules": [rule]}), Evidence(today=TODAY, **grouped(*part)))[-1].outcome for part in (edge[:1], edge)]
    assert outcomes == [Outcome.FAIL, Outcome.INCONCLUSIVE]


def test_a_group_column_that_the_data_lack_blocks() -> None:
    rule = {"quality": {"drop": "3 pp", "by": ["region", "age"]}}
    findings = judge(load({"rules": [rule]}), Evidence(today=TODAY, **grouped(("x", (900, 2, 2, 10)))))
    assert [(finding.group, str(finding.outcome), finding.blocks) for finding in findings] == [
        ("age", "inconclusive", True),
        ("region=x", "pass", False),
    ]
    assert findings[0].reason == "quality: the data have no group column 'age'; they have: region."


def test_only_must_blocks_and_waivers_lift_it_until_their_day() -> None:
    slow = {"readings": {"latency_p95": reading("latency_p95", 1.0)}}
    for name, blocks in (("must", True), ("should", False), ("info", False)):
        finding = one({"latency_p95": {"max": "20 ms", "level": name, "refs": ["A 1"]}}, **slow)
        assert (finding.blocks, finding.level, finding.refs) == (blocks, Level(name), ("A 1",))
    rule = {"latency_p95": {"max": "20 ms"}}

    def waiver(until: str) -> dict[str, Any]:
        return {"waivers": [{"rule": "latency_p95", "until": until, "reason": "batch use", "by": "ops"}]}

    waived = one(rule, waiver("2026-06-01"), **slow)
    assert (waived.outcome, waived.blocks, waived.waived) == (Outcome.FAIL, False, "batch use (by ops, until 2026-06-01)")
    assert verdict([waived]) is Outcome.PASS
    expired = one(rule, waiver("2026-05-31"), **slow)
    assert (expired.blocks, expired.waived) == (True, "")
    assert expired.reason.endswith("The waiver by ops ran out on 2026-05-31 and does not count.")
    passed = one(rule, waiver("2026-06-01"), readings={"latency_p95": reading("latency_p95", 0.01)})
    assert (passed.outcome, passed.waived) == (Outcome.PASS, "")


def test_a_fail_outweighs_what_is_open() -> None:
    findings = judge(
        load({"rules": [{"size": {"max": "1 B"}}, {"energy": {"max": "1 J"}}]}),
        Evidence(today=TODAY, readings={"size": reading("size", 2.0)}),
    )
    assert [finding.outcome for finding in findings] == [Outcome.FAIL, Outcome.INCONCLUSIVE]
    assert verdict(findings) is Outcome.FAIL
    assert verdict([]) is Outcome.PASS


def test_an_infinite_end_is_no_number() -> None:
    finding = one({"quality": {"drop": "1 %"}}, **rows(0, 0, 5, 20))
    assert (finding.outcome, finding.value, finding.low, finding.high) == (Outcome.INCONCLUSIVE, None, None, 1.0)


def test_money_is_held_against_a_limit_in_its_own_currency_only() -> None:
    readings = {"cost": reading("cost", 2e-6, 1e-6, 3e-6, unit="EUR")}
    found = one({"cost": {"max": "0.000005 EUR"}}, readings=readings)
    assert (found.outcome, found.unit) == (Outcome.PASS, "EUR")
    assert "cost is 2e-06 EUR" in found.reason
    other = one({"cost": {"max": "0.000005 USD"}}, readings=readings)
    assert other.outcome is Outcome.INCONCLUSIVE
    assert other.reason == "cost is in EUR, the currency of the job, and the limit is 0.000005 USD: write it in EUR."
    assert one({"cost": {"max": "0.5 x baseline"}}, ratios=ratio("cost", 4.0, 3.0, 5.0)).outcome is Outcome.PASS


def test_every_quantity_can_have_a_limit_in_its_unit() -> None:
    written = {"s": "1 ms", "J": "1 mJ", "B": "1 MB", "g": "1 µg", "L": "1 mL", "¤": "1 EUR", "1/s": "1 /s", "1": "1", "": "1 %"}
    for name, item in quantities().items():
        limit = load({"rules": [{name: {"max" if item.better == "lower" else "min": written[item.unit]}}]}).rules[0].limit
        assert limit is not None
        assert limit.text == written[item.unit]


def test_a_group_of_fewer_than_20_rows_is_not_named() -> None:
    parts = [("big", (900, 5, 5, 40)), *((f"person{at}", (5, 0, 0, 0)) for at in range(12)), ("nineteen", (19, 0, 0, 0))]
    findings = judge(load({"rules": [GROUPS]}), Evidence(today=TODAY, **grouped(*parts)))
    assert [finding.group for finding in findings] == ["region=big", "region=other values"]
    assert "seen on 79 rows" in findings[1].reason
    assert not any(word in str(findings) for word in ("person", "nineteen"))
    alone = judge(load({"rules": [GROUPS]}), Evidence(today=TODAY, **grouped(parts[0], parts[-1])))
    assert alone[0].reason == "groups, region=other values: has 19 rows, too few for the rule: needs n = 50."
