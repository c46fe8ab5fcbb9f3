"""Hours of the clock in UTC: joules are kept by the hour, so that a grid's hourly factor can be put on them later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

HOUR = "%Y-%m-%dT%H"
HOUR_S = 3600
_MOST_S = 366 * 24 * HOUR_S


def hour_shares(began_s: float, ended_s: float) -> Iterator[tuple[str, float]]:
    """Each hour that a span of time touches, and the share of the span that lies in it; the shares add up to 1.

    Args:
        began_s, ended_s: Seconds since 1970 in UTC. Where the clock stood, ran back, or on by more than a year in one piece of work, it was
            set: all of it is in the first hour.
    """
    at = began_s // HOUR_S * HOUR_S
    if not 0 < ended_s - began_s <= _MOST_S:
        yield _named(at), 1.0
        return
    while at < ended_s:
        yield _named(at), (min(at + HOUR_S, ended_s) - max(at, began_s)) / (ended_s - began_s)
        at += HOUR_S


def _named(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime(HOUR)
