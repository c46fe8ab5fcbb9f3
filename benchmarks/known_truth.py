"""Work whose cost is known beforehand, through the paths that users take: is what they show within 5 % of the truth?

    python benchmarks/known_truth.py [--seconds 60]

- Two artifacts whose graphs hold one matrix product n and 2n times, through `measure A --against B`: twice the CPU time.
- A command that makes the product n and 2n times, through `measure -- COMMAND`: twice the CPU time, the start of the program left out.
- A command that is busy for 25, 50 and 100 % of the time, by its own thread's clock: so many CPU seconds per second of wall time.
- The same blocks through `paredown.track()`, in this process.

Exits with 1 when an error is above 5 %.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import paredown
from paredown.measuring.side_by_side import measure
from paredown.testing.products import products

LIMIT = 0.05

_PRODUCTS = """
import os, sys
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
import numpy as np
turn = np.linalg.qr(np.random.default_rng(0).normal(size=(400, 400)))[0].astype(np.float32)
held = turn
for _ in range(int(sys.argv[1])):
    held = held @ turn
"""

_DUTY = """
import sys, time
share, until = float(sys.argv[1]), time.perf_counter() + float(sys.argv[2])
while (began := time.perf_counter()) < until:
    busy = time.thread_time() + share * 0.05
    while time.thread_time() < busy:
        pass
    time.sleep(max(0.0, began + 0.05 - time.perf_counter()))
"""


def measured(code: str, *words: object) -> tuple[float, float]:
    """CPU and wall seconds of a Python program, as `paredown measure --json -- python -c ...` says them."""
    command = [sys.executable, "-m", "paredown", "measure", "--json", "--", sys.executable, "-c", code, *map(str, words)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found["readings"]["cpu_time"]["value"], found["wall_s"]


def commands(times: int = 1500, turns: int = 5) -> float:
    """CPU time of 2n products over that of n, without what the program takes for none; neighbors in turn, the median."""
    ratios = []
    for _ in range(turns):
        none_s, once_s, twice_s = (measured(_PRODUCTS, count)[0] for count in (0, times, 2 * times))
        ratios.append((twice_s - none_s) / (once_s - none_s))
    return median(ratios)


def duty(share: float, seconds: float = 6.0) -> float:
    """CPU seconds per wall second of a program that is busy for a share of the time; what starting it takes is left out."""
    none_cpu_s, none_wall_s = measured(_DUTY, share, 0)
    cpu_s, wall_s = measured(_DUTY, share, seconds)
    return (cpu_s - none_cpu_s) / (wall_s - none_wall_s)


def artifacts(seconds: float) -> float:
    """CPU time per inference of a graph with 2n products over one with n."""
    with tempfile.TemporaryDirectory(prefix="paredown-truth-") as scratch:
        once, twice = (products(Path(scratch) / str(times), times, 256) for times in (16, 32))
        found = measure(once, twice, seconds=seconds).ratios["cpu_time"]
    return found.value  # type: ignore[union-attr]


def tracked(turns: int = 9) -> float:
    """CPU time of a counted loop of 2n steps over that of n, through `track()`."""

    def took(steps: int) -> float:
        with paredown.track() as tracked:
            total = 0
            for number in range(steps):
                total ^= number
        return float(tracked.cpu_s)

    return median(took(6_000_000) / took(3_000_000) for _ in range(turns))


def main() -> int:
    """Print truth, what was seen, the error, and whether it is within the limit."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60.0, help="of the two artifacts' windows")
    given = options.parse_args()
    rows = [("2n products, two artifacts", 2.0, lambda: artifacts(given.seconds)), ("2n products, a command", 2.0, commands)]
    rows += [(f"busy {share:.0%}, a command", share, lambda share=share: duty(share)) for share in (0.25, 0.5, 1.0)]  # type: ignore[misc]
    rows.append(("2n steps, track()", 2.0, tracked))
    print(f"{'':28s} {'truth':>6s} {'seen':>7s} {'error':>7s}")
    missed = 0
    for name, truth, see in rows:
        seen = see()
        error = seen / truth - 1
        missed += abs(error) > LIMIT
        print(f"{name:28s} {truth:6.2f} {seen:7.3f} {error:+7.1%}  {'met' if abs(error) <= LIMIT else 'missed'}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
