"""What tracking costs, and what each tool states for the same work: bare, under `paredown.track()`, under CodeCarbon.

    python -m venv codecarbon && codecarbon/bin/pip install codecarbon
    python benchmarks/track.py --codecarbon codecarbon/bin/python

One resident process per tool does the same work bare and tracked in turn, so that each pair shares its interpreter; the tools alternate.
CodeCarbon is its offline class with its defaults, writes no file and calls nobody. Ends below 6 minutes on a quiet machine. Exits 1 when
`track()` takes more than 0.5 % of CPU time or more than 1 ms at an edge (the median), and 3 when the pairs do not show which.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

SHARE, EDGE_S = 0.005, 0.001
_BLOCK = bytes(1 << 20)
_IMPORTS = {"track": "import paredown; paredown.track", "codecarbon": "from codecarbon import OfflineEmissionsTracker"}


def work(blocks: int) -> None:
    """Hash so many MiB."""
    for _ in range(blocks):
        hashlib.sha256(_BLOCK).digest()


def cpu_s() -> float:
    """CPU seconds of this process and of those it has waited for."""
    import resource

    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + waited.ru_utime + waited.ru_stime


def worker(tool: str, blocks: int) -> None:
    """Answer each line of standard input, `bare` or `tracked`, with what one run took."""
    begin = {"track": begin_track, "codecarbon": begin_codecarbon}[tool]
    for line in sys.stdin:
        tracked = line.strip() == "tracked"
        marks = [(cpu_s(), time.perf_counter())]
        end = begin() if tracked else None
        marks.append((cpu_s(), time.perf_counter()))
        work(blocks)
        marks.append((cpu_s(), time.perf_counter()))
        read = end() if end else None
        marks.append((cpu_s(), time.perf_counter()))
        (cpu_enter, wall_enter), (cpu_work, _), (cpu_exit, wall_exit) = ((b[0] - a[0], b[1] - a[1]) for a, b in pairwise(marks))
        found: dict[str, Any] = {"enter_s": wall_enter, "exit_s": wall_exit, "cpu_s": cpu_enter + cpu_work + cpu_exit}
        found["edges_cpu_s"] = cpu_enter + cpu_exit
        print(json.dumps(found | (read() if read else {})), flush=True)


def begin_track() -> Any:
    """Enter a block; returns what leaves it, which returns what reads it."""
    import paredown

    block = paredown.track("benchmark", activity="inference")
    took = block.__enter__()

    def end() -> Any:
        block.__exit__(None, None, None)
        return lambda: {"energy_j": took.energy_j, "parts": {key: item.json() for key, item in took.readings.items()}}

    return end


def begin_codecarbon() -> Any:
    """The same for CodeCarbon."""
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level="critical", allow_multiple_runs=True)
    tracker.start()

    def end() -> Any:
        tracker.stop()
        found = tracker.final_emissions_data
        parts = {name: getattr(found, name) * 3.6e6 for name in ("cpu_energy", "ram_energy", "gpu_energy")}
        return lambda: {"energy_j": found.energy_consumed * 3.6e6, "parts": parts, "version": found.codecarbon_version}

    return end


class Resident:
    """A worker process of one tool."""

    def __init__(self, tool: str, python: str, blocks: int) -> None:
        environment = os.environ | {"CODECARBON_TELEMETRY": "disabled"}
        arguments = [python, str(Path(__file__).resolve()), "--worker", tool, "--blocks", str(blocks)]
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )

    def ask(self, how: str) -> dict[str, Any]:
        """One run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(how + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def import_s(python: str, code: str, times: int = 5) -> float:
    """Wall seconds that an import adds to an empty interpreter's start."""

    def once(text: str) -> float:
        began = time.perf_counter()
        subprocess.run([python, "-c", text], check=True, env=os.environ)
        return time.perf_counter() - began

    return median(once(code) - once("pass") for _ in range(times))


def compare(pythons: dict[str, str], runs: int, blocks: int) -> dict[str, Any]:
    """All runs, interleaved; each tool's first tracked run is apart, as it loads what it needs."""
    residents = {tool: Resident(tool, python, blocks) for tool, python in pythons.items()}
    out: dict[str, Any] = {tool: {"first": one.ask("tracked"), "bare": [], "tracked": []} for tool, one in residents.items()}
    order = [(tool, how) for tool in residents for how in ("bare", "tracked")]
    for number in range(runs):
        for tool, how in order if number % 2 == 0 else order[::-1]:
            out[tool][how].append(residents[tool].ask(how))
    for one in residents.values():
        one.close()
    for tool, python in pythons.items():
        out[tool]["import_s"] = import_s(python, _IMPORTS[tool])
    return out


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codecarbon", metavar="PYTHON", help="An interpreter that has codecarbon; left out where there is none.")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1.2, help="CPU seconds of one run.")
    parser.add_argument("--json", metavar="FILE", type=Path, help="Where to write every run.")
    parser.add_argument("--worker", choices=sorted(_IMPORTS), help=argparse.SUPPRESS)
    parser.add_argument("--blocks", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        worker(asked.worker, asked.blocks)
        return 0
    from paredown.stats.ratios import ratio

    work(50)
    began_s = time.process_time()
    work(200)
    blocks = round(200 * asked.seconds / (time.process_time() - began_s))
    pythons = {"track": sys.executable} | ({"codecarbon": asked.codecarbon} if asked.codecarbon else {})
    found = compare(pythons, asked.runs, blocks)
    if asked.json:
        asked.json.write_text(json.dumps({"runs": asked.runs, "blocks": blocks, **found}, indent=2) + "\n")
    print(f"{asked.runs} pairs per tool, {blocks} MiB hashed in each run, {asked.seconds:g} CPU s asked")
    added: dict[str, list[float]] = {}
    for tool, one in found.items():
        added[tool] = [end - 1 for end in ratio(*([run["cpu_s"] for run in one[how]] for how in ("tracked", "bare")))]
        share, low, high = added[tool]
        edges = median(run["edges_cpu_s"] for run in one["tracked"]) / median(run["cpu_s"] for run in one["bare"])
        enter, leave = (median(run[edge] for run in one["tracked"]) * 1e3 for edge in ("enter_s", "exit_s"))
        worst = max(run[edge] for run in one["tracked"] for edge in ("enter_s", "exit_s")) * 1e3
        print(f"\n{tool} {one['first'].get('version', '')}".rstrip())
        print(f"  CPU time added      {share:+.3%} [{low:+.3%}, {high:+.3%}] by pairs, trimmed, with its 95 % interval")
        print(f"  CPU time at edges   {edges:.3%} of the work's (medians)")
        print(f"  enter, exit         {enter:.3g} ms, {leave:.3g} ms (medians; the slowest of all {worst:.3g} ms)")
        print(f"  first enter, import {one['first']['enter_s'] * 1e3:.3g} ms with all that it loads; {one['import_s'] * 1e3:.3g} ms")
        print(f"  states              {median(run['energy_j'] for run in one['tracked']):.2g} J (median)")
        for name, part in one["tracked"][0]["parts"].items():
            said = part if isinstance(part, float) else part.get("value")
            if said is not None:
                band = f" [{part['low']:.2g}, {part['high']:.2g}]" if isinstance(part, dict) and part["low"] is not None else ""
                print(f"    {name:<16}  {said:.2g}{band}{' ' + part['unit'] if isinstance(part, dict) else ' J'}")
    low, high = added["track"][1:]
    edge_s = max(median(run[edge] for run in found["track"]["tracked"]) for edge in ("enter_s", "exit_s"))
    said = (
        "not held" if low > SHARE or edge_s > EDGE_S else "held" if high <= SHARE else "not shown: the pairs differ too much, run it longer"
    )
    print(f"\ntrack(): at most {SHARE:.1%} of CPU time and {EDGE_S * 1e3:g} ms per edge: {said}")
    return {"held": 0, "not held": 1}.get(said, 3)


if __name__ == "__main__":
    sys.exit(main())
