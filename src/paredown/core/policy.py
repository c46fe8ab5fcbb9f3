"""What a model must keep to: rules with limits, and what to minimize among all that pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from paredown.core.finding import Level
from paredown.core.reading import How


class Kind(StrEnum):
    """What a rule asks of its quantity."""

    DROP = "drop"
    MAX = "max"
    MIN = "min"
    EQUALS = "equals"
    PRESENT = "present"


class Scale(StrEnum):
    """What a limit's number is counted in."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"
    POINTS = "points"
    BASELINE = "baseline"
    AS_FOUND = "baseline_as_found"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit.

    Args:
        value: In the quantity's SI unit; a share for RELATIVE (0.01 is 1 %) and POINTS (0.01 is 1 percentage point); a factor for
            BASELINE (x the baseline at its best thread count) and AS_FOUND (x the baseline at the user's defaults).
        scale: What the value is counted in.
        text: As the user wrote it.
    """

    value: float
    scale: Scale
    text: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One demand.

    Args:
        id: The quantity's name unless the file says `id:`.
        quantity: A name of quantities.csv.
        kind: drop, max, min, equals or present.
        limit: None for PRESENT.
        level: must, should or info.
        by: Group columns; empty for all rows together.
        min_rows: A group below this is inconclusive.
        at_least: The weakest origin of a reading that may pass; a weaker one is inconclusive.
        refs: Clauses of standards.
        where: `file:line`.
    """

    id: str
    quantity: str
    kind: Kind
    limit: Limit | None
    level: Level = Level.MUST
    by: Sequence[str] = ()
    min_rows: int = 0
    at_least: How | None = None
    refs: Sequence[str] = ()
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A rule set aside until a day, with who and why; shown in every report."""

    rule: str
    until: date
    reason: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Rules, and what to minimize among the candidates that pass.

    Args:
        name: File name or built-in name.
        minimize: A quantity; ties go to size, then latency_p95.
        confidence: Of the one-sided bounds, 0.95 by default.
        rules: In the order of the file, inherited ones first.
        waivers: In the order of the file.
    """

    name: str
    minimize: str = "energy"
    confidence: float = 0.95
    rules: Sequence[Rule] = ()
    waivers: Sequence[Waiver] = ()

    @property
    def drop(self) -> Rule | None:
        """The must-rule on the quality of all rows together, or None."""
        found = [
            rule
            for rule in self.rules
            if rule.quantity == "quality" and rule.kind == Kind.DROP and not rule.by and rule.level == Level.MUST
        ]
        return min(found, key=lambda rule: rule.limit.value if rule.limit else 0.0) if found else None

    @property
    def margin(self) -> Limit | None:
        """How far the quality of all rows together may drop: the limit of `drop`."""
        return self.drop.limit if self.drop is not None else None
