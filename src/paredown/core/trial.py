"""A recipe that was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from paredown.core.reading import Missing, Reading, reading_from_json

Readings = Mapping[str, Reading | Missing]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A recipe tried: its artifact and readings, or its failure.

    Args:
        id: The ledger's number.
        recipe: Canonical text, with the thread count that was found best.
        role: "baseline" (as given), "fastest_fp32" or "candidate".
        state: "done" or "failed".
        reason: Why it failed; empty when done.
        artifact: Digest of the packed artifact.
        quality: The metric on validation.
        drop: On validation against the baseline, all shares: "drop", "upper" (its one-sided bound), "flips", "lost" and "gained" (rows that
            only the baseline or only this one has right), "distance" (mean total variation of the probabilities). Empty for the baseline.
        readings: Screening readings by quantity.
        ratios: Baseline over this, by quantity, as Reading with unit "x".
        why: One sentence: why the search tried it.
        notes: What the steps said they did.
        energy_j, wall_s: Spent on this trial.
    """

    id: int
    recipe: str
    role: str = "candidate"
    state: str = "done"
    reason: str = ""
    artifact: str = ""
    quality: float | None = None
    drop: Mapping[str, float] = field(default_factory=dict)
    readings: Readings = field(default_factory=dict)
    ratios: Readings = field(default_factory=dict)
    why: str = ""
    notes: Sequence[str] = ()
    energy_j: float = 0.0
    wall_s: float = 0.0

    def json(self) -> dict[str, Any]:
        """As written to the ledger and to result.json."""
        out = asdict(self)
        out["readings"] = {key: reading.json() for key, reading in self.readings.items()}
        out["ratios"] = {key: reading.json() for key, reading in self.ratios.items()}
        out["notes"] = list(self.notes)
        return out


def trial_from_json(data: Mapping[str, Any]) -> Trial:
    """The inverse of `json()`."""
    fields = dict(data)
    for key in ("readings", "ratios"):
        fields[key] = {name: reading_from_json(name, item) for name, item in fields[key].items()}
    fields["notes"] = tuple(fields["notes"])
    return Trial(**fields)


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What work took, a sum over its spans.

    Args:
        wall_s, cpu_s, energy_j: Sums over what was metered.
        unmetered_s: Wall time in seconds of the spans that have no energy figure: `energy_j` does not cover them.
    """

    wall_s: float
    cpu_s: float
    energy_j: float
    unmetered_s: float
