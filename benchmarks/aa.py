"""How much do two copies of one artifact differ, and how often would a saving be claimed that is not there?

    python benchmarks/aa.py --pairs 20 --seconds 60 --out aa.jsonl       # about 80 s a pair; goes on where FILE ends
    python benchmarks/aa.py --replay aa.jsonl                            # evaluate again, without measuring
    python benchmarks/aa.py --artifact runs/digits/artifact --out aa.jsonl

Each pair is measured as `paredown measure A --against B` does it: two copies of the artifact and the twin that gives the noise floor, each
in a process of its own, all started several times. Without `--artifact` two made ones take turns: about 40 us and about 2 ms per call.

The replay draws 200 measurements from the recorded starts of the processes: each takes as many starts as a measurement has, without
replacement, and exchanges the two sides at random, which between copies changes nothing. Exits with 1 when a half-width is above 1.5 % or
a saving is claimed more than 16 times in 200.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from statistics import fmean, median, stdev

from paredown.artifact.load import read_manifest
from paredown.measuring.as_given import probe_rows
from paredown.measuring.side_by_side import plan_of
from paredown.protocol.bench import Bench, Side
from paredown.rows.rowfile import write_rows
from paredown.stats.bootstrap import bound
from paredown.stats.intervals import student
from paredown.stats.ratios import cut, noise_floor, ratio
from paredown.testing.products import products

HALF, CLAIMS, REPLAYS = 0.015, 16, 200
SIDES = ("against", "twin", "target")
QUANTITY = "cpu_time"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One recorded A/A measurement.

    Args:
        artifact: What was copied.
        starts: Per start of the processes and side, the CPU seconds per call of each window, in the order of time.
    """

    artifact: str
    starts: Sequence[dict[str, Sequence[float]]]


def record(folder: Path, name: str, seconds: float) -> str:
    """Measure copies of an artifact against each other; one JSON line with every window."""
    with tempfile.TemporaryDirectory(prefix="paredown-aa-") as scratch:
        root = Path(scratch)
        copies = {side: Path(shutil.copytree(folder, root / side)) for side in ("target", "against")}
        write_rows(probe_rows(folder, read_manifest(folder)), root / "rows.npz")
        sides = [Side(name=side, artifact=copies.get(side, copies["against"])) for side in SIDES]
        with Bench(root / "rows.npz", log=root / "log") as bench:
            windows = bench.measure(sides, plan_of(seconds, len(sides)), progress)
    print(file=sys.stderr)
    kept = ("side", "round", "sitting", "wall_s", "items", "reasons")
    raw = [{key: window[key] for key in kept} | {QUANTITY: window["readings"][QUANTITY]["value"]} for window in windows.raw]
    series = {side: windows.series(side, QUANTITY) for side in SIDES}
    line = {"artifact": name, "seconds": seconds, "wall_s": windows.wall_s, "sittings": windows.sittings, "steady": windows.steady}
    return json.dumps(line | {"series": series, "raw": raw})


def progress(done: int, total: int) -> None:
    print(f"\r  round {done} of {total}", end="", file=sys.stderr, flush=True)


def read(file: Path) -> list[Pair]:
    """The pairs of a file."""
    pairs = []
    for line in file.read_text().splitlines():
        found = json.loads(line)
        runs = {side: cut(series, found["sittings"]) for side, series in found["series"].items()}
        pairs.append(Pair(artifact=found["artifact"], starts=[dict(zip(runs, parts)) for parts in zip(*runs.values())]))
    return pairs


def logs(start: dict[str, Sequence[float]], above: str, below: str) -> list[float]:
    return [math.log(x / y) for x, y in zip(start[above], start[below])]


def as_measured(starts: list[list[float]]) -> tuple[float, float]:
    """What `measure` shows."""
    above = [math.exp(value) for start in starts for value in start]
    _, low, high = ratio(above, [1.0] * len(above), sittings=len(starts))
    return math.log(low), math.log(high)


def of_starts(center: Callable[[Sequence[float]], float]) -> Callable[[list[list[float]]], tuple[float, float]]:
    """Student's interval over one number per start."""

    def interval(starts: list[list[float]]) -> tuple[float, float]:
        return _student([center(start) for start in starts])

    return interval


