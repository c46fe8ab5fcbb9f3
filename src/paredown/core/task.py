"""The contracts of a task and a metric, both free of any training framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from paredown.core.rows import Rows
from paredown.core.technique import snake


class Task(ABC):
    """What goes in and what comes out. A unit's name is its class name in kebab case.

    `encoder` and `decoder` return plain data that is packed into the artifact; `encoders.feed` and `kinds.decode` turn them into functions.
    `raw` is what goes in: "text", "table", "image", "audio", "array" or "series"; `kind` what comes out, see `kinds.known`. `recalls` is
    True where an answer rests on what train says of the same user or item, so that theirs are never kept apart from it.
    """

    unit: ClassVar[str] = "inference"
    raw: ClassVar[str]
    kind: ClassVar[str] = "class"
    recalls: ClassVar[bool] = False

    @classmethod
    def name(cls) -> str:
        """The name used in job files."""
        return snake(cls.__name__).replace("_", "-")

    @abstractmethod
    def check(self, rows: Rows) -> None:
        """Refuse rows that this task cannot take.

        Raises:
            BadData: Says which rows, what was found and what is allowed.
        """

    def sized(self, targets: Any, rows: Rows, options: Mapping[str, Any]) -> Any:
        """Targets as large as a model sees the rows, where they have a size; the same for most.

        Args:
            targets: As the kind made them of the words in a data set's column of labels.
            rows: Some of the rows.
            options: The job's `preprocess` entries.

        Raises:
            BadData: A target does not fit the rows.
        """
        return targets

    def refuse_misfits(self, rows: Rows) -> None:  # noqa: B027 where each row has one answer, each target fits its row
        """Refuse rows whose targets do not fit their inputs, as tags that are more than there are words.

        Args:
            rows: With targets in the form that `Metric` says for the kind.

        Raises:
            BadData: Says the first row, and both.
        """

    @abstractmethod
    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """The declaration of raw input -> feed, fitted on the training rows where it has statistics.

        Args:
            train: Rows of train, or of calibration when the job has no train.
            options: The job's `preprocess` entries.
        """

    def left_out(self, encoder: Mapping[str, Any], train: Rows) -> list[str]:
        """What of these rows the declaration does not tell apart, or not hold at all, one sentence each; nothing unless said otherwise."""
        return []

    def rare(self, encoder: Mapping[str, Any]) -> str:
        """What the declaration holds that few rows share, with the way out: refused until somebody says that it may ship."""
        return ""

    def ships(self, encoder: Mapping[str, Any]) -> list[str]:
        """What the declaration holds of the rows that it was fitted on, one phrase each; it ships with every artifact."""
        return []

    @abstractmethod
    def decoder(self, names: tuple[str, ...], encoder: Mapping[str, Any]) -> dict[str, Any]:
        """The declaration of outputs -> answers.

        Args:
            names: Of the outputs.
            encoder: The declaration of raw input -> feed, which says how many places a row has, where each has an answer of its own.
        """

    def naive(self, rows: Rows) -> Any:
        """What somebody without a model would answer, where the field holds models against it; None unless said otherwise."""
        return None

    @abstractmethod
    def probe(self, encoder: Mapping[str, Any], seed: int) -> Any:
        """A few synthetic raw inputs of the right shape, for checking an artifact; holds no user data."""


KINDS = ("class", "labels", "numbers", "tokens", "spans", "map", "tensors", "vector")
"""Kinds of answers, as `Metric` says what each looks like."""
CONTINUOUS = ("numbers", "tensors", "vector")
"""Those of which two answers differ in nearly all rows, by however little."""


OWN = "1"
"""The unit of a number that has none but that of the data, as an error of a regression; it is not written."""


class Metric(ABC):
    """How good the answers are.

    `targets` is what is right, `answers` what the model says, one row per item; the kind of answers says what a row is:

    - class: one of several classes. `targets` class indices (N,) int64, `answers` probabilities (N, classes).
    - labels: any number of labels. `targets` (N, labels) float64, 0 or 1; `answers` (N, labels), each a probability by itself. A label is
      answered where it is 0.5 or more.
    - numbers: `targets` and `answers` (N, columns) float64.
    - tokens: one of several classes for each word. `targets` class indices (N, words) int64, -1 where a row has no such word; `answers`
      (N, classes, words), all 0 where the model was not given such a word. Both may hold places for more words than the other.
    - spans: a part of a text. `targets` as `kinds.spans` has them, (N, 1 + parts, M) int64; `answers` (N, 2, words), the probabilities that
      it begins, and that it ends, at a word.
    - map: one of several classes for each pixel. `targets` class indices (N, H, W) int16, -1 where nothing is right; `answers` (N, classes,
      H, W).
    - tensors: whatever a model answers with. `targets` and `answers` (N, numbers) float32, all its outputs one after the other.
    - vector: a direction. `answers` (N, numbers) float64; `targets` the same, or (N, 1 + 2 R) int64, which say what is relevant to what:
      the number of a document, or -1 and the numbers and grades of the documents that are relevant to a query, see `kinds.vector`.

    `kinds` are those that it judges. `bounded` is False where one row can cost any amount.

    `pairs` says what has a score: a "row", a "query" among rows that say what is relevant to it, or a "group" of rows that were answered
    for one user, query or document. One of groups is the mean over them (`per_group`), and `cuts` is True where it looks at the first k
    rows of each: `ndcg@10`.
    """

    better: ClassVar[str] = "higher"
    unit: ClassVar[str] = ""
    pairs: ClassVar[str] = "row"
    cuts: ClassVar[bool] = False
    kinds: ClassVar[tuple[str, ...]] = ("class",)
    bounded: ClassVar[bool] = True
    per_item_scores: ClassVar[bool] = True
    by_baseline: ClassVar[bool] = False
    """True where what is right is what the model as given says: no labels are needed."""

    @classmethod
    def name(cls) -> str:
        """The unit's name."""
        return snake(cls.__name__)

    def named(self, names: Sequence[str]) -> Metric:
        """The metric for outputs of these names; the same for most."""
        return self

    def decoded(self, decode: Mapping[str, Any]) -> Metric:
        """The metric for answers that are decoded so; the same for most."""
        return self

    def text(self) -> str:
        """The metric as job files name it: its name, and where it looks at the first k rows `@k`."""
        return self.name()

    @abstractmethod
    def over_set(self, targets: Any, answers: Any) -> float:
        """The metric over all rows; NaN where these rows give it no value, as a ranking where all are of one class.

        Of a metric that pairs groups it takes all rows for one group.
        """

    def condensed(self, targets: Any, answers: Any) -> tuple[Any, Any]:
        """Targets and answers from which `over_set` follows faster for any of the rows, as counts of pixels do; the same for most."""
        return targets, answers

    def per_item(self, targets: Any, answers: Any) -> Any:
        """One score per row (N,), or per query, whose mean is the metric; None when the metric is not a mean over them."""
        return None

    def per_group(self, targets: Any, answers: Any, groups: Any) -> Any:
        """One score per group (G,), NaN for a group that has none; of a metric that pairs groups alone.

        Args:
            targets, answers: As above.
            groups: The number of each row's group (N,), from 0 and without gaps.
        """
        raise NotImplementedError

    @abstractmethod
    def chance(self, targets: Any, outputs: int) -> float:
        """What a model would get that looks at nothing: it says the most frequent class, the labels' base rates, the numbers' mean.

        Args:
            targets: As above.
            outputs: Classes, labels or columns.
        """
