"""What a policy rule says about one subject."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """Inconclusive never counts as pass."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Level(StrEnum):
    """What a rule's failure means: must blocks, should is shown, info is only recorded."""

    MUST = "must"
    SHOULD = "should"
    INFO = "info"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One rule's answer.

    Args:
        rule: The rule's id.
        outcome: pass, fail or inconclusive.
        level: must, should or info.
        value, low, high: What was seen and its interval, in `unit`; None when missing.
        limit: What was allowed, in `unit`.
        unit: Unit of the four numbers.
        reason: One sentence with the numbers in it.
        blocks: True when this finding keeps the subject from being released.
        waived: The waiver's reason when one applies, else empty.
        group: `column=value` for a rule by group, else empty.
        refs: Clauses the rule refers to.
    """

    rule: str
    outcome: Outcome
    level: Level
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    unit: str = ""
    blocks: bool = False
    waived: str = ""
    group: str = ""
    refs: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """As written to result.json."""
        return asdict(self) | {"outcome": str(self.outcome), "level": str(self.level), "refs": list(self.refs)}


def finding_from_json(data: dict[str, Any]) -> Finding:
    """A finding as `Finding.json` wrote it; without waiver, which holds for a time only."""
    kinds = {"outcome": Outcome(data["outcome"]), "level": Level(data["level"]), "refs": tuple(data["refs"]), "waived": "", "blocks": False}
    return Finding(**data | kinds)
