"""Rules to findings.

A limit holds when the whole interval is on the right side of it, is broken when the whole interval is on the wrong side, and else the
finding is inconclusive, which never counts as pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from paredown.core.finding import Finding, Level, Outcome
from paredown.core.policy import Kind, Limit, Policy, Rule, Scale, Waiver
from paredown.core.quantity import quantity
from paredown.core.reading import How, Missing, Reading
from paredown.core.task import CONTINUOUS, Metric
from paredown.core.trial import Readings
from paredown.ground.amounts import show
from paredown.policy.quality import contest, judged, level
from paredown.stats.holm import holm
from paredown.stats.intervals import normal, student
from paredown.stats.paired import Drop
from paredown.stats.rare_values import merged

POWER = 0.90
NOISY = ("time", "energy", "rate", "mass", "volume", "money")
"""How those are printed that follow from time, which the machine's noise touches."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known about one candidate.

    Args:
        readings: The candidate's, by quantity; an absent one counts as Missing.
        baseline: The model as given, at its best thread count.
        as_found: The model as given, at the user's defaults.
        ratios: `baseline` over candidate, unit "x", with a two-sided 95 % interval; where one is absent it follows from the readings.
        ratios_as_found: `as_found` over candidate, likewise.
        labels: What is right on the judged rows, as `Metric` says for the kind of answers; None while there are none.
        before, after: Answers of the baseline and of the candidate.
        kind: Of the answers.
        metric: The job's metric.
        groups: Column -> array (N,) of texts.
        blocks: A number for each row (N,), the same for rows that were sampled together, by which a drop is paired; None for rows.
        counted: What a drop was seen on, as messages say it: "rows".
        noise: The noise floor, a share; a time, or what follows from one, within it of the baseline's is not told apart from it.
        recorded: What was found on quality before, by a metric that cannot be asked again.
        today: For waivers.
        seed: Of bootstraps.
    """

    readings: Readings = field(default_factory=dict)
    baseline: Readings = field(default_factory=dict)
    as_found: Readings = field(default_factory=dict)
    ratios: Readings = field(default_factory=dict)
    ratios_as_found: Readings = field(default_factory=dict)
    labels: Any = None
    before: Any = None
    after: Any = None
    kind: str = "class"
    metric: Metric | None = None
    groups: Mapping[str, Any] = field(default_factory=dict)
    blocks: Any = None
    counted: str = "rows"
    noise: float = 0.0
    recorded: Iterable[Finding] = ()
    today: date
    seed: int = 0


def judge(policy: Policy, evidence: Evidence) -> tuple[Finding, ...]:
    """What each rule says, in the order of the policy; a rule by group gives one finding per group.

    Args:
        policy: Rules, confidence and waivers.
        evidence: What is known about the candidate.
    """
    findings: list[Finding] = []
    for rule in policy.rules:
        if rule.quantity == "quality" and rule.limit is not None and rule.kind is not Kind.EQUALS:
            found = _quality(rule, rule.limit, evidence, policy.confidence)
        else:
            found = [_reading(rule, evidence, policy.confidence)]
        waivers = [waiver for waiver in policy.waivers if waiver.rule == rule.id]
        findings += [_settle(finding, waivers, evidence.today) for finding in found]
    return tuple(findings)


def verdict(findings: Iterable[Finding]) -> Outcome:
    """`fail` when a must-rule failed, `inconclusive` when one was left open, else `pass`."""
    blocking = {finding.outcome for finding in findings if finding.blocks}
    return Outcome.FAIL if Outcome.FAIL in blocking else Outcome.INCONCLUSIVE if blocking else Outcome.PASS


def _settle(finding: Finding, waivers: list[Waiver], today: date) -> Finding:
    """Decide whether the finding blocks, and name the waiver that applies or has run out."""
    small_group = "=" in finding.group and finding.outcome is Outcome.INCONCLUSIVE
    blocks = finding.level is Level.MUST and finding.outcome is not Outcome.PASS and not small_group
    for waiver in waivers:
        if today <= waiver.until and finding.outcome is not Outcome.PASS:
            return replace(finding, blocks=False, waived=f"{waiver.reason} (by {waiver.by}, until {waiver.until})")
    expired = "".join(
        f" The waiver by {waiver.by} ran out on {waiver.until} and does not count." for waiver in waivers if waiver.until < today
    )
    return replace(finding, blocks=blocks, reason=finding.reason + expired)


def _finding(rule: Rule, outcome: Outcome, reason: str, **values: Any) -> Finding:
    """A finding of a rule; an end that lies at infinity is no number and stays None."""
    finite: dict[str, Any] = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }
    return Finding(rule=rule.id, outcome=outcome, level=rule.level, reason=reason, refs=tuple(rule.refs), **finite)


def _decide(kind: Kind, low: float, high: float, limit: float) -> Outcome:
    if kind is Kind.EQUALS:
        inside = low <= limit <= high
        return Outcome.FAIL if not inside else Outcome.PASS if low == high else Outcome.INCONCLUSIVE
    if kind is Kind.MIN:
        low, high, limit = -high, -low, -limit
    return Outcome.PASS if high <= limit else Outcome.FAIL if low > limit else Outcome.INCONCLUSIVE


def _quality(rule: Rule, limit: Limit, evidence: Evidence, confidence: float) -> list[Finding]:
    """One finding, or one per value of each group column."""
    metric, labels, before, after = evidence.metric, evidence.labels, evidence.before, evidence.after
    if metric is None or labels is None or not len(labels):
        if before_now := [finding for finding in evidence.recorded if finding.rule == rule.id]:
            return before_now
        return [_finding(rule, Outcome.INCONCLUSIVE, f"{rule.id}: there are no labeled rows to judge by.")]
    if rule.by:
        return _by_group(rule, limit, metric, evidence, confidence)
    if rule.kind is Kind.DROP:
        pairs: Any = {"kind": evidence.kind, "blocks": evidence.blocks}
        drop = contest(metric, labels, before, after, limit.scale, evidence.seed, **pairs).drop(confidence)
        return [_drop_finding(rule, limit, drop, _decide(Kind.MAX, drop.low, drop.upper, limit.value), evidence)]
    return [_level_finding(rule, limit, evidence, metric, slice(None), confidence)]


def _by_group(rule: Rule, limit: Limit, metric: Metric, evidence: Evidence, confidence: float) -> list[Finding]:
    """One finding per value of each column, the rare ones as one; fails are corrected over all groups of the rule."""
    import numpy as np

    findings: list[Finding] = []
    groups: list[tuple[str, Any]] = []
    for column in rule.by:
        if column not in evidence.groups:
            known = ", ".join(sorted(evidence.groups)) or "none"
            reason = f"{rule.id}: the data have no group column {column!r}; they have: {known}."
            findings.append(_finding(rule, Outcome.INCONCLUSIVE, reason, group=column))
            continue
        called = merged(evidence.groups[column])
        values = np.array([called[value] for value in evidence.groups[column]], object)
        for value in sorted(set(values.tolist())):
            group, rows = f"{column}={value}", values == value
            count = judged(metric, evidence.labels[rows], _blocks(evidence, rows))
            if count >= rule.min_rows:
                groups.append((group, rows))
            else:
                reason = f"{rule.id}, {group}: has {count} {evidence.counted}, too few for the rule: needs n = {rule.min_rows}."
                findings.append(_finding(rule, Outcome.INCONCLUSIVE, reason, group=group))
    if rule.kind is not Kind.DROP:
        for group, rows in groups:
            findings.append(_level_finding(rule, limit, evidence, metric, rows, confidence, group=group, among=len(groups)))
        return findings
    contests = []
    for _, rows in groups:
        sides = (evidence.labels[rows], evidence.before[rows], evidence.after[rows])
        pairs: Any = {"kind": evidence.kind, "blocks": _blocks(evidence, rows)}
        contests.append(contest(metric, *sides, limit.scale, evidence.seed, **pairs))
    chances = holm([found.chance(limit.value) for found in contests])
    for (group, _), found, chance in zip(groups, contests, chances):
        drop = found.drop(confidence)
        holds, broken = drop.upper <= limit.value, chance <= 1 - confidence
        outcome = Outcome.PASS if holds else Outcome.FAIL if broken else Outcome.INCONCLUSIVE
        findings.append(_drop_finding(rule, limit, drop, outcome, evidence, group))
    return findings


def _blocks(evidence: Evidence, rows: Any) -> Any:
    return None if evidence.blocks is None else evidence.blocks[rows]


def _drop_finding(rule: Rule, limit: Limit, drop: Drop, outcome: Outcome, evidence: Evidence, group: str = "") -> Finding:
    name = f"{rule.id}, {group}" if group else rule.id
    if math.isnan(drop.drop):
        return _without_value(rule, name, drop.n, evidence, limit=limit.value, group=group)
    low, upper = show(drop.low, limit.text), show(drop.upper, limit.text)
    sure = f"with {100 * drop.confidence:g} % confidence"
    shows = {
        Outcome.PASS: f"at most {upper} {sure}; allowed {limit.text}",
        Outcome.FAIL: f"at least {low} {sure}; allowed {limit.text}",
        Outcome.INCONCLUSIVE: f"at most {upper} {sure}, which does not show {limit.text}{_needs(drop, limit)}",
    }
    same = evidence.metric is not None and evidence.metric.pairs == "query"
    told = same or evidence.kind not in CONTINUOUS  # any number is another one
    flips = f" ({100 * drop.flips:.2g} % flips)" if told else ""
    seen = f"a drop of {show(drop.drop, limit.text)} was seen on {drop.n} {evidence.counted}{flips}"
    unit = "share" if limit.scale is Scale.RELATIVE else "points"
    values = {"value": drop.drop, "low": drop.low, "high": drop.upper, "limit": limit.value, "unit": unit, "group": group}
    return _finding(rule, outcome, f"{name}: {seen}, {shows[outcome]}.", **values)


def _needs(drop: Drop, limit: Limit) -> str:
    """The rows that show the margin in 90 of 100 studies when there is no drop, from the width seen here."""
    width = drop.upper - drop.drop
    if limit.value == 0 or not math.isfinite(width):
        return ""
    rows = drop.n * (width / limit.value * (1 + normal(POWER) / normal(drop.confidence))) ** 2
    if rows <= drop.n:  # the rows suffice; it is the drop that is too large
        return ""
    step = 10 ** max(0, math.floor(math.log10(rows)) - 1)
    return f": needs n = {math.ceil(rows / step) * step}"


def _without_value(rule: Rule, name: str, rows: int, evidence: Evidence, **values: Any) -> Finding:
    if evidence.metric is not None and evidence.metric.pairs == "group":
        reason = f"{name}: the metric has no value on any of the {evidence.counted}, as where each has a single row."
    else:
        reason = f"{name}: the metric has no value on these {rows} {evidence.counted}, as where all of them are of one class."
    return _finding(rule, Outcome.INCONCLUSIVE, reason, **values)


def _level_finding(
    rule: Rule, limit: Limit, evidence: Evidence, metric: Metric, rows: Any, confidence: float, group: str = "", among: int = 1
) -> Finding:
    """The metric's own value against a floor or a ceiling; of several groups each fails at its share of the error (Bonferroni)."""
    name = f"{rule.id}, {group}" if group else rule.id
    labels, pairs = evidence.labels[rows], _blocks(evidence, rows)
    known: Any = {"seed": evidence.seed, "kind": evidence.kind, "blocks": pairs}
    value, low, high = level(metric, labels, evidence.after[rows], confidence, **known)
    if math.isnan(value):
        return _without_value(rule, name, len(labels), evidence, limit=limit.value, group=group)
    outcome = _decide(rule.kind, low, high, limit.value)
    if outcome is Outcome.FAIL and among > 1:
        _, strict_low, strict_high = level(metric, labels, evidence.after[rows], 1 - (1 - confidence) / among, **known)
        outcome = _decide(rule.kind, strict_low, strict_high, limit.value)
    span, count = f"{show(low, limit.text)} to {show(high, limit.text)}", judged(metric, labels, pairs)
    reason = f"{name} is {show(value, limit.text)} on {count} {evidence.counted} ({span}); {_allowed(rule)}{_open(outcome)}."
    return _finding(rule, outcome, reason, value=value, low=low, high=high, limit=limit.value, unit=metric.unit, group=group)


