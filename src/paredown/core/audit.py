"""The contract of an audit: a question about harm, asked of baseline and candidate together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from paredown.core.finding import Finding
from paredown.core.reading import Missing
from paredown.core.technique import snake


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One model as an audit sees it; what is not at hand is Missing with the reason.

    Args:
        predictions: Probabilities (N, classes) on the audited rows.
        run: Raw inputs -> probabilities.
        gradients: Raw inputs -> gradient of the answer by the feed.
        training_rows: The rows it was trained on.
    """

    predictions: Any | Missing
    run: Any | Missing
    gradients: Any | Missing
    training_rows: Any | Missing


class Audit(ABC):
    """A unit's name is its class name in snake case; `needs` names the Subject fields it reads."""

    needs: ClassVar[tuple[str, ...]]

    @classmethod
    def name(cls) -> str:
        """The name used in policies."""
        return snake(cls.__name__)

    @abstractmethod
    def look(self, baseline: Subject, candidate: Subject, labels: Any, groups: dict[str, Any]) -> tuple[Finding, ...]:
        """The findings; a Subject field that is Missing makes them inconclusive."""
