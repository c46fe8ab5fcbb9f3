"""Measuring a command of anyone's: what its process and those it waited for have taken."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paredown.core.errors import UsageError
from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.tracking.place import site_at
from paredown.tracking.tracker import Track
from paredown.tracking.usage import Plan


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command took.

    Args:
        words: The command.
        exit_code: Its own; 128 + the signal's number when a signal ended it.
        record: Of one run: cpu_time, energies as `track()` has them, carbon and peak_rss.
    """

    words: Sequence[str]
    exit_code: int
    record: EnergyRecord

    @property
    def wall_s(self) -> float:
        """Wall seconds."""
        return self.record.wall_s

    @property
    def readings(self) -> Mapping[str, Reading | Missing]:
        """Of one run."""
        return self.record.readings

    def json(self) -> dict[str, Any]:
        """Plain data: the record, with the command and its exit code."""
        return {"command": list(self.words), "exit_code": self.exit_code, **self.record.json()}


def measure_command(words: Sequence[str], output: int | None = None, grid: str | Path | None = None) -> Ran:
    """Run a command and say what it took.

    Args:
        words: Program and arguments; no shell reads them.
        output: File descriptor that takes the command's stdout; None leaves it where it is.
        grid: Where the electricity comes from, as `track()` takes it.

    Raises:
        UsageError: There is no such program, or it cannot be run.
        UnknownName, BadData: `grid` is no place, or no series.
    """
    plan = Plan(name=shlex.join(words), activity="other", unit="run", count=1, site=site_at(grid), own=False)
    with Track(plan=plan, to=None) as took:
        try:
            process = subprocess.Popen(words, stdout=output)
        except OSError as error:
            raise UsageError(f"cannot run {words[0]!r}: {error.strerror}.\n  Write `paredown measure -- PROGRAM ARGUMENTS`.") from None
        while True:
            try:
                _, status, used = os.wait4(process.pid, 0)
                break
            except KeyboardInterrupt:  # the command got it too; what it does about it is part of the measurement
                continue
    code = process.returncode = os.waitstatus_to_exitcode(status)
    record, peak = took.record, _peak(used.ru_maxrss)
    boundary = f"{record.boundary} peak_rss: of the largest of the processes."
    record = replace(record, readings={**record.readings, "peak_rss": peak}, boundary=boundary)
    return Ran(words=tuple(words), exit_code=code if code >= 0 else 128 - code, record=record)


def _peak(found: int) -> Reading | Missing:
    """The peak of the largest process; the kernel hands our own peak on to what we start, so that a smaller one cannot be seen."""
    unit_b = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if found <= own:
        return Missing(quantity="peak_rss", reason=f"at most {own * unit_b / 1e6:.0f} MB, which is what starting the command takes")
    return Reading(quantity="peak_rss", value=found * unit_b, how=How.MEASURED, n=1, covers=("memory",))


def signal_name(exit_code: int) -> str:
    """The signal that an exit code above 128 stands for; empty for others."""
    try:
        return signal.Signals(exit_code - 128).name if exit_code > 128 else ""
    except ValueError:
        return ""
