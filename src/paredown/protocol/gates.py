"""Was the machine ours during the window? One that fails a gate is taken again while there are spare ones; its reasons are kept.

A reason is a code and a sentence, "steal: the hypervisor took ..."; `code_of` gives the code.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

MAX_STEAL = 0.02
"""Share of the wanted CPU time that the hypervisor may give to others."""

MAX_WAITED = 0.05
"""Share of the time that the threads under measurement wanted a core, and waited for one that other processes had."""

MAX_SLOWER = 0.10
"""Share by which the clock frequency may lie below the steady one."""


class Code(StrEnum):
    """Why a window does not count, in one word that stays."""

    STEAL = "steal"
    WAITING = "waiting"
    SWITCHES = "switches"
    HEAT = "heat"
    FREQUENCY = "frequency"
    IDLE = "idle"


_CPUS = "sys/devices/system/cpu/cpu[0-9]*"
_TICK = 1  # a single tick may be rounding, whatever share of a short window it is
_LEAST_WAIT_S = 0.001  # below, it is what any waking thread waits


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
class CoreTime:
    """What the kernel's scheduler says about some threads, in seconds since each began.

    Args:
        ran_s: On a core.
        waited_s: Ready to run, without a core.
    """

    ran_s: float
    waited_s: float


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
        pid: The process that works in the window; None looks at none.
        threads: Its threads' times; None where the kernel keeps none.
    """

    root: Path
    ticks: CpuTicks | None
    switches: int
    throttles: int | None
    steady_hz: float | None
    clock_s: float
    pid: int | None = None
    threads: Mapping[str, CoreTime] | None = None


def open_gate(root: Path = Path("/"), steady_hz: float | None = None, pid: int | None = None) -> GateMark:
    """Mark the beginning of a window, in the process that works in it or that asks for it.

    Args:
        root: Folder that holds `proc` and `sys`.
        steady_hz: `frequency_hz` at the end of the warm-up, under the window's own load: with more cores at work each is slower, and an
            idle one says nothing.
        pid: The process that works in the window, whose threads may not wait for a core; None looks at none.
    """
    return GateMark(
        root=root,
        ticks=_ticks(root),
        switches=_switches(),
        throttles=_throttles(root),
        steady_hz=steady_hz,
        clock_s=time.monotonic(),
        pid=pid,
        threads=None if pid is None else _threads(root, pid),
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
    waited = _waited(mark)
    if waited > MAX_WAITED:
        reasons.append(
            f"{Code.WAITING}: its threads waited for a core {waited:.1%} of the time they wanted one; {MAX_WAITED:.1%} is allowed."
        )
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


def blind(root: Path = Path("/")) -> dict[Code, str]:
    """Gates that cannot see anything on this machine, each with why.

    Args:
        root: Folder that holds `proc`.
    """
    seen = (root / "proc/self/schedstat").is_file()
    return {} if seen else {Code.WAITING: "this kernel keeps no time that threads wait for a core (/proc/PID/schedstat)"}


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


def _waited(mark: GateMark) -> float:
    """Share of the time since a mark that threads wanted a core and had none; 0 where the kernel does not say."""
    after = None if mark.pid is None or mark.threads is None else _threads(mark.root, mark.pid)
    if after is None or mark.threads is None:
        return 0.0
    none = CoreTime(ran_s=0.0, waited_s=0.0)  # a thread that began meanwhile
    changes = [(found, mark.threads.get(name, none)) for name, found in after.items()]
    ran_s = sum(now.ran_s - before.ran_s for now, before in changes)
    waited_s = sum(now.waited_s - before.waited_s for now, before in changes)
    return waited_s / (ran_s + waited_s) if waited_s > _LEAST_WAIT_S else 0.0


def _threads(root: Path, pid: int) -> dict[str, CoreTime] | None:
    """Times of all threads of a process, by their number; None where the kernel keeps none.

    Source: Documentation/scheduler/sched-stats.rst of Linux, /proc/<pid>/schedstat: nanoseconds on a core, nanoseconds in the run queue.
    """
    found = {}
    for file in (root / f"proc/{pid}/task").glob("*/schedstat"):
        try:
            ran_ns, waited_ns, *_ = map(int, file.read_text().split())
        except (OSError, ValueError):  # a thread that has ended
            continue
        found[file.parent.name] = CoreTime(ran_s=ran_ns / 1e9, waited_s=waited_ns / 1e9)
    return found or None


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
