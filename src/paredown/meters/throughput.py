"""Items answered per second of wall time."""

from __future__ import annotations

from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host


class Throughput(Meter):
    """The window's items over its wall time; calls follow each other without a pause."""

    quantities = ("throughput",)

    def ready(self, host: Host) -> str | None:
        """Always: items and wall time come with the window."""
        return None

    def start(self) -> None:
        """Nothing to read."""

    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        """Items per second."""
        if window.wall_s <= 0:
            return (Missing(quantity="throughput", reason=f"the window lasted {window.wall_s:g} s"),)
        return (Reading(quantity="throughput", value=window.items / window.wall_s, how=How.MEASURED, n=window.items),)
