"""Parameters and multiply-adds, as counted when the graphs were exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paredown.core.meter import Fact
from paredown.core.reading import How, Missing, Reading
from paredown.ground.untrusted import read_json


class Complexity(Fact):
    """The sums over an artifact's graphs; a count that the exporter could not make stays Missing, never 0."""

    quantities = ("parameters", "multiply_adds")

    def facts(self, artifact: Path) -> tuple[Reading | Missing, ...]:
        """Parameters, and multiply-adds per inference; where inputs may end at the first of several graphs the latter is Missing."""
        graphs = read_json(artifact / "artifact.json")["graphs"]
        counts = tuple(_sum(graphs, quantity) for quantity in self.quantities)
        if len(graphs) > 1 and isinstance(counts[1], Reading):
            first = graphs[0]["multiply_adds"]
            reason = f"between {first} and {counts[1].value}: it depends on how many inputs the first of {len(graphs)} graphs answers"
            return counts[0], Missing(quantity="multiply_adds", reason=reason)
        return counts


def _sum(graphs: Sequence[Mapping[str, Any]], quantity: str) -> Reading | Missing:
    unknown = [graph["name"] for graph in graphs if graph.get(quantity) is None]
    if unknown:
        return Missing(quantity=quantity, reason=f"not counted for {', '.join(unknown)}: sizes are unknown, or it has no layers")
    return Reading(quantity=quantity, value=sum(graph[quantity] for graph in graphs), how=How.MEASURED, n=len(graphs))
