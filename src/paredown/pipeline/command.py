"""Measuring a command of anyone's: what its process and those it waited for have taken."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paredown.core.errors import UsageError
from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.protocol.tracker import track

_WHOSE = "the command's process and of all processes that it waited for"


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command took.

    Args:
        words: The command.
        exit_code: Its own; 128 + the signal's number when a signal ended it.
        peak_rss: Peak memory of the largest of its processes.
        record: Everything else, as of a tracked block.
    """

    words: Sequence[str]
    exit_code: int
    peak_rss: Reading | Missing
    record: EnergyRecord

    @property
    def readings(self) -> dict[str, Reading | Missing]:
        """cpu_time, energy, idle_energy, ..., carbon and peak_rss of one run."""
        return {**self.record.readings, "peak_rss": self.peak_rss}

    def json(self) -> dict[str, Any]:
        """Plain data."""
        readings = {name: reading.json() for name, reading in self.readings.items()}
        return self.record.json() | {"command": list(self.words), "exit_code": self.exit_code, "readings": readings}


def measure_command(words: Sequence[str], *, grid: str | None = None, to: Path | None = None, output: int | None = None) -> Ran:
    """Run a command and say what it took.

    Args:
        words: Program and arguments; no shell reads them.
        grid, to: As for `paredown.track()`.
        output: File descriptor that takes the command's stdout; None leaves it where it is.

    Raises:
        UsageError: There is no such program, or it cannot be run; `to` does not end in .jsonl.
        UnknownName: There is no such zone.
        BadData: `grid` is a file that is no series.
    """
    block = track(Path(words[0]).name, grid=grid, to=to)
    with replace(block, plan=replace(block.plan, whose=_WHOSE)) as took:
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
    return Ran(words=tuple(words), exit_code=code if code >= 0 else 128 - code, peak_rss=_peak(used.ru_maxrss), record=took.record)


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
