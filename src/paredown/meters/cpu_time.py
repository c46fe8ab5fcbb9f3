"""CPU seconds per item."""

from __future__ import annotations

from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host
from paredown.ground.host import cpu_seconds


class CpuTime(Meter):
    """User and system time of all threads of this process, per item answered; what the hypervisor gave to others is not in it.

    Args:
        children: Add the processes it started and has waited for by the end of the window.
    """

    quantities = ("cpu_time",)

    def __init__(self, children: bool = False) -> None:
        self._children = children
        self._before_s = 0.0

    def ready(self, host: Host) -> str | None:
        """Always: every system counts the CPU time of a process."""
        return None

    def start(self) -> None:
        """Read the process clock."""
        self._before_s = cpu_seconds(self._children)

    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        """The clock's difference over the window's items."""
        spent_s = cpu_seconds(self._children) - self._before_s
        if not window.items:
            return (Missing(quantity="cpu_time", reason="no inference was answered in the window"),)
        return (Reading(quantity="cpu_time", value=spent_s / window.items, how=How.MEASURED, n=window.items, covers=("cpu",)),)
