"""Work orders in this very process: for tests and for debugging."""

from __future__ import annotations

import importlib
import time
from typing import Any

from paredown.executors.processes import Answer, Limits, Watch


class Inline:
    """Carries out orders here; limits are not enforced."""

    pid = 0

    def __init__(self) -> None:
        self._state: dict[str, Any] = {}
        self.read: dict[str, str] = {}

    def order(self, verb: str, limits: Limits = Limits(), watch: Watch = Watch(), **arguments: Any) -> Answer:  # noqa: B008
        """Carry out one order; see `Worker.order`. What the verb raises comes as it is."""
        self._state["progress"] = watch.progress
        module, _, name = verb.partition(":")
        wall, cpu = time.perf_counter(), time.process_time()
        value = getattr(importlib.import_module(module), name)(self._state, **arguments)
        return Answer(value=value, cpu_s=time.process_time() - cpu, wall_s=time.perf_counter() - wall)

    def kill(self) -> None:
        """Forget what earlier orders left."""
        self._state.clear()
