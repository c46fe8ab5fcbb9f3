"""A small piece of work that is the same in every session, so that what a machine's speed has drifted by can be seen."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from statistics import median

from paredown.core.reading import How, Reading
from paredown.stats.intervals import normal

_BYTES = bytes(range(256)) * 1024


def reference_s() -> float:
    """CPU seconds of the reference work, about 1 ms: an interpreter's loop and a library's loop over a quarter of a megabyte."""
    began = time.process_time()
    total = 0
    for number in range(8_000):
        total ^= number * number
    hashlib.sha256(_BYTES + bytes([total & 255])).digest()
    return time.process_time() - began


def reference(samples_s: Sequence[float]) -> Reading | None:
    """The median of some samples with its distribution-free 95 % interval; None below six, which have none.

    Source: order statistics, David & Nagaraja 2003, Order Statistics, section 7.1.
    """
    ranked, n = sorted(samples_s), len(samples_s)
    if n < 6:
        return None
    reach = int(normal(0.975) * n**0.5 / 2) + 1
    low, high = ranked[max(0, n // 2 - reach)], ranked[min(n - 1, n // 2 + reach)]
    return Reading(quantity="cpu_time", value=median(ranked), low=low, high=high, how=How.MEASURED, n=n, covers=("cpu",))
