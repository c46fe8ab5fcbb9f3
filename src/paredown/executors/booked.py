"""Work orders whose results are recorded and whose cost is booked: what is known is never worked out twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from paredown.core.recorder import Recorder
from paredown.executors.inline import Inline
from paredown.executors.processes import Limits, Watch, Worker


@dataclass(frozen=True, kw_only=True)
class Booked:
    """A recorder and a worker.

    Args:
        recorder: Where facts and costs go.
        worker: Who does the work.
        joules: CPU seconds -> joules, by the host's energy model.
        progress: Told (kind, done, total) while work runs; (kind, 0, 0) when it begins.
        read: Told path -> digest of what the work read of the user's, before its fact is recorded.
        left_s: Wall seconds that the budget leaves for an order that begins now.
    """

    recorder: Recorder
    worker: Worker | Inline
    joules: Callable[[float], float]
    progress: Callable[[str, int, int], None] = lambda kind, done, total: None
    read: Callable[[Mapping[str, str]], None] = lambda found: None
    left_s: Callable[[], float] = lambda: math.inf

    def order(self, kind: str, key: str, verb: str, limits: Limits = Limits(), **arguments: Any) -> Any:  # noqa: B008 frozen default
        """The recorded value, worked out now if it is not known.

        Args:
            kind, key: The fact's name in the ledger.
            verb, limits, arguments: As for `Worker.order`.
        """
        known = self.recorder.find(kind, key)
        if known is not None:
            return known.value
        self.progress(kind, 0, 0)
        with self.recorder.span(kind, key) as span:
            watch = Watch(
                tick=lambda wall_s, cpu_s: span.beat(wall_s, cpu_s, self.joules(cpu_s)),
                progress=lambda done, total: self.progress(kind, done, total),
            )
            try:
                answer = self.worker.order(verb, limits.within(self.left_s()), watch, **arguments)
            finally:
                self.read(self.worker.read)
            return span.finish(answer.value, answer.wall_s, answer.cpu_s, self.joules(answer.cpu_s)).value
