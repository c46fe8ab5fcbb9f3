"""The energy of booked work by hour of the clock, so that its carbon can be worked out again with another grid."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from paredown.ground.hours import hour_shares
from paredown.study.ledger import SpanEntry


def hourly_j(spans: Iterable[SpanEntry], idle_w: float) -> dict[str, float]:
    """Joules by UTC hour.

    What a span booked is spread evenly from its begin to its end. Work that draws power is booked by spans that hold no others and take
    seconds to minutes, at most a job's limit for one trial; a span around them books next to nothing of its own. So an hour can be wrong
    only by how uneven one such piece is across a full hour, which is less than a grid's factor moves within it. A table of joules per
    heartbeat would be finer and would be one more thing for the ledger to keep whole.

    Args:
        spans: Closed work, lost and failed work included; what is still running is left out.
        idle_w: Watts that the machine's reserved CPUs draw anyway; they count for each span's own share of the wall time.

    Returns:
        "2026-11-24T21" -> joules above idle and of idle together, oldest first; the sum over all hours is the sum over all spans.
    """
    hours: dict[str, float] = {}
    for span in spans:
        energy_j = (span.energy_j or 0.0) + idle_w * span.wall_s
        if span.ended is not None and energy_j > 0:
            for hour, share in hour_shares(_utc_s(span.started), _utc_s(span.ended)):
                hours[hour] = hours.get(hour, 0.0) + share * energy_j
    return dict(sorted(hours.items()))


def began(spans: Iterable[SpanEntry]) -> str | None:
    """UTC time at which the first of them began; None without any."""
    return min((span.started for span in spans), key=_utc_s, default=None)


def _utc_s(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
