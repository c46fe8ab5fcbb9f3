"""What builder and protocol need of a study's memory; `study.ledger` is one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol


class Recorded(Protocol):
    """One recorded fact."""

    @property
    def id(self) -> int:
        """Its number, rising."""

    @property
    def value(self) -> Any:
        """Plain data."""


class Booking(Protocol):
    """One span of work while it runs."""

    def beat(self, wall_s: float | None = None, cpu_s: float | None = None, energy_j: float | None = None) -> None:
        """Say what was spent so far, so that a killed run can be booked."""

    def finish(self, value: Any, wall_s: float | None = None, cpu_s: float | None = None, energy_j: float | None = None) -> Recorded:
        """Write the fact and close the span in one step."""


class Recorder(Protocol):
    """Facts that are never made twice, and what they cost."""

    def find(self, kind: str, key: str) -> Recorded | None:
        """The fact, or None when it is not known yet."""

    def span(self, kind: str, key: str) -> AbstractContextManager[Booking]:
        """Begin work on a fact."""