def _reading(rule: Rule, evidence: Evidence, confidence: float) -> Finding:
    relative = rule.limit is not None and rule.limit.scale in (Scale.BASELINE, Scale.AS_FOUND)
    reading = _multiple(rule, evidence) if relative else _get(evidence.readings, rule.quantity)
    if isinstance(reading, Missing):
        outcome = Outcome.FAIL if rule.kind is Kind.PRESENT else Outcome.INCONCLUSIVE
        limit = rule.limit.value if rule.limit else None
        return _finding(rule, outcome, f"{rule.id} is missing: {_sentence(reading)}", limit=limit)
    if rule.limit is not None and not relative and quantity(rule.quantity).unit == "¤" and not rule.limit.text.endswith(reading.unit):
        reason = f"{rule.id} is in {reading.unit}, the currency of the job, and the limit is {rule.limit.text}: write it in {reading.unit}."
        return _finding(rule, Outcome.INCONCLUSIVE, reason, value=reading.value, unit=reading.unit)
    low, high = _interval(reading, confidence, relative)
    noisy = relative and evidence.noise > 0 and quantity(rule.quantity).print in NOISY
    if noisy:
        low, high = low / (1 + evidence.noise), high * (1 + evidence.noise)
    values = {"value": reading.value, "low": low, "high": high, "unit": reading.unit, "limit": rule.limit.value if rule.limit else None}
    weak = rule.at_least is not None and not reading.how.at_least(rule.at_least)
    if rule.limit is None:
        outcome, text = Outcome.PASS, f"{rule.id} is {reading.value:.3g} {reading.unit}".rstrip() + f" ({reading.how})"
    else:
        outcome = _decide(rule.kind, low, high, rule.limit.value)
        like = rule.limit.text
        span = "" if low == high else f" ({show(low, like)} to {show(high, like)}{', noise floor included' if noisy else ''})"
        text = f"{rule.id} is {show(reading.value, like)}{span}, {reading.how}; {_allowed(rule)}{_open(outcome)}"
    if weak:
        text += f"; the rule asks for at least {rule.at_least}"
        outcome = Outcome.INCONCLUSIVE
    return _finding(rule, outcome, text + ".", **values)


