"""The contract of `exports`: records of energy in another format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from paredown.core.record import EnergyRecord
from paredown.core.technique import snake


class Export(ABC):
    """One format. A unit's name is its class name in snake case. All formats are text, made from records alone."""

    suffix: str
    """How the file's name ends, as ".csv"."""

    @classmethod
    def name(cls) -> str:
        """The name that `--format` takes."""
        return snake(cls.__name__)

    @abstractmethod
    def text(self, records: Sequence[EnergyRecord]) -> str:
        """The whole file, ending in a line end; a reading that is Missing never becomes a 0 and is told with its reason.

        Args:
            records: One or more.
        """
