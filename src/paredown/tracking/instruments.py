"""The counters of energy that this machine has, and the CPU that stands in for them where it has none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache

from paredown.core.meter import Meter
from paredown.core.quantity import COUNTED
from paredown.core.runtime import Host
from paredown.ground import registry
from paredown.ground.host import host
from paredown.impact.energy import Curve, cpu_curve

_idle: list[tuple[Meter, ...]] = []


@cache
def machine() -> tuple[Host, Curve]:
    """This machine and the watts of its CPUs."""
    here = host()
    return here, cpu_curve(here)


def take() -> tuple[tuple[Meter, ...], Mapping[str, str]]:
    """Meters for one block, opened; `give_back` lends them to the next one.

    Returns:
        The meters in the order in which they are started, those that wait first; and why each quantity that none of them reads is missing.
    """
    try:
        meters = _idle.pop()
    except IndexError:
        meters = tuple(unit() for unit in _usable()[0])
        for meter in meters:
            meter.ready(machine()[0])  # it opens what it reads
    return meters, _usable()[1]


def give_back(meters: Sequence[Meter]) -> None:
    """The block that had them is over."""
    _idle.append(tuple(meters))


@cache
def _usable() -> tuple[tuple[type[Meter], ...], dict[str, str]]:
    found = [unit for unit in registry.working("meters") if issubclass(unit, Meter) and {*unit.quantities} & {*COUNTED}]
    why = [(unit, unit().ready(machine()[0])) for unit in found]
    usable = tuple(sorted((unit for unit, reason in why if reason is None), key=lambda unit: not unit.waits))
    read = {name for unit in usable for name in unit.quantities}
    return usable, {name: reason for unit, reason in why if reason is not None for name in unit.quantities if name not in read}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)
