"""The contract of a kind of answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np


class Kind(ABC):
    """What one row of answers means. Whoever handles answers asks the kind, never the task's name.

    Answers are arrays (N, outputs), float64, as `decode.make_decoder` gives them, or (N, outputs, *size) where a row is answered place by
    place; targets are what the kind's `targets` says. What a module gives before decoding is (N, numbers) for all kinds.

    `graph_outputs` are the names that a graph's output has, which say what it holds: first what a module that learns answers with. What
    training minimizes for each kind stands in `training.losses`.
    """

    name: ClassVar[str]
    graph_outputs: ClassVar[tuple[str, ...]]
    named: ClassVar[str]
    """What is named by the names of a model's outputs, in messages: "classes"."""
    metrics: ClassVar[tuple[str, ...]]
    """The usual metrics, the first of them where nobody says which."""
    by_place: ClassVar[bool] = False
    """Whether a row has a class at each of many places, see `places`."""
    unsure: ClassVar[str] = ""
    """Why answers do not say how sure a model is, where they do not."""

    @abstractmethod
    def decoder(self, names: Sequence[str], size: Sequence[int] = ()) -> dict[str, Any]:
        """The declaration of outputs -> answers, for a model with one output for each name.

        Args:
            names: Of the outputs.
            size: Places of a row, where each has an answer of its own: words, or height and width.
        """

    def bound(self, decode: Mapping[str, Any]) -> Kind:
        """The kind for what a declaration lists; the same for most."""
        return self

    def targets(self, words: Sequence[str], column: str, names: Sequence[str] = ()) -> tuple[Any, tuple[str, ...]]:
        """Targets of the different words that stand in a data set's column of labels, and the names of the outputs.

        Of classes nobody asks it: their names are matched with the model's, see `study.classes`.

        Args:
            words: Each once.
            column: What the column is called.
            names: The names of the outputs in the model's order where these are known.

        Returns:
            An array whose row at k is the target of words[k].

        Raises:
            BadData: A word is none of this kind.
        """
        raise NotImplementedError

    def shared(self, targets: Any) -> Any:
        """True (N,) for rows that may stand in several splits, as the documents among which queries are asked; None where there are none.

        Args:
            targets: Of each word, as `targets` gives them.
        """
        return None

    def goals(self, targets: Any, decode: Mapping[str, Any]) -> Any:
        """What a module learns to answer with: targets as its output has them, before decoding."""
        return targets

    def undecoded(self, answers: Any, decode: Mapping[str, Any]) -> Any:
        """Answers (N, outputs) as a module gives them before decoding, float32."""
        return self.goals(answers, decode)

    @abstractmethod
    def changed(self, before: Any, after: Any) -> np.ndarray:
        """True (N,) for rows whose answer is another one."""

    @abstractmethod
    def moved(self, targets: Any, before: Any, after: Any) -> dict[str, float]:
        """How far answers have moved: "distance" from 0, the same, to 1, as far as can be; where one answer is right also the shares of
        rows "lost" and "gained", which were right, or became it."""

    def sureness(self, answers: Any) -> np.ndarray | None:
        """How sure a model is of each row (N,), 0 to 1; None where answers of this kind do not say it."""
        return None

    @abstractmethod
    def credit(self, targets: Any, answers: Any) -> np.ndarray:
        """How near each answer is to what is right (N,), from 0, as far as can be, to 1."""

    @abstractmethod
    def as_targets(self, answers: Any) -> Any:
        """Answers in the form of targets, so that others can be held against them."""

    @abstractmethod
    def said(self, targets: Any, answers: Any, names: Sequence[str]) -> list[str]:
        """One phrase for each row on what is right and what the model says, for messages."""

    def blind(self, targets: Any) -> str:
        """In words, what a model says that looks at nothing."""
        return "always giving one answer"
