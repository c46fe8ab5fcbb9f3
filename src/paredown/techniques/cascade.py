"""A cheap model answers when it is sure, a dearer one otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from paredown.core import knob
from paredown.core.technique import Composition


@dataclass(frozen=True, kw_only=True)
class Cascade(Composition):
    """Ask the cheap model first and the dearer one only where the first is not sure."""

    at: float = knob.share(0.9, help="The first model's answer stands when its highest probability is at least this.")

    source: ClassVar[str] = "Streeter 2018, ICML; Wang et al. 2018 (IDK cascades), arXiv:1706.00885"
    departs: ClassVar[str] = "one threshold on the highest probability, chosen on validation"
    use_when: ClassVar[str] = "most inputs are easy, and a cheap model knows which."
    avoid_when: ClassVar[str] = "the worst-case latency counts: hard inputs pay for both models."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({},)

    def program(self) -> dict[str, Any]:
        """{"kind": "cascade", "at": threshold}."""
        return {"kind": "cascade", "at": self.at}

    def settings(self, first: Any, second: Any, labels: Any) -> list[dict[str, Any]]:
        """The lowest threshold at which the pair is as accurate on validation as the second alone, if the first answers a quarter."""
        import numpy as np

        grid = np.arange(1001) / 1000
        step = np.searchsorted(grid, first.max(axis=1), side="right") - 1
        order = np.argsort(-step, kind="stable")
        # right answers that the pair has more than the second alone when the first answers its surest rows; rows of one step go together
        lead = np.cumsum((first.argmax(axis=1) == labels)[order].astype(int) - (second.argmax(axis=1) == labels)[order])
        last = np.flatnonzero(np.diff(step[order], append=-1))
        good = last[lead[last] >= 0]
        if not len(good) or good[-1] + 1 < len(labels) / 4:
            return []
        return [{"at": float(grid[step[order[good[-1]]]])}]
