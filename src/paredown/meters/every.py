"""A call that is made again and again beside the work, for instruments that cannot be read at the edges of a window alone."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Every:
    """A thread that makes a call once in a while until it is ended.

    Args:
        period_s: Seconds from one call to the next.
        call: What is done; it raises nothing.
    """

    def __init__(self, period_s: float, call: Callable[[], None]) -> None:
        self._period_s, self._call = period_s, call
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(self._period_s):
            self._call()

    def end(self) -> None:
        """Make no more calls; returns when the last one is over."""
        self._over.set()
        self._thread.join()
