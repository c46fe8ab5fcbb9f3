"""Which candidates go to the test split, and in which order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import NormalDist

from paredown.core.trial import Trial

MOST = 3
_PRIOR_ROWS = 100
_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A trial that may become a finalist.

    Args:
        trial: The trial.
        gain: How many times less of the minimized quantity than the baseline; above 1.
        chance: Predicted probability that its drop is shown to be within the margin on test.
    """

    trial: Trial
    gain: float
    chance: float


def chance_to_pass(
    lost: float, gained: float, distance: float, rows: int, test_rows: int, margin: float | None, confidence: float = 0.95
) -> float:
    """Predicted probability that the upper bound of the drop on test stays within the margin.

    Few validation rows flip, so what they say is joined with how far the answers have moved: a mean distance t between the probabilities of
    both models counts like `_PRIOR_ROWS` rows of which t/2 were lost and t/4 gained. An export that changes nothing has t = 0; one that
    happens to flip no row of validation has not. The best of many candidates looks better on validation than it is; this holds against it.

    Args:
        lost: Share of validation rows that only the baseline has right.
        gained: Share that only the candidate has right.
        distance: Mean total variation distance between both models' probabilities on validation, 0 to 1.
        rows: Rows of validation.
        test_rows: Rows of test.
        margin: What the policy allows, a share; None allows all.
        confidence: Of the one-sided bound.
    """
    if margin is None:
        return 1.0
    weight = rows + _PRIOR_ROWS
    worse = (lost * rows + distance / 2 * _PRIOR_ROWS + 0.5) / weight
    better = (gained * rows + distance / 4 * _PRIOR_ROWS + 0.5) / weight
    own, unsure = (worse + better) / test_rows, (worse + better) / weight
    shown = margin - (worse - better) - _NORMAL.inv_cdf(confidence) * math.sqrt(own)
    return _NORMAL.cdf(shown / math.sqrt(own + unsure))


def chance_from_bound(drop: float, upper: float, rows: int, test_rows: int, margin: float | None, confidence: float = 0.95) -> float:
    """The same for a metric that is no share of right rows: from the drop seen on validation and its one-sided bound.

    Args:
        drop, upper: Seen on validation, in the scale of `margin`.
        rows: Rows of validation.
        test_rows: Rows of test.
        margin: What the policy allows; None allows all.
        confidence: Of both bounds.
    """
    if margin is None:
        return 1.0
    score = _NORMAL.inv_cdf(confidence)
    seen = max((upper - drop) / score, 1e-9)
    own = seen * math.sqrt(rows / test_rows)
    return _NORMAL.cdf((margin - drop - score * own) / math.hypot(own, seen))


def choose(contenders: Sequence[Contender], most: int = MOST) -> list[Contender]:
    """At most `most` finalists, ordered from the safest to the greenest, with the largest expected saving.

    They are tested in that order until the first that does not pass, and the last that passed ships. So a sequence with chances p1 >= p2 >=
    p3 and savings s1 < s2 < s3 is worth p1 s1 + p1 p2 (s2 - s1) + p1 p2 p3 (s3 - s2), with s the logarithm of the gain. All sequences are
    tried.

    Args:
        contenders: With a gain above 1.
        most: Finalists at most.
    """
    best, best_worth = [], 0.0
    useful = [item for item in contenders if item.gain > 1 and item.chance > 0]
    for size in range(1, most + 1):
        for group in combinations(useful, size):
            ordered = sorted(group, key=lambda item: (-item.chance, item.gain))
            if any(later.gain <= earlier.gain for earlier, later in pairwise(ordered)):
                continue
            worth, reach, before = 0.0, 1.0, 0.0
            for item in ordered:
                reach *= item.chance
                saving = math.log(item.gain)
                worth += reach * (saving - before)
                before = saving
            if worth > best_worth + 1e-12:
                best, best_worth = ordered, worth
    return best


def front(trials: Sequence[Trial], gains: Sequence[float], qualities: Sequence[float]) -> list[int]:
    """Ids of the trials that no other beats in both gain and quality.

    Args:
        trials: Candidates.
        gains, qualities: Of each; larger is better.
    """
    out = []
    for number, trial in enumerate(trials):
        mine = gains[number], qualities[number]
        beaten = any(
            gain >= mine[0] and quality >= mine[1] and (gain, quality) != mine
            for other, (gain, quality) in enumerate(zip(gains, qualities))
            if other != number
        )
        if not beaten:
            out.append(trial.id)
    return out
