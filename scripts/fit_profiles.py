#!/usr/bin/env python3
"""Fit the table of load profiles, src/paredown/impact/tables/cpu_profiles.csv, to published SPECpower_ssj2008 results.

    python scripts/fit_profiles.py ../shared/data/ccf_coefficients/data/SPECpower-full-results.csv

The file (Cloud Carbon Footprint, cloud-carbon-coefficients, commit dda7621f8ab2) holds no watts between idle and full load. But each
result's overall score is the sum of operations over the sum of watts at eleven levels, 100 %, 90 %, ... 10 % and idle, and the levels
are set as shares of the operations at full load: the sum of watts is 5.5 x operations / score. So each server gives three figures:
watts at idle, watts at full load, and the mean between them, which fix the three parameters of P(u) = a ln(1 + b u) + d.

Source of the form: doc.api.boavizta.org, "consumption profile": a ln(b (u + c)) + d. Only two of its a, b, c, d are free beside d once
P(0) is d: c is 1/b. The coefficients are ours.
"""

from __future__ import annotations

import csv
import math
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

TABLE = Path(__file__).parents[1] / "src/paredown/impact/tables/cpu_profiles.csv"
LEVELS = [level / 10 for level in range(1, 11)]
FLAGGED = ("Sandy Bridge", "Ivy Bridge", "Haswell", "Broadwell", "Skylake", "Cascade Lake", "Coffee Lake")
NAMED = (
    (r"EPYC 7\w\w1", "EPYC 1st Gen"),
    (r"EPYC 7\w\w2", "EPYC 2nd Gen"),
    (r"EPYC 7\w\w3", "EPYC 3rd Gen"),
    (r"Platinum 83\d\dHL?$", "Cooper Lake"),
    (r"Platinum 8380$|Platinum 8352Y|Gold 6336Y", "Ice Lake"),
)
FEWEST = 0.5
"""A cloud's server has many threads: chips with fewer than this share of the threads of their family's largest are left out."""
RANKS = (("low", 0.1), ("median", 0.5), ("high", 0.9))
HEAD = """\
# Load profiles per vCPU (hardware thread) of a whole server at the wall: P(u) = a_w ln(1 + b u) + d_w watts at load u from 0 to 1.
# Three servers stand for a microarchitecture: the 10th, 50th and 90th in a hundred by watts above idle per unit of load at half load.
# Fitted by scripts/fit_profiles.py to idle watts, full-load watts and overall score of {servers} SPECpower_ssj2008 results to 2021,
#   spec.org/power_ssj2008, (c) Standard Performance Evaluation Corporation, used as its rules for published results allow, with this
#   citation; collected by Cloud Carbon Footprint, github.com/cloud-carbon-footprint/cloud-carbon-coefficients, dda7621f8ab2 (Apache-2.0).
# Form of the curve: Boavizta, doc.api.boavizta.org, a ln(b (u + c)) + d with c = 1/b; the coefficients are our own. Fitted {day}.
"""


def family(row: Mapping[str, str]) -> str:
    """The microarchitecture of a result's CPU; empty when it is none of ours."""
    flagged = [name for name in FLAGGED if row[name] == "TRUE"]
    return flagged[0] if flagged else next((name for form, name in NAMED if re.search(form, row["CPU Description"])), "")


def figures(row: Mapping[str, str]) -> dict[str, float] | None:
    """What the fit needs of one result, watts per thread; None for a result that SPEC marked as not compliant."""
    names = ("Chips", "Total Threads", "ssj_ops @ 100%", "avg. watts @ 100%", "avg. watts @ active idle", "Result (Overall ssj_ops/watt)")
    texts = [re.sub(r"[ ,]", "", row[name]) for name in names]
    if "NC" in texts:
        return None
    chips, threads, operations, full_w, idle_w, score = map(float, texts)
    mean_w = (sum(LEVELS) * operations / score - idle_w) / len(LEVELS)
    return {
        "threads": threads / chips,
        "idle_w": idle_w / threads,
        "full_w": full_w / threads,
        "shape": (mean_w - idle_w) / (full_w - idle_w),
    }


def bend(shape: float) -> float:
    """The b of ln(1 + b u) / ln(1 + b) whose mean over the ten levels is `shape`: above 0 the curve flattens, below it steepens."""
    low, high = -1 + 1e-9, 1e6
    for _ in range(200):
        middle = (low + high) / 2 if high < 1 else math.sqrt((low + 1) * (high + 1)) - 1
        mean = sum(math.log1p(middle * load) for load in LEVELS) / len(LEVELS) / math.log1p(middle) if middle else sum(LEVELS) / 10
        low, high = (middle, high) if mean < shape else (low, middle)
    return low


def profiles(path: Path) -> Iterator[tuple[str, int, list[tuple[str, float, float, float]]]]:
    """Microarchitecture, number of servers, and rank, a_w, b and d_w of three of them."""
    servers = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found = figures(row) if family(row) else None
            if found is not None:
                servers[family(row)].append(found)
    for name, all_of_it in servers.items():
        most = max(server["threads"] for server in all_of_it)
        fitted = []
        for server in all_of_it:
            if server["threads"] >= FEWEST * most:
                b = bend(server["shape"])
                fitted.append(((server["full_w"] - server["idle_w"]) / math.log1p(b), b, server["idle_w"]))
        fitted.sort(key=lambda fit: fit[0] * math.log1p(fit[1] / 2))
        yield name, len(fitted), [(rank, *fitted[round(share * (len(fitted) - 1))]) for rank, share in RANKS]


def main() -> None:
    """Write the table."""
    found = list(profiles(Path(sys.argv[1])))
    lines = [HEAD.format(servers=sum(count for _, count, _ in found), day=date.today().isoformat())]
    lines.append("microarchitecture,servers,rank,a_w,b,d_w\n")
    lines += [f"{name},{count},{rank},{a:.5g},{b:.5g},{d:.4g}\n" for name, count, three in found for rank, a, b, d in three]
    TABLE.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
