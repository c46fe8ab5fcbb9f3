"""The energy of booked work by hour of the clock, so that its carbon can be worked out again with another grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from paredown.study.ledger import SpanEntry

HOUR = "%Y-%m-%dT%H"
_HOUR_S = 3600.0


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
            for hour, share in _shares(datetime.fromisoformat(span.started), datetime.fromisoformat(span.ended)):
                hours[hour] = hours.get(hour, 0.0) + share * energy_j
    return dict(sorted(hours.items()))


def _shares(began: datetime, ended: datetime) -> Iterator[tuple[str, float]]:
    """Each hour that a piece of work touched and its share there; all of it in the first where the clock stood or ran back."""
    whole_s = (ended - began).total_seconds()
    hour = began.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if whole_s <= 0:
        yield hour.strftime(HOUR), 1.0
        return
    while hour < ended:
        until = hour + timedelta(seconds=_HOUR_S)
        yield hour.strftime(HOUR), (min(until, ended) - max(hour, began)).total_seconds() / whole_s
        hour = until
