"""What a server takes at a load: latency with the queue in it, energy with the idle share, and where the load is too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paredown.core.reading import Missing, Reading, weakest
from paredown.protocol.bench import Windows
from paredown.protocol.readings import of_windows


@dataclass(frozen=True, kw_only=True)
class Load:
    """One side at one rate of requests.

    Args:
        rate: Requests per second that arrive.
        readings: Per request, by quantity; latencies are Missing where the queue grows without end.
        most: Requests per second that one process answers at most: those answered over the seconds spent on them.
        overloaded: True when what arrived needed more time than there was.
    """

    rate: float
    readings: Mapping[str, Reading | Missing]
    most: float
    overloaded: bool

    def energy_with_idle(self) -> Reading | Missing:
        """Energy of a request above idle, and its share of what the reserved CPUs draw while they wait."""
        above, idle = self.readings.get("energy"), self.readings.get("idle_energy")
        for item in (above, idle):
            if not isinstance(item, Reading):
                return item or Missing(quantity="energy", reason="not measured")
        assert isinstance(above, Reading)
        assert isinstance(idle, Reading)
        ends = [None if None in pair else sum(pair) for pair in ((above.low, idle.low), (above.high, idle.high))]  # type: ignore[arg-type]
        return Reading(
            quantity="energy",
            value=above.value + idle.value,
            low=ends[0],
            high=ends[1],
            how=weakest((above.how, idle.how)),
            n=above.n,
            covers=above.covers,
            source="above idle, and the idle share of the reserved vCPUs",
        )

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "rate": self.rate,
            "readings": {name: item.json() for name, item in self.readings.items()},
            "energy_with_idle": self.energy_with_idle().json(),
            "most": self.most,
            "overloaded": self.overloaded,
        }


def load_of(windows: Windows, side: str, rate: float) -> Load:
    """What windows of the scenario `server` say about one side.

    Args:
        windows: Measured with a plan that has this rate.
        side: Its name.
        rate: Requests per second.
    """
    taken = [window for window in windows.raw if window["side"] == side]
    busy_s, answered = sum(window["busy_s"] for window in taken), sum(window["items"] for window in taken)
    most = answered / busy_s if busy_s else 0.0
    waited = any(window["items"] < window["arrived"] for window in taken)
    overloaded = waited or busy_s >= sum(window["seconds"] for window in taken)
    readings = of_windows(windows, side)
    if overloaded:
        reason = f"{rate:.3g} requests arrive in a second and at most {most:.2g} are answered, so that the queue grows without end"
        late = [name for name in readings if name.startswith("latency_")]
        readings |= {name: Missing(quantity=name, reason=reason) for name in late}
    return Load(rate=rate, readings=readings, most=most, overloaded=overloaded)
