"""Energy per item by a model of the CPU, where no counter can be read."""

from __future__ import annotations

from dataclasses import replace

from paredown.core.meter import Meter, Window
from paredown.core.reading import Missing, Reading
from paredown.core.runtime import Host
from paredown.ground.host import cpu_seconds, host
from paredown.impact.energy import Curve, active_energy, cpu_curve


class EnergyModel(Meter):
    """CPU seconds times the published watts of a vCPU above idle: an estimate, with the interval it deserves.

    Args:
        curve: Of the CPU; None is this machine's.
        children: Add the processes it started and has waited for by the end of the window.
    """

    quantities = ("energy",)

    def __init__(self, curve: Curve | None = None, children: bool = False) -> None:
        self._curve = curve or cpu_curve(host())
        self._children = children
        self._before_s = 0.0

    def ready(self, host: Host) -> str | None:
        """Always: an unknown CPU only has a wider interval."""
        return None

    def start(self) -> None:
        """Read the process clock."""
        self._before_s = cpu_seconds(self._children)

    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        """The estimate for one item."""
        spent_s = cpu_seconds(self._children) - self._before_s
        if not window.items:
            return (Missing(quantity="energy", reason="no inference was answered in the window"),)
        return (replace(active_energy(self._curve, spent_s / window.items), n=window.items),)