def _sentence(missing: Missing) -> str:
    return missing.reason if missing.reason.endswith(".") else missing.reason + "."


def _allowed(rule: Rule) -> str:
    words = {Kind.MAX: "allowed at most", Kind.MIN: "asked at least", Kind.EQUALS: "asked exactly"}
    return f"{words[rule.kind]} {rule.limit.text if rule.limit else ''}"


def _open(outcome: Outcome) -> str:
    return ", which is inside the interval" if outcome is Outcome.INCONCLUSIVE else ""


def _get(readings: Readings, name: str) -> Reading | Missing:
    return readings.get(name, Missing(quantity=name, reason="it was not measured"))


def _multiple(rule: Rule, evidence: Evidence) -> Reading | Missing:
    """The candidate as a multiple of the baseline: from the paired ratio, else from the two readings."""
    found = rule.limit is not None and rule.limit.scale is Scale.AS_FOUND
    ratio = _get(evidence.ratios_as_found if found else evidence.ratios, rule.quantity)
    if isinstance(ratio, Reading):
        low, high = _ends(ratio)
        return replace(ratio, value=1 / ratio.value, low=1 / high, high=1 / low if low > 0 else math.inf)
    mine, base = _get(evidence.readings, rule.quantity), _get(evidence.as_found if found else evidence.baseline, rule.quantity)
    if isinstance(mine, Missing):
        return mine
    if isinstance(base, Missing):
        return replace(base, reason=f"the baseline's value is not there to compare with ({base.reason})")
    if base.value <= 0:
        return Missing(quantity=rule.quantity, reason=f"the baseline's value is {base.value:g}, so there is no multiple of it")
    how: How = base.how if mine.how.at_least(base.how) else mine.how
    (low, high), (base_low, base_high) = _ends(mine), _ends(base)
    most = high / base_low if base_low > 0 else math.inf
    return Reading(quantity=rule.quantity, value=mine.value / base.value, low=low / base_high, high=most, unit="x", how=how)


def _ends(reading: Reading) -> tuple[float, float]:
    low = reading.value if reading.low is None else reading.low
    return low, reading.value if reading.high is None else reading.high


def _interval(reading: Reading, confidence: float, relative: bool) -> tuple[float, float]:
    """The ends to judge by.

    The two-sided 95 % interval holds each end at 97.5 %, which serves any one-sided confidence up to that; above, it is widened.
    """
    low, high = _ends(reading)
    if confidence <= 0.975 or low == high:
        return low, high
    if reading.n is not None and reading.n > 1:
        wider = student(confidence, reading.n - 1) / student(0.975, reading.n - 1)
    else:
        wider = normal(confidence) / normal(0.975)
    if relative and low > 0 and math.isfinite(high):
        return reading.value * (low / reading.value) ** wider, reading.value * (high / reading.value) ** wider
    return reading.value - wider * (reading.value - low), reading.value + wider * (high - reading.value)
