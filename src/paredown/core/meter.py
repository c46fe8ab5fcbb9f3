"""The contracts of `meters`: an instrument around a window of work, and a fact about an artifact."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paredown.core.reading import Missing, Reading
from paredown.core.runtime import Host
from paredown.core.technique import snake


@dataclass(frozen=True, kw_only=True)
class Window:
    """What happened between a meter's start and stop.

    Args:
        wall_s: Wall time in seconds.
        items: Inferences answered; readings are per item.
        laps_s: Wall time of each call in seconds, in order.
    """

    wall_s: float
    items: int
    laps_s: Sequence[float] = ()


class Meter(ABC):
    """An instrument. A unit's name is its class name in snake case. Counters are read at the edges of a window, not in between.

    `waits` is true where `stop` may wait for the instrument; such a meter is started first and stopped last. `least_s` is the
    shortest window in seconds that the instrument can tell from its neighbors, known once `ready` was asked.
    """

    quantities: Sequence[str]
    waits: bool = False
    least_s: float = 0.0

    @classmethod
    def name(cls) -> str:
        """The name shown in reports."""
        return snake(cls.__name__)

    @abstractmethod
    def ready(self, host: Host) -> str | None:
        """None when the instrument works here, else the reason and the way out."""

    def found(self) -> Sequence[str] | None:
        """The instruments of this machine that it reads, by name; None where it needs none."""
        return None

    def wanted(self) -> bool:
        """True where the user names the instrument or this machine has it, so that its failure is told wherever its number would stand."""
        return bool(self.found())

    @abstractmethod
    def start(self) -> None:
        """Begin a window."""

    @abstractmethod
    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        """End the window; one Reading or Missing for each of `quantities`."""


class Fact(ABC):
    """What an artifact's files say without running it. A unit's name is its class name in snake case."""

    quantities: Sequence[str]

    @classmethod
    def name(cls) -> str:
        """The name shown in reports."""
        return snake(cls.__name__)

    @abstractmethod
    def facts(self, artifact: Path) -> tuple[Reading | Missing, ...]:
        """One Reading or Missing for each of `quantities`, from a packed artifact's folder."""
