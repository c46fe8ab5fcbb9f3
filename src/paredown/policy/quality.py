"""How much worse a candidate's answers are, on the same rows as the baseline's."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paredown.core.errors import UsageError
from paredown.core.policy import Kind, Policy, Scale
from paredown.core.task import CONTINUOUS, OWN, Metric
from paredown.kinds.known import kind_named
from paredown.stats import bootstrap, paired
from paredown.stats.intervals import normal_cdf, student_cdf, wilson


@dataclass(frozen=True, kw_only=True)
class Contest(ABC):
    """Baseline against candidate on one set of rows.

    Args:
        n: Rows, or the groups of rows by which they are paired.
        flips: Share of rows whose correctness differs; whose answer differs where a row is not just right or wrong; of groups with a score
            those whose score differs.
        seen: The drop that was seen.
    """

    n: int
    flips: float
    seen: float

    @abstractmethod
    def bounds(self, confidence: float) -> tuple[float, float]:
        """One-sided lower and upper bound of the drop."""

    @abstractmethod
    def chance(self, limit: float) -> float:
        """P-value of the hypothesis that the drop is within `limit`; small where it is clearly not."""

    def drop(self, confidence: float) -> paired.Drop:
        """The numbers of the contest."""
        low, upper = self.bounds(confidence)
        return paired.Drop(n=self.n, flips=self.flips, drop=self.seen, low=low, upper=upper, confidence=confidence)


@dataclass(frozen=True, kw_only=True)
class _Counted(Contest):
    """Rows that are right or wrong: score tests."""

    both: int
    lost: int
    gained: int
    relative: bool

    def bounds(self, confidence: float) -> tuple[float, float]:
        if self.relative:
            counts = (self.n, self.both, self.lost, self.gained)
            return paired.relative_low(*counts, confidence), paired.relative_upper(*counts, confidence)
        flips = (self.n, self.lost, self.gained)
        return paired.absolute_low(*flips, confidence), paired.absolute_upper(*flips, confidence)

    def chance(self, limit: float) -> float:
        if self.relative:
            return 1 - normal_cdf(paired.relative_score(self.n, self.both, self.lost, self.gained, limit))
        return 1 - normal_cdf(paired.absolute_score(self.n, self.lost, self.gained, limit))


@dataclass(frozen=True, kw_only=True)
class _Averaged(Contest):
    """Rows, or groups of rows, with a score each: Student's t, Fieller's form for a relative drop."""

    harm: Sequence[float]
    weight: Sequence[float]

    def bounds(self, confidence: float) -> tuple[float, float]:
        return paired.mean_bounds(self.harm, self.weight, confidence)

    def chance(self, limit: float) -> float:
        return 1 - student_cdf(paired.Sums.of(self.harm, self.weight).score(limit), len(self.harm) - 1) if len(self.harm) > 1 else 1.0


@dataclass(frozen=True, kw_only=True)
class _Resampled(Contest):
    """A metric over the whole set: bootstrap over rows, or over groups of rows."""

    values: Sequence[float]
    bounded: bool

    def bounds(self, confidence: float) -> tuple[float, float]:
        low, upper = _ends(self.values, self.n, confidence)
        # a bootstrap draws only what was seen; a kind of row of share u hides from all n rows with probability (1 - u)^n
        unseen = 1 - (1 - confidence) ** (1 / self.n) if self.bounded else 0.0
        return min(low, self.seen - unseen), max(upper, self.seen + unseen)

    def chance(self, limit: float) -> float:
        return (1 + sum(not value > limit for value in self.values)) / (1 + len(self.values))


def _ends(values: Sequence[float], n: int, confidence: float) -> tuple[float, float]:
    """Lower and upper bound from sorted resamples; those at the end that have no value (NaN) may lie anywhere."""
    known = [value for value in values if not math.isnan(value)]
    without = len(values) - len(known)
    low, upper = [-math.inf] * without + known, known + [math.inf] * without
    return bootstrap.bound(low, n, 1 - confidence), bootstrap.bound(upper, n, confidence)


def _counted(kind: str, *scores: Any) -> bool:
    """Whether rows are right or wrong; an error of 0 or 1 in the unit of a number says neither."""
    return kind not in CONTINUOUS and all(bool(((each == 0) | (each == 1)).all()) for each in scores)


def refuse_unfit(policy: Policy, metric: Metric) -> None:
    """Refuse rules on quality that the metric cannot be judged by.

    Raises:
        UsageError: A floor of what is better when lower, a ceiling of what is better when higher, or points of an error in the unit of the
            data.
    """
    wrong, right = (Kind.MIN, "max") if metric.better == "lower" else (Kind.MAX, "min")
    own = metric.unit == OWN and metric.better == "lower"
    for rule in policy.rules:
        limit = rule.limit
        if rule.quantity != "quality" or limit is None:
            continue
        said = f"{rule.id} has `{rule.kind}: {limit.text}`; {metric.text()}"
        if rule.kind is wrong:
            raise UsageError(f"{said} is better when {metric.better}.\n  Write `{right}:`.")
        if own and (limit.scale is Scale.POINTS or (rule.kind is not Kind.DROP and limit.text.endswith("%"))):
            raise UsageError(
                f"{said} is in the unit of the data, and has no points or per cent.\n"
                "  Write a share of what the model as given has, as `drop: 2 %`, or a level, as `max: 75`."
            )


def value(metric: Metric, targets: Any, answers: Any, blocks: Any = None) -> float:
    """The metric over all rows: of one that pairs groups the mean over those that have a score, NaN where none has.

    Args:
        metric: The job's metric.
        targets: What is right, N rows of 1 or more, as `Metric` says for the kind.
        answers: In the same order.
        blocks: A number for each row (N,), the same for rows that belong together; None where each stands for itself.

    Raises:
        UsageError: The metric pairs groups, and there are none.
    """
    if metric.pairs == "row":
        return metric.over_set(targets, answers)
    scores = _of_groups(metric, targets, answers, blocks)
    return float(scores.mean()) if len(scores) else math.nan


def chance(metric: Metric, targets: Any, outputs: int, blocks: Any = None) -> float:
    """What a model would get that looks at nothing, see `Metric.chance`; in groups it gives all rows one score."""
    return value(metric, targets, 0.0 * targets, blocks) if metric.pairs != "row" else metric.chance(targets, outputs)


def judged(metric: Metric, targets: Any, blocks: Any = None) -> int:
    """How many rows are judged, or groups of rows that have a score: what the rows can show goes by that."""
    if metric.pairs != "row":
        return len(_of_groups(metric, targets, 0.0 * targets, blocks))
    return len(targets) if blocks is None else len({*blocks.tolist()})


def _of_groups(metric: Metric, targets: Any, answers: Any, blocks: Any) -> Any:
    """The scores of the groups that have one, or of the queries."""
    import numpy as np

    if metric.pairs == "query":
        return np.asarray(metric.per_item(targets, answers), float)
    refuse_unpaired(metric, blocks)
    scores = np.asarray(metric.per_group(targets, answers, np.unique(blocks, return_inverse=True)[1]), float)
    return scores[~np.isnan(scores)]


def refuse_unpaired(metric: Metric, blocks: Any) -> None:
    """Refuse a metric that pairs groups of rows where nothing says which belong together.

    Args:
        metric: Of the job.
        blocks: The numbers of the rows' groups, or the name of the column that says them; None or empty where there are none.

    Raises:
        UsageError: There are none.
    """
    if metric.pairs == "group" and (blocks is None or not len(blocks)):
        raise UsageError(
            f"{metric.text()} is the mean over users, queries or other groups of rows, and nothing says which rows belong together.\n"
            "  Name the column that does, as `data: {paired_by: user}`."
        )


def contest(
    metric: Metric, targets: Any, before: Any, after: Any, scale: Scale, seed: int = 0, *, kind: str = "class", blocks: Any = None
) -> Contest:
    """Set up the comparison that fits the metric.

    Args:
        metric: The job's metric.
        targets: What is right, N rows of 1 or more, as `Metric` says for the kind.
        before: The baseline's answers.
        after: The candidate's, in the same order.
        scale: RELATIVE (a share of the baseline's value) or POINTS.
        seed: Of the bootstrap, where one is needed.
        kind: Of the answers.
        blocks: A number for each row (N,), the same for rows that are not independent, as those of one user or windows that overlap; None
            where each was sampled by itself. What is paired are blocks then: their sums for a metric that is a mean over rows, drawn whole
            for one over the set.

    Raises:
        UsageError: The metric pairs groups, and there are none.

    Source: batch means, Law & Kelton 2000, Simulation Modeling and Analysis, section 9.5; for a metric over the set the block bootstrap,
        Künsch 1989, Annals of Statistics 17:1217, with blocks that do not overlap.
    """
    import numpy as np

    n, relative, sign = len(targets), scale is Scale.RELATIVE, 1 if metric.better == "higher" else -1
    answers = float(np.mean(kind_named(kind).changed(before, after)))
    if metric.pairs != "row":
        old, new = (_of_groups(metric, targets, each, blocks) for each in (before, after))
        if not len(old):
            return _Averaged(n=0, flips=answers, seen=math.nan, harm=[math.nan], weight=[math.nan])
        harm, weight = sign * (old - new), old if relative else np.ones(len(old))
        seen = _share(float(harm.mean()), float(weight.mean()))
        return _Averaged(n=len(old), flips=float(np.mean(old != new)), seen=seen, harm=harm.tolist(), weight=weight.tolist())
    blocks = _together(blocks)
    old, new = metric.per_item(targets, before), metric.per_item(targets, after)
    if old is None or new is None:
        return _resample(metric, targets, before, after, relative, sign, answers, seed, blocks)
    old, new = np.asarray(old, float), np.asarray(new, float)
    if blocks is not None:
        harm, weight = (np.bincount(blocks, each) for each in (sign * (old - new), old if relative else np.ones(n)))
        seen = _share(float(harm.sum()), float(weight.sum()))
        return _Averaged(n=len(harm), flips=answers, seen=seen, harm=harm.tolist(), weight=weight.tolist())
    binary = _counted(kind, old, new)
    if binary and (sign == 1 or not relative):
        right, still = (old, new) if sign == 1 else (1 - old, 1 - new)
        both, lost, gained = (int(count) for count in (np.sum(right * still), np.sum(right * (1 - still)), np.sum((1 - right) * still)))
        seen = _share(lost - gained, both + lost) if relative else (lost - gained) / n
        return _Counted(n=n, flips=(lost + gained) / n, seen=seen, both=both, lost=lost, gained=gained, relative=relative)
    harm, weight = sign * (old - new), old if relative else np.ones(n)
    flips = float(np.mean(old != new)) if binary else answers
    return _Averaged(n=n, flips=flips, seen=_share(float(harm.mean()), float(weight.mean())), harm=harm.tolist(), weight=weight.tolist())


def _together(blocks: Any) -> Any:
    """Groups numbered from 0 without gaps; None where each row is its own."""
    import numpy as np

    if blocks is None:
        return None
    known, numbers = np.unique(blocks, return_inverse=True)
    return numbers if len(known) < len(numbers) else None


def _drawn(blocks: Any, n: int) -> tuple[Callable[[Any], Any], int]:
    """What is drawn, as a function from its numbers to those of the rows, and how many there are of it."""
    import numpy as np

    if blocks is None:
        return np.asarray, n
    order = np.argsort(blocks, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(blocks))[:-1])
    return lambda drawn: np.concatenate([members[at] for at in drawn]), len(members)


def _resample(
    metric: Metric, targets: Any, before: Any, after: Any, relative: bool, sign: int, flips: float, seed: int, blocks: Any
) -> Contest:
    import numpy as np

    sides = [metric.condensed(targets, answers) for answers in (before, after)]

    def drop(rows: Any) -> float:
        old, new = (metric.over_set(right[rows], answers[rows]) for right, answers in sides)
        return _share(sign * (old - new), old) if relative else sign * (old - new)

    rows_of, n = _drawn(blocks, len(targets))
    values = bootstrap.resampled(lambda drawn: drop(rows_of(drawn)), n, seed=seed)
    return _Resampled(n=n, flips=flips, seen=drop(np.arange(len(targets))), values=values, bounded=metric.bounded)


def _share(harm: float, whole: float) -> float:
    """harm / whole; a baseline of 0 or less can lose nothing and proves nothing, one without a value has no share."""
    if math.isnan(harm):
        return math.nan
    return harm / whole if whole > 0 else math.inf if harm >= 0 else -math.inf


def compare(
    metric: Metric,
    targets: Any,
    before: Any,
    after: Any,
    scale: Scale = Scale.RELATIVE,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    kind: str = "class",
    blocks: Any = None,
) -> paired.Drop:
    """The drop of the metric from baseline to candidate with its one-sided bounds; arguments as for `contest`."""
    return contest(metric, targets, before, after, scale, seed, kind=kind, blocks=blocks).drop(confidence)


def level(
    metric: Metric, targets: Any, after: Any, confidence: float, seed: int = 0, *, kind: str = "class", blocks: Any = None
) -> tuple[float, float, float]:
    """The metric of one model with its one-sided lower and upper bound.

    Args:
        metric: The job's metric.
        targets: What is right, N rows of 1 or more, as `Metric` says for the kind.
        after: Answers.
        confidence: Of each bound.
        seed: Of the bootstrap, where one is needed.
        kind: Of the answers.
        blocks: As for `contest`.

    Raises:
        UsageError: The metric pairs groups, and there are none.
    """
    import numpy as np

    n, whole = len(targets), value(metric, targets, after, blocks)
    if metric.pairs != "row":
        of_groups = _of_groups(metric, targets, after, blocks).tolist()
        return whole, *(paired.mean_bounds(of_groups, [1.0] * len(of_groups), confidence) if of_groups else (-math.inf, math.inf))
    blocks = _together(blocks)
    scores, (right, answers) = metric.per_item(targets, after), metric.condensed(targets, after)
    if scores is None:
        rows_of, n = _drawn(blocks, n)

        def drawn(which: Any) -> float:
            rows = rows_of(which)
            return metric.over_set(right[rows], answers[rows])

        return whole, *_ends(bootstrap.resampled(drawn, n, seed=seed), n, confidence)
    scores = np.asarray(scores, float)
    if blocks is not None:
        return whole, *paired.mean_bounds(np.bincount(blocks, scores).tolist(), np.bincount(blocks).astype(float).tolist(), confidence)
    if _counted(kind, scores):
        return whole, *wilson(float(scores.sum()), n, 2 * confidence - 1)
    return whole, *paired.mean_bounds(scores.tolist(), [1.0] * n, confidence)
