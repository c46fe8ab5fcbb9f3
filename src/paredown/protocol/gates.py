"""Was the machine ours during the window? One that fails a gate is taken again while there are spare ones; its reasons are kept."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

MAX_STEAL = 0.02
"""Share of the wanted CPU time that the hypervisor may give to others."""

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
        root: Folder that holds `proc`.
        ticks: None where the kernel does not count them.
        switches: Times this process was put aside for another one.
        clock_s: Monotonic clock in seconds.
    """

    root: Path
    ticks: CpuTicks | None
    switches: int
    clock_s: float


def open_gate(root: Path = Path("/")) -> GateMark:
    """Mark the beginning of a window, in the process that works in it.

    Args:
        root: Folder that holds `proc`.
    """
    return GateMark(root=root, ticks=_ticks(root), switches=_switches(), clock_s=time.monotonic())


def close_gate(mark: GateMark, *, max_steal: float = MAX_STEAL, max_switches: float | None = None) -> tuple[str, ...]:
    """Why the window that ends now does not count; empty when it does.

    Args:
        mark: From `open_gate`.
        max_steal: Share of the wanted CPU time that may be stolen; a single tick passes.
        max_switches: Involuntary context switches per second of wall time that may happen; None is any number.

    Returns:
        One sentence per reason, with what was seen and what is allowed.
    """
    reasons = []
    after = _ticks(mark.root)
    if mark.ticks and after:
        share = steal_share(mark.ticks, after)
        if share > max_steal and after.stolen - mark.ticks.stolen > _TICK:
            reasons.append(f"the hypervisor took {share:.1%} of the CPU time; {max_steal:.1%} is allowed.")
    if max_switches is not None:
        rate = (_switches() - mark.switches) / max(time.monotonic() - mark.clock_s, 1e-9)
        if rate > max_switches:
            reasons.append(f"other processes pushed this one aside {rate:.0f} times a second; {max_switches:g} are allowed.")
    return tuple(reasons)


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


def _switches() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