def _student(values: Sequence[float]) -> tuple[float, float]:
    middle = fmean(values)
    half = student(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return middle - half, middle + half


def trimmed(values: Sequence[float]) -> float:
    aside = int(0.2 * len(values))
    return fmean(sorted(values)[aside : len(values) - aside])


def wilcoxon(starts: list[list[float]]) -> tuple[float, float]:
    """The exact interval of the signed-rank test over the medians of the starts."""
    values = [median(start) for start in starts]
    means = sorted((x + y) / 2 for x, y in combinations_with_replacement(values, 2))
    counts = [1]
    for rank in range(1, len(values) + 1):
        counts = [(counts[at] if at < len(counts) else 0) + (counts[at - rank] if at >= rank else 0) for at in range(len(counts) + rank)]
    below, aside = 0, 0
    while (below := below + counts[aside]) <= 0.025 * 2 ** len(values):
        aside += 1
    return means[max(0, aside - 1)], means[len(means) - max(1, aside)]


def resampled(starts: list[list[float]]) -> tuple[float, float]:
    """Bootstrap over starts of the median of all windows, widened for few starts."""
    draw, count = random.Random(0), len(starts)
    found = sorted(median([value for start in draw.choices(starts, k=count) for value in start]) for _ in range(200))
    return bound(found, count, 0.025), bound(found, count, 0.975)


def by_windows(starts: list[list[float]]) -> tuple[float, float]:
    return _student([value for start in starts for value in start])


def by_seconds(starts: list[list[float]]) -> tuple[float, float]:
    """Ten windows joined to one of a second, as before: trimmed t over them."""
    joined = [fmean(start[at : at + 10]) for start in starts for at in range(0, len(start) - 9, 10)] or [fmean(start) for start in starts]
    ones = [1.0] * len(joined)
    _, low, high = ratio([math.exp(value) for value in joined], ones)
    return math.log(low), math.log(high)


ESTIMATORS: dict[str, Callable[[list[list[float]]], tuple[float, float]]] = {
    "median per start, trimmed t (measure's)": as_measured,
    "median per start, Student": of_starts(median),
    "trimmed mean per start, Student": of_starts(trimmed),
    "mean per start, Student": of_starts(fmean),
    "median per start, Wilcoxon": wilcoxon,
    "bootstrap over starts": resampled,
    "windows of 1 s, trimmed t": by_seconds,
    "all windows, Student": by_windows,
}


def evaluate(pairs: Sequence[Pair]) -> int:
    """Print both tables; the exit code."""
    print("pair  artifact        value    half-width  floor   claimed")
    halves, claimed = [], 0
    for number, pair in enumerate(pairs, 1):
        sittings = len(pair.starts)
        series = {side: [cost for start in pair.starts for cost in start[side]] for side in SIDES}
        value, low, high = ratio(series["against"], series["target"], sittings=sittings)
        floor = noise_floor(series["against"], series["twin"], sittings=sittings)
        halves.append(math.log(high / low) / 2)
        claims = low / (1 + floor) > 1
        claimed += claims
        print(f"{number:4d}  {pair.artifact:14s}  {value:.4f}   {halves[-1]:9.2%}   {floor:6.2%}  {'yes' if claims else 'no'}")
    wide = sum(half > HALF for half in halves)
    print(
        f"half-width: median {median(halves):.2%}, largest {max(halves):.2%}; {wide} of {len(halves)} above {HALF:.1%}; claimed {claimed}\n"
    )

    draw, worst = random.Random(0), 0
    names = sorted({pair.artifact for pair in pairs})
    print(f"{REPLAYS} replayed comparisons, of which")
    print(f"{'':39s} half-width  9 of 10 below  1 left out  a saving seen  and claimed above the floor")
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ESTIMATORS}
    for turn in range(REPLAYS):
        of = [pair for pair in pairs if pair.artifact == names[turn % len(names)]]
        pool = [start for pair in of for start in pair.starts]
        taken = draw.sample(pool, min(len(of[0].starts), len(pool)))
        signs = [draw.choice((1, -1)) for _ in taken]
        starts = [[sign * value for value in logs(start, "against", "target")] for sign, start in zip(signs, taken)]
        floor = noise_floor(*([cost for start in taken for cost in start[side]] for side in ("against", "twin")), sittings=len(taken))
        for name, interval in ESTIMATORS.items():
            found[name].append((*interval(starts), math.log1p(floor)))
    for name, ends in found.items():
        widths = sorted((high - low) / 2 for low, high, _ in ends)
        missed, seen = sum(low > 0 or high < 0 for low, high, _ in ends), sum(low > 0 for low, _, _ in ends)
        above = sum(low - floor > 0 for low, _, floor in ends)
        if name == next(iter(ESTIMATORS)):
            worst = seen
        print(f"{name:39s} {median(widths):10.2%}  {widths[int(0.9 * len(widths))]:13.2%}  {missed:10d}  {seen:13d}  {above:27d}")
    met = not wide and worst <= CLAIMS
    print(
        f"\n{'met' if met else 'missed'}: half-widths of at most {HALF:.1%}; at most {CLAIMS} of {REPLAYS} see a saving, floor left aside"
    )
    return int(not met)


def main() -> int:
    """Record what is missing, then evaluate."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pairs", type=int, default=20)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--out", type=Path)
    options.add_argument("--replay", type=Path)
    options.add_argument("--artifact", type=Path, action="append", default=[])
    given = options.parse_args()
    if (given.out is None) == (given.replay is None):
        options.error("give --out FILE to measure, or --replay FILE")
    if given.out is None:
        return evaluate(read(given.replay))
    with tempfile.TemporaryDirectory(prefix="paredown-aa-") as scratch:
        made = {"made, 40 us": (2, 64), "made, 2 ms": (4, 256)} if not given.artifact else {}
        folders = {folder.name: folder for folder in given.artifact}
        folders |= {name: products(Path(scratch) / str(width), times, width) for name, (times, width) in made.items()}
        done = len(given.out.read_text().splitlines()) if given.out.exists() else 0
        for number in range(done, given.pairs):
            name = list(folders)[number % len(folders)]
            print(f"pair {number + 1} of {given.pairs}: {name}", file=sys.stderr)
            line = record(folders[name], name, given.seconds)
            with given.out.open("a") as file:
                file.write(line + "\n")
    return evaluate(read(given.out))


if __name__ == "__main__":
    sys.exit(main())
