"""How long to measure: how many windows of which length, in how many sittings."""

from __future__ import annotations

from dataclasses import dataclass, replace

CALLS = 24
"""Calls of one side that a measurement needs, so that the 95th percentile exists; windows of slow models grow to hold them."""

_OPENING_SHARE, _FEWEST = 3, 5
"""Starting the processes anew may take a third of the windows' time; but fewer than five sittings say nothing about what differs."""

_LEAST_ROUNDS = 10
"""Rounds that are kept where single calls are longer than a window."""

LEAST_SITTINGS = 2
"""Sittings that are left where the time is short: the intervals of two are very wide, and say so."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long to measure.

    Args:
        rounds: Windows per side.
        window_s: Wall seconds of one window. Short ones side by side cancel what drifts within seconds.
        warm_s: Wall seconds of one warm-up window; they go on until they are steady, for a quarter of the side's windows at most.
        sittings: Times that all processes are started, each for its share of the rounds; fewer where starting them takes long.
        rate: Requests per second that arrive at random; None asks one call after the other.
        idle_s: Wall seconds at rest before and after, where the machine has energy counters; with 0 energy stays estimated.
    """

    rounds: int
    window_s: float
    warm_s: float = 0.05
    sittings: int = 1
    rate: float | None = None
    idle_s: float = 0.0

    def enough_s(self, least_s: float) -> float:
        """Wall seconds per side that enough windows of `least_s` would take; 0 where the plan has them."""
        needed_s = _LEAST_ROUNDS * least_s
        return needed_s if needed_s > self.rounds * self.window_s else 0.0

    def fitted(self, call_s: float, opening_s: float = 0.0, least_s: float = 0.0) -> Plan:
        """The plan for slow calls and processes that start slowly: windows hold a call and all of a side's together `CALLS`.

        Args:
            call_s: Wall seconds of one call of the slowest side.
            opening_s: Wall seconds of starting one process, on average over the sides.
            least_s: Wall seconds of the shortest window that the counters can tell; passed over where it would leave too few windows.
        """
        total_s = self.rounds * self.window_s
        if self.enough_s(least_s):
            least_s = 0.0
        if self.rate is not None:
            call_s = 0.0  # a window of requests is as long as enough of them take to arrive
        rounds = min(self.rounds, max(_LEAST_ROUNDS, int(total_s / max(self.window_s, call_s, least_s))))
        most = max(_FEWEST, int(total_s / (_OPENING_SHARE * opening_s))) if opening_s else self.sittings
        window_s = max(self.window_s, least_s, total_s / rounds if rounds < self.rounds else 0.0, call_s * CALLS / rounds)
        return replace(self, rounds=rounds, window_s=window_s, sittings=max(1, min(self.sittings, most, rounds // 2)))

    def takes_s(self, sitting_s: float, sides: int) -> float:
        """Wall seconds of the whole measurement.

        Args:
            sitting_s: Of one sitting before its first window: starting all processes and warming them up.
            sides: How many are measured.
        """
        return self.sittings * sitting_s + self.rounds * sides * self.window_s

    def within(self, wall_s: float, sitting_s: float, sides: int) -> Plan | None:
        """The plan with fewer sittings and rounds, so that it ends within a time; None where the least that says anything does not.

        Args:
            wall_s: Wall seconds that it may take.
            sitting_s, sides: As in `takes_s`.
        """
        if self.takes_s(sitting_s, sides) <= wall_s:
            return self
        least, fewest = min(self.sittings, LEAST_SITTINGS), min(self.rounds, _LEAST_ROUNDS)
        most = self.sittings if self.sittings * sitting_s <= wall_s / 2 else int(wall_s / 2 / sitting_s)
        for sittings in (max(least, min(self.sittings, most)), least):
            rounds = min(self.rounds, int((wall_s - sittings * sitting_s) / (sides * self.window_s)))
            if rounds >= fewest:
                return replace(self, rounds=rounds, sittings=sittings)
        return None

    def least_s(self, sitting_s: float, sides: int) -> float:
        """Wall seconds of the shortest plan that `within` gives."""
        least = replace(self, rounds=min(self.rounds, _LEAST_ROUNDS), sittings=min(self.sittings, LEAST_SITTINGS))
        return least.takes_s(sitting_s, sides)


SCREENING = Plan(rounds=20, window_s=0.1)
"""Enough to compare candidates, never enough for a must-rule."""

SWEEP = Plan(rounds=3, window_s=0.1)
"""Enough to choose a thread count."""
