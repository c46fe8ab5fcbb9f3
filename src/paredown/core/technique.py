"""The contract of a technique: one way to make a model cheaper."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol

from paredown.core.candidate import Candidate
from paredown.core.errors import BadKnob, Unfit
from paredown.core.knob import check_knobs, knobs
from paredown.core.rows import Rows


class Stage(IntEnum):
    """Where a technique may stand in a recipe; a later stage never comes before an earlier one, but see `repeats`."""

    TRANSFER = 1
    ARCHITECTURE = 2
    DEPTH = 3
    WIDTH = 4
    RANK = 5
    RECOVER = 6
    TABLES = 7
    QUANTIZE = 8
    COMPOSE = 9

    @property
    def repeats(self) -> bool:
        """True for the stages that may come again after RECOVER."""
        return self in (Stage.DEPTH, Stage.WIDTH, Stage.RANK, Stage.RECOVER)

    @property
    def on_graph(self) -> bool:
        """True for the stages that work on a lowered graph, not on tensors."""
        return self >= Stage.TABLES


class DataNeed(StrEnum):
    """What data a technique needs, least first."""

    NONE = "none"
    CALIBRATION = "calibration"
    TRAINING = "training"


class Store(Protocol):
    """Folders by digest; see `ground.store`."""

    def put(self, folder: Path) -> str:
        """Move a finished folder in; returns the digest over its files' names and contents."""

    def folder(self, digest: str) -> Path:
        """The stored folder; its files must not be changed."""

    def has(self, digest: str) -> bool:
        """True when that digest is stored whole."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a technique gets besides the candidate.

    Args:
        data: Split name -> rows ("train", "calibration", "unlabeled"), each loaded on first call; a split that the job lacks is absent.
        encode: Raw inputs -> feed (input name -> float32 array), as packed into the artifact.
        decode: The declaration of outputs -> answers, whose kind says what training minimizes.
        teacher: The baseline model.
        ask: The baseline's answers to a feed before decoding (N, outputs): logits, or numbers; a black box answers like any other.
        store: Where candidates live.
        seed: Root of all random streams; the same seed and knobs give the same digest.
        threads: CPU threads the work may use.
        work: An empty folder for scratch files, removed afterwards.
        progress: Called with (done, total) while working; keep the calls below ten a second.
        answers: Split name -> file in which the teacher's answers to its rows can stay; empty where nothing is kept.
        time: The axis of the feed, from 0 for the batch, that is time, along which a sound may be moved a little; None for all else.
    """

    data: Mapping[str, Callable[[], Rows]]
    encode: Callable[[Any], dict[str, Any]]
    decode: Mapping[str, Any]
    teacher: Candidate
    ask: Callable[[Mapping[str, Any]], Any]
    store: Store
    seed: int
    threads: int
    work: Path
    progress: Callable[[int, int], None] = lambda done, total: None
    answers: Mapping[str, Path] = field(default_factory=dict)
    time: int | None = None

    def rows(self, split: str) -> Rows:
        """The rows of one split.

        Raises:
            Unfit: The job has no such split.
        """
        if split not in self.data:
            raise Unfit(f"the job has no {split} data.")
        return self.data[split]()


@dataclass(frozen=True, kw_only=True)
class Level:
    """One option for one unit of the model, with its predicted cost in loss; the search makes plans of these."""

    unit: str
    choice: str
    loss: float


def snake(name: str) -> str:
    """`PruneChannels` -> `prune_channels`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


@dataclass(frozen=True, kw_only=True)
class Technique(ABC):
    """One way to make a model cheaper: a frozen dataclass whose fields are its knobs.

    A unit's name is its class name in snake case. `form` is that of the models it works on, where its stage does not say it. `ladder`
    lists the settings that the cheap-first search tries, mildest first; an empty mapping means the defaults.
    """

    stage: ClassVar[Stage]
    form: ClassVar[str] = ""
    data: ClassVar[DataNeed]
    source: ClassVar[str]
    departs: ClassVar[str] = ""
    use_when: ClassVar[str]
    avoid_when: ClassVar[str]
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({},)

    def __post_init__(self) -> None:
        check_knobs(self, type(self).name())

    @classmethod
    def name(cls) -> str:
        """The name used in recipes."""
        return snake(cls.__name__)

    def text(self) -> str:
        """The step as written in a recipe; knobs at their defaults are left out."""
        return step_text(self.name(), {key: getattr(self, key) for key, knob in knobs(self).items() if getattr(self, key) != knob.default})

    def fits(self, candidate: Candidate) -> str | None:
        """None when the technique can be applied to this candidate, else the reason why not."""
        form = self.form or ("onnx" if self.stage.on_graph else "torch")
        return None if candidate.form == form else f"{self.name()} works on a model in {form} form; this one is in {candidate.form} form."

    def passes(self, rows: int) -> int:
        """How many times it trains on each of so many training rows; 0 for a technique that does not train.

        One that does has the knobs `epochs`, its passes, and `rows`, what it takes at most: with these the search makes it fit a budget.
        """
        return 0

    @abstractmethod
    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """The cheaper model; the one given is never changed.

        Raises:
            Unfit: It turned out not to apply; says why.
        """


@dataclass(frozen=True, kw_only=True)
class Composition(Technique):
    """A technique that joins finished recipes into one program; stage COMPOSE."""

    stage: ClassVar[Stage] = Stage.COMPOSE
    data: ClassVar[DataNeed] = DataNeed.NONE

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Never: a composition has more than one input."""
        raise Unfit(f"{self.name()} joins recipes; write {self.name()}(A @ ..., B @ ..., ...).")

    @abstractmethod
    def program(self) -> dict[str, Any]:
        """The program's declaration for artifact.json: {"kind": ..., knobs}."""

    @abstractmethod
    def settings(self, first: Any, second: Any, targets: Any, kind: Any) -> list[dict[str, Any]]:
        """Knob settings worth trying, from stored outputs on the validation split.

        Args:
            first: Answers (N, outputs) of the cheaper model.
            second: Answers (N, outputs) of the dearer model.
            targets: What is right of each row.
            kind: What the answers are, see `kinds.kind`.

        Returns:
            Knob mappings, best first; empty when the composition does not pay.
        """


ENOUGH = 100_000
"""Training rows that a technique takes where nobody says how many, of a split that has more."""


def usual_passes(steps: int, rows: int, batch: int) -> int:
    """Passes over the training rows that make about so many steps, and at least one for 120 of them."""
    return max(round(steps / 120), round(steps / max(1, rows // batch)))


def step_text(name: str, values: Mapping[str, Any]) -> str:
    """`name(key=value, ...)` with values as in YAML: true, false, numbers, quoted words."""
    return f"{name}({', '.join(f'{key}={value_text(value)}' for key, value in values.items())})"


def value_text(value: Any) -> str:
    """A knob's value as written in a recipe."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if '"' in value or "\n" in value or "\\" in value:
            raise BadKnob(f"{value!r} holds a quote, a backslash or a line break; a recipe cannot write that.")
        return f'"{value}"'
    return repr(value)
