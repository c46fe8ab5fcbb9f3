"""How much `paredown --help` takes beyond a bare Python: the medians of interleaved runs. Exits 1 above the limit.

python benchmarks/startup.py [runs]
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

LIMIT_S = 0.1


def wall_s(*words: str) -> float:
    """Wall seconds of one run of this Python."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main(runs: int = 20) -> int:
    """Measure and print; the exit code."""
    bare, helped = ("-c", "pass"), ("-m", "paredown", "--help")
    wall_s(*bare), wall_s(*helped)
    pairs = [(wall_s(*bare), wall_s(*helped)) for _ in range(runs)]
    without, with_help = (median(column) for column in zip(*pairs))
    more = median(helped - bare for bare, helped in pairs)
    print(f"bare python {without * 1e3:.0f} ms, paredown --help {with_help * 1e3:.0f} ms")
    print(f"{more * 1e3:.0f} ms more; the limit is {LIMIT_S * 1e3:.0f} ms")
    return int(more > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
