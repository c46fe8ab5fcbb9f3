"""When warm-up is over: windows that no longer vary, or vary without a trend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from paredown.stats.trend import mann_kendall

LOOK = 5
"""Windows that are looked back on."""

SPREAD = 0.02
"""Robust coefficient of variation that a steady series stays within."""

_TREND = 0.05


class State(StrEnum):
    """What a warm-up came to, best first."""

    STEADY = "steady"
    LEVEL = "level"
    MOVING = "moving"


@dataclass(frozen=True, kw_only=True)
class Steadiness:
    """What a warm-up came to.

    Args:
        state: steady: the last five windows vary by at most 2 %, without a trend. level: no trend over the last ten, but the machine
            itself varies by more. moving: neither when its time was over.
        spread: Robust coefficient of variation of the last five windows.
        wall_s: Wall seconds of the warm-up.
    """

    state: State
    spread: float
    wall_s: float


def state_of(costs: Sequence[float]) -> State:
    """Whether a series of costs per call, in the order of time, has come to rest.

    Source: coefficient of variation and Mann-Kendall test over the last windows, after Georges et al. 2007, OOPSLA.
    Departs: the spread is 1.4826 times the median deviation; a series that varies more, but has no trend over twice as many windows, is
        level, because on a shared machine two per cent are never reached.
    """
    last, longer = costs[-LOOK:], costs[-2 * LOOK :]
    if len(last) == LOOK and spread_of(costs) <= SPREAD and mann_kendall(last) > _TREND:
        return State.STEADY
    return State.LEVEL if len(longer) == 2 * LOOK and mann_kendall(longer) > _TREND else State.MOVING


def spread_of(costs: Sequence[float]) -> float:
    """Robust coefficient of variation of the last five of some costs above 0."""
    last = costs[-LOOK:]
    middle = median(last)
    return 1.4826 * median(abs(cost - middle) for cost in last) / middle
