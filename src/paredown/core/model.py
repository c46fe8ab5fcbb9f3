"""The contract of a model source: where the model comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.job import ModelSpec
from paredown.core.technique import Context, snake


class ModelSource(ABC):
    """Opens one kind of `model:` entry. A unit's name is its class name in snake case.

    Args:
        forms: What its models are, or can be turned into; an engine of another form is left out. Empty where that is not known.
    """

    forms: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def name(cls) -> str:
        """The key used in job files."""
        return snake(cls.__name__)

    @abstractmethod
    def trains(self, spec: ModelSpec) -> bool:
        """True when the job trains this model itself, so that calibration and validation must be cut from train first."""

    @abstractmethod
    def digest(self, spec: ModelSpec, folder: Path) -> str:
        """Changes when the model changes: over names, arguments and weight files; opens no module.

        Raises:
            BadModel: A file it names is not there.
        """

    def labels(self, spec: ModelSpec, folder: Path) -> tuple[str, ...]:
        """The class names that the model itself carries, in its order; empty when it has none, which is the default."""
        return ()

    def refuse_other_kind(self, spec: ModelSpec, folder: Path, kind: str) -> None:  # noqa: B027 most models do not say it
        """Refuse a model that says of itself that it answers with something else than the task asks for.

        Args:
            spec, folder: As for `prepare`.
            kind: What the task's answers are.

        Raises:
            BadModel: It does; says what it is.
        """

    def outputs(self, spec: ModelSpec, folder: Path) -> int:
        """How many numbers the model answers per row; 0 where it does not say, which is the default."""
        return 0

    def width(self, spec: ModelSpec, folder: Path) -> int:
        """Numbers of a row's vector, where the model answers with vectors; 0 where it does not say. By default as `outputs`."""
        return self.outputs(spec, folder)

    def preprocess(self, spec: ModelSpec, folder: Path, work: Path) -> dict[str, Any]:
        """What the model says about its own preprocessing: options of the task's encoder, below those of the job; none by default.

        Args:
            spec, folder: As for `prepare`.
            work: Takes the files that the options name.

        Raises:
            BadModel: What it names is not there or cannot be used.
        """
        return {}

    def takes(self, spec: ModelSpec, folder: Path) -> Sequence[Mapping[str, Any]]:
        """What the model says of the arrays that it takes, in order: {"input", "numbers": numpy's name of the kind, "shape" with the axis
        of rows, whose free sizes are words}; none where it does not say, which is the default.

        Raises:
            BadModel: One of them cannot be fed.
        """
        return ()

    def limits(self, spec: ModelSpec, folder: Path, encode: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Entries of the task's declaration of raw input -> feed that the model, asked, bears in place of those; none by default. For
        tensors "decode" is the declaration of outputs -> answers, which lists what it answers with.

        Args:
            spec, folder: As for `prepare`.
            encode: The declaration.
            context: Store, limits and scratch.
        """
        return {}

    def opens(self, path: Path) -> bool:
        """True for a file or folder that is this kind of model by its looks; a command that is given a path asks."""
        return False

    @abstractmethod
    def prepare(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context
    ) -> Candidate:
        """The baseline candidate, trained if `trains` says so.

        Args:
            spec: The job's entry.
            folder: Where relative paths start.
            inputs: Feed name -> shape of one item; a free axis is named, as "tokens".
            classes: Number of classes.
            context: Data, store, seed and limits.

        Raises:
            BadModel: It cannot be opened, or its output does not fit the labels.
        """
