"""The tracked blocks that are open in this process, and the clock that cuts the long ones at the edges of hours."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

CUT_S = 3600
"""Seconds between cuts, at whole multiples in UTC: the edges of the hours."""


class Block(Protocol):
    """What can be cut, and shares its process with others."""

    def begin(self, before: Sequence[Any]) -> None:
        """Start the clocks; `before` are the blocks that are open, longest open first, and count the same process."""

    def cut(self) -> None:
        """Put what was taken since the last cut to its hour."""

    def stop(self) -> None:
        """Read the clocks for the last time."""

    def beside(self, other: Any) -> None:
        """Another block begins while this one is open."""

    def alone(self, other: Any) -> None:
        """Another block, which had begun before, has ended."""


_lock = threading.Lock()
_open: list[Block] = []
_clock: threading.Thread | None = None


def enter(block: Block) -> None:
    """A block begins."""
    global _clock
    with _lock:
        for other in _open:
            other.beside(block)
        block.begin(tuple(_open))
        _open.append(block)
        if _clock is None:
            _clock = threading.Thread(target=_run, name="paredown-hours", daemon=True)
            _clock.start()


def leave(block: Block) -> None:
    """A block has ended; what those that began later take from now on is in it no more."""
    with _lock:
        block.stop()
        at = _open.index(block)
        for later in _open[at + 1 :]:
            later.alone(block)
        del _open[at]


def _run() -> None:
    """Cut what is open at every edge; ends at one where nothing is."""
    global _clock
    while True:
        time.sleep(CUT_S - time.time() % CUT_S)
        with _lock:
            blocks = [*_open]
            if not blocks:
                _clock = None
                return
        for block in blocks:
            block.cut()


def _forget() -> None:
    """A forked child has neither the clock's thread nor its parent's blocks."""
    global _lock, _clock
    _lock, _clock = threading.Lock(), None
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
