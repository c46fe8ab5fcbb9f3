"""Mutated artifacts and studies, opened by every command that a careful person asks first: nothing of them may run.

    python benchmarks/hostile.py ARTIFACT_OR_STUDY [--cases 2000] [--seed 0] [--inline]

Each case is one mutant and one command in a watched process (tests/hostile.py). Right are: exit code 0, 2 or 5; no traceback; at most 20 s
and 500 MB; nothing written outside of a scratch folder; nothing imported, run, started or reached that the mutant names; no control
character on the terminal. `--inline` leaves the limits of workers out and is quicker.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from hostile import cases
from hostile_watch import Watch, wrong


def main() -> int:
    """Print what went wrong, case by case, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inline", action="store_true")
    given = parser.parse_args()
    study, began, slowest, largest = not (given.folder / "artifact.json").is_file(), time.monotonic(), 0.0, 0.0
    codes: Counter[int] = Counter()
    bad = 0
    with Watch(inline=given.inline) as watch:
        for name, seen in cases(watch, given.folder, given.cases, given.seed, study=study):
            codes[seen.code] += 1
            slowest, largest = max(slowest, seen.wall_s), max(largest, seen.peak_b)
            if found := wrong(seen):
                bad += 1
                print(
                    f"{name}: {seen.words[0]}: {'; '.join(found)}\n    {' | '.join(seen.err.strip().splitlines()[-2:])[:300]!a}", flush=True
                )
    told = ", ".join(f"{count} with exit code {code}" for code, count in sorted(codes.items()))
    print(
        f"{given.cases} cases in {time.monotonic() - began:.0f} s: {told}; the slowest {slowest:.1f} s, the largest {largest / 1e6:.0f} MB"
    )
    print(f"{bad} went wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
