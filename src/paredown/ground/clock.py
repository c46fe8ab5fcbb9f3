"""UTC that nobody sets while it is used: read once, and from then on carried by the clock that only runs on."""

from __future__ import annotations

import time

STEP_S = 2.0
"""What moves a clock by more than this at once is no correction."""

_SLEW = 1e-3  # twice what the kernel lets a time server speed up or slow down a clock


def steady_s() -> float:
    """Seconds of the clock that all processes of this machine share and nobody sets; on Linux it runs while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class SteadyClock:
    """UTC at the moment of its making, and what has passed since then."""

    def __init__(self) -> None:
        self.began_s, self.began_steady_s, self._awake_s = time.time(), steady_s(), time.monotonic()

    def passed_s(self) -> float:
        """Seconds since its making."""
        return steady_s() - self.began_steady_s

    def utc_s(self) -> float:
        """Seconds since 1970."""
        return self.began_s + self.passed_s()

    def set_s(self) -> float:
        """By how many seconds the machine's clock was set since; 0 where it differs by no more than a time server's slow corrections."""
        passed_s = self.passed_s()
        moved_s = time.time() - self.began_s - passed_s
        return moved_s if abs(moved_s) > max(STEP_S, _SLEW * passed_s) else 0.0

    def slept_s(self) -> float:
        """For how many seconds the machine slept since, where the system tells; wall time as programs measure it stands still meanwhile."""
        slept_s = self.passed_s() - (time.monotonic() - self._awake_s)
        return slept_s if slept_s > STEP_S else 0.0
