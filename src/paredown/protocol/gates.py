"""Was the machine ours during the window? One that fails a gate is taken again while there are spare ones; its reasons are kept.

A reason is a code and a sentence, "steal: the hypervisor took ..."; `code_of` gives the code.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

MAX_STEAL = 0.02
"""Share of the wanted CPU time that the hypervisor may give to others."""

MAX_SLOWER = 0.10
"""Share by which the clock frequency may lie below the steady one."""


class Code(StrEnum):
    """Why a window does not count, in one word that stays."""

    STEAL = "steal"
    SWITCHES = "switches"
    HEAT = "heat"
    FREQUENCY = "frequency"
    IDLE = "idle"


_CPUS = "sys/devices/system/cpu/cpu[0-9]*"
_TICK = 1  # a single tick may be rounding, whatever share of a short window it is


@dataclass(frozen=True, kw_only=True)
class CpuTicks:
    """The first line of /proc/stat, in ticks since boot over all CPUs.

    Args:
        wanted: Ticks in which a CPU had work, the stolen ones included.
        stolen: Ticks in which it had work and did not run.
    """

    wanted: int
    stolen: int


@dataclass(frozen=True, kw_only=True)
class GateMark:
    """The state of the machine when a window began.

    Args:
        root: Folder that holds `proc` and `sys`.
        ticks: None where the kernel does not count them.
        switches: Times this process was put aside for another one.
        throttles: Times a processor slowed itself down because of its heat; None where the kernel does not count them.
        steady_hz: Clock frequency that the window ought to have; None is any.
        clock_s: Monotonic clock in seconds.
    """

    root: Path
    ticks: CpuTicks | None
    switches: int
    throttles: int | None
    steady_hz: float | None
    clock_s: float


def open_gate(root: Path = Path("/"), steady_hz: float | None = None) -> GateMark:
    """Mark the beginning of a window, in the process that works in it.

    Args:
        root: Folder that holds `proc` and `sys`.
        steady_hz: `frequency_hz` at the end of the warm-up, under the window's own load: with more cores at work each is slower, and an
            idle one says nothing.
    """
    return GateMark(
        root=root, ticks=_ticks(root), switches=_switches(), throttles=_throttles(root), steady_hz=steady_hz, clock_s=time.monotonic()
    )


def close_gate(mark: GateMark, *, max_steal: float = MAX_STEAL, max_switches: float | None = None) -> tuple[str, ...]:
    """Why the window that ends now does not count; empty when it does.

    Args:
        mark: From `open_gate`.
        max_steal: Share of the wanted CPU time that may be stolen; a single tick passes.
        max_switches: Involuntary context switches per second of wall time that may happen; None is any number.

    Returns:
        One reason per gate that closed, with what was seen and what is allowed.
    """
    reasons = []
    after = _ticks(mark.root)
    if mark.ticks and after:
        share = steal_share(mark.ticks, after)
        if share > max_steal and after.stolen - mark.ticks.stolen > _TICK:
            reasons.append(f"{Code.STEAL}: the hypervisor took {share:.1%} of the CPU time; {max_steal:.1%} is allowed.")
    if max_switches is not None:
        rate = (_switches() - mark.switches) / max(time.monotonic() - mark.clock_s, 1e-9)
        if rate > max_switches:
            reasons.append(
                f"{Code.SWITCHES}: other processes pushed this one aside {rate:.0f} times a second; {max_switches:g} are allowed."
            )
    throttles = _throttles(mark.root)
    if mark.throttles is not None and throttles is not None and throttles > mark.throttles:
        reasons.append(f"{Code.HEAT}: heat slowed processors down, {throttles - mark.throttles} times by their counts; none is allowed.")
    now_hz = None if mark.steady_hz is None else frequency_hz(mark.root)
    if mark.steady_hz and now_hz is not None and now_hz < (1 - MAX_SLOWER) * mark.steady_hz:
        fell = 1 - now_hz / mark.steady_hz
        reasons.append(f"{Code.FREQUENCY}: the clock fell by {fell:.1%} to {now_hz / 1e9:.2f} GHz; {MAX_SLOWER:.1%} is allowed.")
    return tuple(reasons)


def code_of(reason: str) -> Code:
    """The code of a reason that `close_gate` gave."""
    return Code(reason.partition(":")[0])


def frequency_hz(root: Path = Path("/")) -> float | None:
    """The clock frequency of the fastest core at this moment, in hertz; None where the kernel does not say, as in most virtual machines.

    Args:
        root: Folder that holds `sys`.
    """
    for name in ("cpuinfo_avg_freq", "scaling_cur_freq"):
        found = [number for path in _files(root, f"{_CPUS}/cpufreq/{name}") if (number := _number(path))]
        if found:
            return 1000.0 * max(found)
    return None


def steal_share(before: CpuTicks, after: CpuTicks) -> float:
    """Stolen over wanted CPU time between two marks, 0 to 1.

    Idle time is left out, so that a machine with many idle cores does not hide what one core lost.
    """
    wanted = after.wanted - before.wanted
    return (after.stolen - before.stolen) / wanted if wanted > 0 else 0.0


def _ticks(root: Path) -> CpuTicks | None:
    try:
        with (root / "proc/stat").open() as file:
            name, *fields = file.readline().split()
    except OSError:
        return None
    if name != "cpu" or len(fields) < 8:
        return None
    # guest time, fields 9 and 10, is already in user and nice
    user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
    return CpuTicks(wanted=user + nice + system + irq + softirq + steal, stolen=steal)


def _throttles(root: Path) -> int | None:
    """Sum of the kernel's counts, of cores and of packages; a package's stands at each of its cores."""
    files = _files(root, f"{_CPUS}/thermal_throttle/*_throttle_count")
    found = [number for path in files if (number := _number(path)) is not None]
    return sum(found) if found else None


@cache
def _files(root: Path, pattern: str) -> tuple[str, ...]:
    """Looked for once: a machine of many cores has hundreds, and a gate opens at every window."""
    return tuple(str(path) for path in root.glob(pattern))


def _number(path: str) -> int | None:
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _switches() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
