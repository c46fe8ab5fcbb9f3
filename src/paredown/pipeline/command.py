"""Measuring a command of anyone's: what its process and those it waited for have taken."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paredown.core.errors import UsageError
from paredown.core.reading import How, Missing, Reading
from paredown.ground.host import host
from paredown.impact.energy import active_energy, cpu_curve

BOUNDARY = (
    "From the command's start to its end: the CPU time of its process and of all processes that it waited for, in all together, and the "
    "peak memory of the largest of them. Services, other machines, accelerators, disks and networks are not in it."
)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command took.

    Args:
        words: The command.
        exit_code: Its own; 128 + the signal's number when a signal ended it.
        wall_s: Wall seconds.
        readings: cpu_time, energy and peak_rss of one run.
    """

    words: Sequence[str]
    exit_code: int
    wall_s: float
    readings: dict[str, Reading | Missing]

    def json(self) -> dict[str, Any]:
        """Plain data."""
        readings = {name: reading.json() for name, reading in self.readings.items()}
        return {"command": list(self.words), "exit_code": self.exit_code, "wall_s": self.wall_s, "readings": readings, "boundary": BOUNDARY}


def measure_command(words: Sequence[str], output: int | None = None) -> Ran:
    """Run a command and say what it took.

    Args:
        words: Program and arguments; no shell reads them.
        output: File descriptor that takes the command's stdout; None leaves it where it is.

    Raises:
        UsageError: There is no such program, or it cannot be run.
    """
    began = time.perf_counter()
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
    wall_s = time.perf_counter() - began
    code = process.returncode = os.waitstatus_to_exitcode(status)
    cpu_s = used.ru_utime + used.ru_stime
    readings = {
        "cpu_time": Reading(quantity="cpu_time", value=cpu_s, how=How.MEASURED, n=1, covers=("cpu",)),
        "energy": active_energy(cpu_curve(host()), cpu_s),
        "peak_rss": _peak(used.ru_maxrss),
    }
    return Ran(words=tuple(words), exit_code=code if code >= 0 else 128 - code, wall_s=wall_s, readings=readings)


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
