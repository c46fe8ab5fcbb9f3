"""Bytes that have to be deployed."""

from __future__ import annotations

from pathlib import Path

from paredown.core.meter import Fact
from paredown.core.reading import How, Missing, Reading
from paredown.ground.untrusted import read_json

# read by people and by checks, not by what answers
_APART = ("README.md", "report.html", "probe.json")


class Size(Fact):
    """Sum of the sizes of artifact.json and the files that it lists, without those written for people."""

    quantities = ("size",)

    def facts(self, artifact: Path) -> tuple[Reading | Missing, ...]:
        """The size in bytes; Missing when a listed file is not there."""
        listed = read_json(artifact / "artifact.json")["files"]
        files = [artifact / "artifact.json", *(artifact / name for name in listed if name not in _APART)]
        gone = [path.name for path in files if not path.is_file()]
        if gone:
            return (Missing(quantity="size", reason=f"artifact.json lists {', '.join(gone)}, which is not there"),)
        return (Reading(quantity="size", value=sum(path.stat().st_size for path in files), how=How.MEASURED, n=len(files)),)
