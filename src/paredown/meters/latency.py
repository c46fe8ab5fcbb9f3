"""Wall time to an answer: how long half, 95 and 99 of 100 inferences take at most."""

from __future__ import annotations

from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host

# percent -> laps below which the percentile would only be the slowest lap
_LEAST = {50: 1, 95: 20, 99: 100}


class Latency(Meter):
    """Percentiles of the window's laps by nearest rank: the shortest lap that p of 100 laps do not exceed. No interpolation.

    Every item of a call is answered when the call is, so with batches a lap is the latency of each of its items.
    """

    quantities = ("latency_p50", "latency_p95", "latency_p99")

    def ready(self, host: Host) -> str | None:
        """Always: the laps come with the window."""
        return None

    def start(self) -> None:
        """Nothing to read."""

    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        """The percentiles of `window.laps_s`; Missing below 1, 20 and 100 laps."""
        laps_s = sorted(window.laps_s)
        return tuple(_percentile(laps_s, percent) for percent in _LEAST)


def _percentile(laps_s: list[float], percent: int) -> Reading | Missing:
    """One percentile of sorted laps."""
    quantity, n = f"latency_p{percent}", len(laps_s)
    if n < _LEAST[percent]:
        return Missing(quantity=quantity, reason=f"{n} calls in the window; {_LEAST[percent]} are needed")
    rank = -(-percent * n // 100)
    return Reading(quantity=quantity, value=laps_s[rank - 1], how=How.MEASURED, n=n)
