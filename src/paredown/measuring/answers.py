"""How two artifacts answer the same rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paredown.core.errors import Damaged, LimitExceeded, UsageError, WorkerDied
from paredown.core.reading import How, Reading
from paredown.core.task import Metric
from paredown.stats.intervals import wilson
from paredown.stats.paired import Drop

if TYPE_CHECKING:
    from paredown.core.rows import Rows

CONFIDENCE = 0.95
_OPEN_S, _ROW_S = 120.0, 1.0
"""Seconds that opening a model may take, and one row beside it."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Two models' answers to the same rows.

    Args:
        rows: How many.
        flips: The share of rows whose answers differ.
        kind: What the answers are.
        metric, unit: Name and unit of the metric; empty where the rows have no labels, and the rest is None.
        quality, other_quality: The metric of the target and of the other side.
        drop: How much worse the target is than the other side, as a share of the other side's quality.
    """

    rows: int
    flips: Reading
    kind: str = "class"
    metric: str = ""
    unit: str = ""
    quality: float | None = None
    other_quality: float | None = None
    drop: Drop | None = None

    def json(self) -> dict[str, Any]:
        """Plain data."""
        plain = {"rows": self.rows, "flips": self.flips.json(), "metric": self.metric or None, "quality": self.quality}
        return plain | {"other_quality": self.other_quality, "drop": None if self.drop is None else asdict(self.drop)}


def refuse_strangers(target: Path, other: Path, manifests: Sequence[Mapping[str, Any]]) -> None:
    """Refuse two artifacts that do not answer the same question.

    Raises:
        UsageError: Their tasks or their labels differ.
    """
    one, two = manifests
    if one["task"] != two["task"]:
        raise UsageError(f"{target} is for {one['task']}, {other} for {two['task']}.\n  Give two models of one task.")
    only = [sorted(set(a["labels"]) - set(b["labels"])) for a, b in ((one, two), (two, one))]
    if any(only):
        said = "; ".join(f"only {folder} has {', '.join(names[:5])}" for folder, names in zip((target, other), only) if names)
        raise UsageError(f"the two models answer with different labels: {said}.\n  Give two models of one task with the same labels.")


@contextmanager
def within_limits() -> Iterator[None]:
    """An artifact that does not answer within its limits, or ends its process, is damaged.

    Raises:
        Damaged: It is.
    """
    try:
        yield
    except (LimitExceeded, WorkerDied) as error:
        raise Damaged(f"{str(error).splitlines()[0]}\n  `paredown verify` looks closer at an artifact.") from None


def compare_answers(
    target: Path,
    other: Path,
    manifests: Sequence[Mapping[str, Any]],
    rows: Rows,
    file: Path,
    batch: int,
    environment: Mapping[str, str],
    metric: Metric | None,
    tick: Callable[[str, int, int], None],
) -> Answers:
    """Ask both all rows, each in a process of its own, and compare row by row.

    Args:
        target, other: Artifacts with the same labels, in any order.
        manifests: Of both.
        rows: With class indices in the order of their own names, which are the artifacts' labels; or without.
        file: The same rows, for the processes.
        batch: Rows per call, as measured: padding and 8-bit ranges can make the answers depend on it.
        environment: Variables set in the processes.
        metric: Judges the answers; None where the rows have no labels.
        tick: Told when one has answered.
    """
    import numpy as np

    from paredown.executors.processes import Limits, Worker, room_for
    from paredown.ground.files import size_b
    from paredown.kinds.known import kind_of
    from paredown.policy.quality import compare

    found = []
    with tempfile.TemporaryDirectory(prefix="paredown-") as scratch:
        for at, folder in enumerate((target, other)):
            out = Path(scratch) / f"{at}.npy"
            with Worker(environment=environment) as worker:
                room_b, wall_s = room_for(size_b(folder), file.stat().st_size), _OPEN_S + _ROW_S * len(rows)
                asked: dict[str, Any] = {"artifact": str(folder), "rows": str(file), "out": str(out), "batch": batch, "room_b": room_b}
                with within_limits():
                    worker.order("paredown.protocol.subject:predict", Limits(wall_s=wall_s), **asked)
            found.append(np.load(out, allow_pickle=False))
            tick("answers", at + 1, 2)
    # a model that is packed to be measured may have its labels in another order than the artifact by which the rows were read
    order = list(rows.names) or manifests[0]["labels"]
    after, before = (
        answers if "parts" in manifest["decode"] else answers[:, [manifest["labels"].index(name) for name in order]]
        for answers, manifest in zip(found, manifests, strict=True)
    )
    kind = kind_of(manifests[0]["decode"])
    changed, count = int(kind.changed(before, after).sum()), len(rows)
    low, high = wilson(changed, count, CONFIDENCE)
    flips = Reading(quantity="flips", value=changed / count, low=low, high=high, how=How.MEASURED, n=count)
    if metric is None:
        return Answers(rows=count, flips=flips, kind=kind.name)
    return Answers(
        rows=count,
        flips=flips,
        kind=kind.name,
        metric=metric.text(),
        unit=metric.unit,
        quality=metric.over_set(rows.labels, after),
        other_quality=metric.over_set(rows.labels, before),
        drop=compare(metric, rows.labels, before, after, kind=kind.name, confidence=CONFIDENCE),
    )
