"""Largest resident memory of the serving process."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host


class Memory(Meter):
    """The most memory this process ever had resident, from its first instruction to the end of the window.

    Linux's VmHWM belongs to the program that runs. `ru_maxrss`, the fallback, is kept across exec: a light process that a heavy one started
    would show the heavy one's peak.

    Args:
        root: Folder that holds `proc`.
    """

    quantities = ("peak_rss",)

    def __init__(self, root: Path = Path("/")) -> None:
        self._status = root / "proc/self/status"

    def ready(self, host: Host) -> str | None:
        """None where the system keeps the peak."""
        if host.system in ("linux", "darwin"):
            return None
        return f"{host.system} keeps no resident peak that can be read here; peak_rss stays missing."

    def start(self) -> None:
        """Nothing to read: the kernel keeps the peak."""

    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        """The peak so far in bytes."""
        try:
            found = re.search(r"^VmHWM:\s+(\d+) kB$", self._status.read_text(), re.MULTILINE)
        except OSError:
            found = None
        if found:
            return (Reading(quantity="peak_rss", value=int(found[1]) * 1024, how=How.MEASURED, covers=("memory",)),)
        try:
            import resource
        except ImportError:
            return (Missing(quantity="peak_rss", reason="this system keeps no resident peak"),)
        unit_b = 1 if sys.platform == "darwin" else 1024
        peak_b = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_b
        return (Reading(quantity="peak_rss", value=peak_b, how=How.MEASURED, covers=("memory",)),)
