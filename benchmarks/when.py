"""How much of the carbon that waiting can save does a forecast from the past alone save? By zone and year, against other rules.

    python benchmarks/when.py FOLDER [--years 2021 2022] [--hours 4] [--deadline 24] [--interruptible]

FOLDER holds hourly series of Electricity Maps, ZONE_YEAR_hourly.csv.gz. At every full hour of a year the job starts at once, or in the
window that a rule chooses from what was known by then; it has to end before the deadline. A share is the carbon that the rule saved over
the carbon that a perfect forecast would have saved, both summed over the year; the interval is over calendar months.

The rule was made on 2021 and 2022; 2023 was looked at once, when it was done.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paredown.ground.hours import HOUR_S
from paredown.intensity.foresee import Hours, backtest, choose
from paredown.intensity.series import Series, joined, read_series


def same_hours(past: NDArray[np.float64], starts: NDArray[np.int64], deadline_h: int, days: int) -> NDArray[np.float64]:
    """Each hour ahead as the mean of the same hour of the last days, shape (starts, deadline_h)."""
    columns = []
    for hour in range(deadline_h):
        ages = range(hour // 24 + 1, hour // 24 + 1 + days)
        columns.append(np.mean([past[starts + hour - 24 * age] for age in ages], axis=0))
    return np.stack(columns, axis=1)


def share(series: Series, start_s: float, end_s: float, work_h: int, deadline_h: int, piece_h: int, days: int) -> float:
    """The share of the possible saving of a rule that expects the mean of the last days."""
    past = Hours.of(series, end_s)
    first = max(round(start_s / HOUR_S) - past.first, 24 * (days + deadline_h // 24))
    starts = np.arange(first, len(past.values) - deadline_h + 1)
    truth = np.lib.stride_tricks.sliding_window_view(past.values, deadline_h)[starts]
    now = truth[:, :work_h].sum(axis=1)
    rule, perfect = (
        now - (truth * choose(costs, work_h, piece_h)).sum(axis=1) for costs in (same_hours(past.values, starts, deadline_h, days), truth)
    )
    known = ~np.isnan(rule + perfect)
    return float(rule[known].sum() / perfect[known].sum())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--zones", nargs="+", default=["BR", "ES", "US-CAL-CISO", "NO"])
    parser.add_argument("--years", nargs="+", type=int, default=[2021, 2022])
    parser.add_argument("--hours", type=int, default=4)
    parser.add_argument("--deadline", type=int, default=24)
    parser.add_argument("--interruptible", action="store_true")
    args = parser.parse_args()
    piece_h = 1 if args.interruptible else args.hours
    heads = ("zone", "year", "starts", "yesterday", "14 days", "paredown", "95 % by month", "saved", "possible", "worse")
    print("{:12} {:>5} {:>7} {:>10} {:>8} {:>9}  {:14} {:>6} {:>9} {:>6}".format(*heads))
    for year in args.years:
        rows = []
        for zone in args.zones:
            files = [args.folder / f"{zone}_{known}_hourly.csv.gz" for known in (year - 1, year)]
            series = joined([read_series(file) for file in files if file.is_file()])
            span = datetime(year, 1, 1, tzinfo=UTC).timestamp(), datetime(year + 1, 1, 1, tzinfo=UTC).timestamp()
            record, _ = backtest(series, *span, args.hours, args.deadline, piece_h)
            others = [share(series, *span, args.hours, args.deadline, piece_h, days) for days in (1, 14)]
            if record is None:
                continue
            interval = "" if record.low is None or record.high is None else f"[{record.low:.3f}, {record.high:.3f}]"
            print(
                f"{zone:12} {year:5} {record.starts:7} {others[0]:10.3f} {others[1]:8.3f} {record.of_possible:9.3f}  {interval:14}"
                f" {record.saved:6.1%} {record.possible:9.1%} {record.worse:6.1%}"
            )
            rows.append((*others, record.of_possible))
        yesterday, fortnight, ours = np.mean(rows, axis=0)
        print(f"{'mean':12} {year:5} {'':7} {yesterday:10.3f} {fortnight:8.3f} {ours:9.3f}")


if __name__ == "__main__":
    main()
