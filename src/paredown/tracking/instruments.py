"""The counters of energy that this machine has, and the CPU that stands in for them where it has none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

from paredown.core.meter import Meter
from paredown.core.quantity import COUNTED
from paredown.core.runtime import Host
from paredown.ground import registry
from paredown.ground.host import host
from paredown.impact.energy import Curve, cpu_curve
from paredown.meters.wall_log import VARIABLE

_idle: list[tuple[Meter, ...]] = []


@cache
def machine() -> tuple[Host, Curve]:
    """This machine and the watts of its CPUs."""
    here = host()
    return here, cpu_curve(here)


def take() -> tuple[tuple[Meter, ...], Mapping[str, str], Sequence[str]]:
    """Meters for one block, opened; `give_back` lends them to the next one.

    Returns:
        The meters in the order in which they are started, those that wait first; why each quantity that none of them reads is missing; and
        what is said of those that failed.
    """
    units, why = _usable()
    try:
        meters = _idle.pop()
    except IndexError:
        meters = tuple(unit() for unit in units)
        for meter in meters:
            meter.ready(machine()[0])  # it opens what it reads
    return meters, why, failed()


def give_back(meters: Sequence[Meter]) -> None:
    """The block that had them is over."""
    _idle.append(tuple(meters))


def failed() -> list[str]:
    """A sentence on each instrument that was named or is there, and does not work."""
    return [failure(dict.fromkeys(meter.quantities, reason)) for meter, reason in _asked() if reason and meter.wanted()]


def failure(missing: Mapping[str, str]) -> str:
    """What is said of an instrument that gave nothing: its quantities, and why."""
    return f"{', '.join(missing)} could not be had: {'; '.join(dict.fromkeys(missing.values()))}"


def _usable() -> tuple[tuple[type[Meter], ...], dict[str, str]]:
    usable = tuple(sorted((type(meter) for meter, reason in _asked() if not reason), key=lambda unit: not unit.waits))
    read = {name for unit in usable for name in unit.quantities}
    return usable, {name: reason for meter, reason in _asked() if reason for name in meter.quantities if name not in read}


def _asked() -> Sequence[tuple[Meter, str]]:
    """The meters of energy that could be here, and what is wrong with each."""
    return _asked_with(os.environ.get(VARIABLE, ""))


@lru_cache(maxsize=1)
def _asked_with(log: str) -> Sequence[tuple[Meter, str]]:
    """As above, as long as the environment names this log."""
    _idle.clear()
    found = [unit() for unit in registry.working("meters") if issubclass(unit, Meter) and {*unit.quantities} & {*COUNTED}]
    return [(meter, (meter.ready(machine()[0]) or "").rstrip(".")) for meter in found]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)
