"""What the test split can show, before anything is spent."""

from __future__ import annotations

from typing import Any

from paredown.core.errors import BadData
from paredown.core.job import Job
from paredown.core.policy import Policy
from paredown.core.rows import Rows
from paredown.policy.quality import judged
from paredown.rows.by_group import blocks_of
from paredown.stats.power import rows_for, smallest_drop
from paredown.study.units import Units

FLIPS = (0.02, 0.04, 0.08)
SPREADS = (0.02, 0.05, 0.1)
"""Standard deviations of the difference between both models' scores of one group."""


def provable_by(job: Job, units: Units, test: Rows) -> dict[str, Any]:
    """What the test rows of a job can show, as `provable` says it: of groups of rows where the job pairs them.

    Raises:
        BadData: The rows do not have the column by which they are paired; the metric cannot judge them, or has a value in no group.
    """
    metric, (blocks, counted) = units.metric, blocks_of(test, job.data.paired_by, units.metric.pairs)
    count = judged(metric, test if test.labels is None else test.labels, blocks)
    if metric.pairs == "group" and not count:
        raise BadData(
            f"{metric.text()} has a value for none of the {counted} in the {len(test)} rows of test: "
            "none has rows between which there is a choice.\n"
            "  Give groups of several rows with different targets; where all are above 0, as ratings, take ndcg@10."
        )
    return provable(job.policy, count, metric.text(), of=counted, spread=metric.pairs != "row")


def provable(policy: Policy, test_rows: int, metric: str = "accuracy", *, of: str = "rows", spread: bool = False) -> dict[str, Any]:
    """What the test split can show before anything is spent, at 2, 4 and 8 % flips.

    Args:
        policy: Its margin.
        test_rows: Rows that are judged, or groups of rows.
        metric: Its name.
        of: What is counted, in words.
        spread: Whether each of them has a score from 0 to 1; then it is said for three standard deviations of the difference.
    """
    if spread:
        drops = {f"{by:.2f}": smallest_drop(test_rows, by * by, policy.confidence) for by in SPREADS}
        least, middle, most = drops.values()
        text = (
            f"test: {test_rows} {of} with a value; can show a drop of {middle:.1%} or more where their {metric} differs by {SPREADS[1]:g} "
            f"(standard deviation; at {SPREADS[0]:g} {least:.1%}, at {SPREADS[2]:g} {most:.1%})."
        )
        return {"text": text, "drops": drops}
    if metric != "accuracy":
        text = f"test: {test_rows} {of}; what drop of {metric} they can show is known only when the models have answered them."
        return {"text": text, "drops": {}}
    drops = {f"{flips:.2f}": smallest_drop(test_rows, flips, policy.confidence) for flips in FLIPS}
    middle = drops["0.04"]
    text = f"test: {test_rows} {of}; can show a drop of {middle:.1%} or more (at 2 % flips {drops['0.02']:.1%}, at 8 % {drops['0.08']:.1%})"
    limit = policy.margin
    if limit is not None and limit.value < middle:
        text += f"; for {limit.text} give about {rows_for(limit.value, 0.04, policy.confidence)} rows or set `drop: {middle:.1%}`"
    return {"text": text + ".", "drops": drops}
