"""What is measured and still not claimed, and what is claimed with a word about the machine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from paredown.core.reading import How, Missing, Reading
from paredown.core.trial import Readings
from paredown.impact.derived import DERIVED
from paredown.protocol.bench import Windows
from paredown.protocol.gates import Code
from paredown.protocol.readings import TIMED

_TIME = {*TIMED, *DERIVED, "idle_energy", "throughput"}

_MOST_DISTURBED = 0.5
"""Share of a side's windows in which its threads may have waited for a core."""

_WASTE = 2.0
"""Times the cores by which a thread on each may multiply the work of one: all of them spin for twice as long as one alone takes."""


def withheld(readings: Readings, reason: str, names: Collection[str] = frozenset(_TIME)) -> dict[str, Reading | Missing]:
    """The readings without what time and the machine's noise touch, or what follows from it.

    Args:
        readings: Of one side, or ratios.
        reason: Why nothing is claimed of these, a sentence.
        names: Other quantities to leave out.
    """
    return {name: Missing(quantity=name, reason=reason) if name in names else found for name, found in readings.items()}


def bounded(found: Readings, best: Readings, more: float, reason: str) -> dict[str, Reading | Missing]:
    """Ratios of the model as found where other processes had the cores: nothing of its work, and of latency only what holds all the same.

    With more threads a model answers at best that many times sooner, so that its latency as found is known from below by that at the thread
    count with the least CPU time, which was measured against the candidate under the same load; tails are as long as the load made them,
    and the middle stands for them.

    Args:
        found: The ratios as measured.
        best: Those of the long measurement.
        more: Threads as found over threads there, 1 or more.
        reason: Why they are not claimed, from `unexplained`; where it is empty they are.
    """
    if not reason:
        return dict(found)
    middle, out = best.get("latency_p50"), withheld(found, reason)
    if isinstance(middle, Reading) and middle.low and middle.high:
        source = f"bounds from the thread count with the least CPU time: {reason}"
        held = replace(middle, low=middle.low / more, high=middle.high * _WASTE, how=How.ESTIMATED, source=source)
        out |= {name: replace(held, quantity=name) for name in found if name.startswith("latency_")}
    return out


def without_tails(ratios: Readings, reason: str) -> dict[str, Reading | Missing]:
    """Ratios without those of latencies that few calls decide, which a load makes; all of them where there is no reason."""
    return withheld(ratios, reason, ("latency_p95", "latency_p99")) if reason else dict(ratios)


def unexplained(windows: Windows, side: str, found: Reading | Missing | None, best: Reading | Missing | None, cores: int) -> str:
    """Why the work of a model as found is not claimed: the machine's other processes may have made it; empty where it is.

    Threads of an engine that wait for each other spin, so that time in which one of them waits for a core counts as work of the others.

    Args:
        windows: Of the model as found.
        side: Its name in them.
        found: Its CPU time over the candidate's.
        best: The same at the thread count with the least CPU time, from the long measurement.
        cores: Of this machine, and threads of the model as found.
    """
    share = windows.disturbed(side, Code.WAITING)
    if share > _MOST_DISTURBED and cores > 1:
        return f"other processes had the cores in {share:.0%} of the windows ({Code.WAITING}), where threads that wait for each other spin"
    if isinstance(found, Reading) and isinstance(best, Reading) and found.value > _WASTE * cores * best.value:
        return (
            f"{found.value:.3g} times is more than {cores} threads can explain where the best count takes {best.value:.3g} times: "
            "something else than the model made it"
        )
    return ""


def disturbed(windows: Windows) -> str:
    """One sentence where most windows of a measurement stayed disturbed by other processes; else empty."""
    share = max((windows.disturbed(side, Code.WAITING) for side in windows.sides), default=0.0)
    if share <= _MOST_DISTURBED:
        return ""
    return (
        f"In {share:.0%} of the windows of the long measurement the model's threads waited for a core that other processes had "
        f"({Code.WAITING}), also when they were taken again: its ratios compare the models under that load, which makes latencies longer."
    )
