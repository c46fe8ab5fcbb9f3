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
        """The lowest threshold at which the pair loses no accuracy on validation against the second alone, if it answers at least a quarter."""
        import numpy as np

        sure = first.max(axis=1)
        right_first, right_second = first.argmax(axis=1) == labels, second.argmax(axis=1) == labels
        order = np.argsort(-sure, kind="stable")
        # accuracy of the pair when the first answers its k surest rows
        pair = np.concatenate([[0], np.cumsum(right_first[order].astype(int) - right_second[order].astype(int))])
        good = np.flatnonzero(pair >= 0)
        answered = int(good[-1])
        if answered < len(labels) / 4:
            return []
        at = float(np.floor(sure[order[answered - 1]] * 1000) / 1000)
        return [{"at": min(max(at, 0.0), 1.0)}]
