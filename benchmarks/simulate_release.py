"""How often would a model that breaks the quality limit be released? How often would a good one be held back?

    python benchmarks/simulate_release.py [--studies 2000] [--seed 0]

Each simulated study has 30 candidates. On 400 validation rows the 3 with the smallest drop become finalists, safest first; then the real
rules and the real fixed sequence decide on the test rows. At the limit every candidate's true drop equals the margin, so whatever is
released is an error. Without a drop whatever is held back is a loss.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from datetime import date

import numpy as np

from paredown.core.policy import Kind, Limit, Policy, Rule, Scale
from paredown.metrics.accuracy import Accuracy
from paredown.policy.rules import Evidence, judge, verdict
from paredown.policy.sequence import fixed_sequence
from paredown.stats.intervals import clopper_pearson_upper
from paredown.stats.power import smallest_drop

ACCURACY = 0.95
CANDIDATES, FINALISTS = 30, 3
VALIDATION_ROWS = 400
TODAY = date(2026, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the result.

    Args:
        margin: The policy's relative limit, a share.
        flips: Share of rows whose correctness differs between baseline and candidate.
        drop: True relative drop of every candidate, a share.
        rows: Test rows.
    """

    margin: float
    flips: float
    drop: float
    rows: int

    @property
    def cells(self) -> list[float]:
        """Chances that a row is right for both, lost, gained, wrong for both."""
        points = self.drop * ACCURACY
        lost, gained = (self.flips + points) / 2, (self.flips - points) / 2
        return [ACCURACY - lost, lost, gained, 1 - ACCURACY - gained]

    @property
    def provable(self) -> bool:
        """True when so many rows can show the margin in 90 of 100 studies at these flips."""
        return smallest_drop(self.rows, self.flips) <= self.margin * ACCURACY


def evidence(counts: np.ndarray) -> Evidence:
    """Rows as the rules see them, from the counts of the four cells."""
    right = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], counts, axis=0).astype(float)
    before, after = (np.stack([column, 1 - column], axis=1) for column in right.T)
    labels = np.zeros(len(right), dtype=np.int64)
    return Evidence(metric=Accuracy(), labels=labels, before=before, after=after, today=TODAY)


def released(case: Case, studies: int, seed: int) -> int:
    """In how many of the studies a model was released."""
    limit = Limit(value=case.margin, scale=Scale.RELATIVE, text=f"{100 * case.margin:g} %")
    policy = Policy(name="limit", rules=(Rule(id="quality", quantity="quality", kind=Kind.DROP, limit=limit),))
    draw = np.random.default_rng(seed)
    count = 0
    for _ in range(studies):
        validation = draw.multinomial(VALIDATION_ROWS, case.cells, size=CANDIDATES)
        safest_first = np.argsort(validation[:, 1] - validation[:, 2], kind="stable")[:FINALISTS]
        test = {int(finalist): draw.multinomial(case.rows, case.cells) for finalist in safest_first}
        chosen, _ = fixed_sequence(test, lambda finalist: verdict(judge(policy, evidence(test[finalist]))) == "pass")  # noqa: B023
        count += chosen is not None
    return count


def main(arguments: list[str]) -> int:
    """Print both tables; 1 when a bound is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    started, wrong, held = time.perf_counter(), [], []
    settings = [(margin, flips) for margin in (0.01, 0.02) for flips in (0.02, 0.04, 0.08)]
    print(f"{options.studies} studies per line; 95 % bound: exact, one-sided (Clopper-Pearson)\n")
    print("true drop = margin, 900 test rows     released, all wrongly   95 % bound")
    for place, (margin, flips) in enumerate(settings):
        case = Case(margin=margin, flips=flips, drop=margin, rows=900)
        count = released(case, options.studies, options.seed + place)
        wrong.append(count)
        bound = clopper_pearson_upper(count, options.studies)
        print(f"  margin {margin:.0%}, flips {flips:.0%}{'':18}{count / options.studies:>10.2%}{bound:>24.2%}")
    total, every = sum(wrong), options.studies * len(settings)
    print(f"  all lines{'':28}{total / every:>10.2%}{clopper_pearson_upper(total, every):>24.2%}\n")
    print("no drop, 5000 test rows               passed                  these rows can show")
    for place, (margin, flips) in enumerate(settings):
        case = Case(margin=margin, flips=flips, drop=0.0, rows=5000)
        share = released(case, options.studies, options.seed + 100 + place) / options.studies
        held.append(share < 0.9 and case.provable)
        shows = f"{smallest_drop(case.rows, flips) / ACCURACY:.2%}" + ("" if case.provable else ", not this margin")
        print(f"  margin {margin:.0%}, flips {flips:.0%}{'':18}{share:>10.1%}{shows:>24}")
    print(f"\n{time.perf_counter() - started:.0f} s")
    return int(max(wrong) > 0.05 * options.studies or any(held))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
