"""The tracked blocks that are open in this process, and the clock that cuts the long ones at the edges of hours."""

from __future__ import annotations

import os
import threading
import time
from typing import Protocol

CUT_S = 3600
"""Seconds between cuts, at whole multiples in UTC: the edges of the hours."""


class Block(Protocol):
    """What can be cut, and wants to know of others."""

    def cut(self) -> None:
        """Put what was taken since the last cut to its hour."""

    def beside(self, other: str) -> None:
        """Another block is open too."""


_lock = threading.Lock()
_open: dict[Block, str] = {}
_clock: threading.Thread | None = None


def enter(block: Block, name: str) -> None:
    """A block begins."""
    global _clock
    with _lock:
        for other, called in _open.items():
            other.beside(name)
            block.beside(called)
        _open[block] = name
        if _clock is None:
            _clock = threading.Thread(target=_run, name="paredown-hours", daemon=True)
            _clock.start()


def leave(block: Block) -> None:
    """A block has ended."""
    with _lock:
        _open.pop(block, None)


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
