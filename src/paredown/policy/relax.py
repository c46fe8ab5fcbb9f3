"""What would have to give for a near miss to pass."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from paredown.core.finding import Finding
from paredown.core.policy import Kind, Policy, Rule
from paredown.ground.amounts import show


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """The smallest change of one rule that lets the subject pass it.

    Args:
        rule: The rule's id.
        now: The limit as written.
        needed: The smallest limit that passes, in the same unit; None where no limit helps.
        text: One line for the report.
    """

    rule: str
    now: str
    needed: str | None
    text: str


def smallest_relaxation(policy: Policy, findings: Iterable[Finding]) -> tuple[Relaxation, ...]:
    """One line per rule that blocks, the one that is furthest from its limit first; all of them have to give.

    Args:
        policy: The policy that was judged by.
        findings: Of the nearest miss.

    Returns:
        Empty when nothing blocks.
    """
    rules = {rule.id: rule for rule in policy.rules}
    worst: dict[str, tuple[float, Finding]] = {}
    for finding in findings:
        if finding.blocks:
            excess = _excess(rules[finding.rule], finding)
            if finding.rule not in worst or excess > worst[finding.rule][0]:
                worst[finding.rule] = (excess, finding)
    ordered = sorted(worst.values(), key=lambda pair: pair[0], reverse=True)
    return tuple(_relaxation(rules[finding.rule], excess, finding) for excess, finding in ordered)


def _end(rule: Rule, finding: Finding) -> float | None:
    return finding.low if rule.kind is Kind.MIN else finding.value if rule.kind is Kind.EQUALS else finding.high


def _excess(rule: Rule, finding: Finding) -> float:
    """How many times the limit is missed; infinite where no limit would do."""
    end = _end(rule, finding)
    if end is None or finding.limit is None or not math.isfinite(end):
        return math.inf
    if rule.kind is Kind.EQUALS:
        return abs(end - finding.limit) / abs(finding.limit) if finding.limit else math.inf
    above, below = (finding.limit, end) if rule.kind is Kind.MIN else (end, finding.limit)
    if above <= below:  # the limit holds; the reading's origin is what is too weak
        return math.inf
    return above / below if below > 0 else 1e300


def _relaxation(rule: Rule, excess: float, finding: Finding) -> Relaxation:
    name = f"{rule.quantity} {rule.kind}" if rule.id == rule.quantity else f"{rule.id} ({rule.quantity} {rule.kind})"
    now = rule.limit.text if rule.limit else "true"
    end = _end(rule, finding)
    if math.isinf(excess) or end is None:
        return Relaxation(rule=rule.id, now=now, needed=None, text=f"{name}: no other limit helps. {finding.reason}")
    needed = show(end, now, up=None if rule.kind is Kind.EQUALS else rule.kind is not Kind.MIN)
    return Relaxation(rule=rule.id, now=now, needed=needed, text=f"{name}: {now} -> {needed}")
