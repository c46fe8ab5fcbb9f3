"""What a measurement found, as it is shown and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paredown.core.reading import Missing, Reading
from paredown.measuring.answers import Answers

if TYPE_CHECKING:
    from paredown.protocol.serving import Load

Readings = dict[str, Reading | Missing]

FORMAT = "paredown.measured/1"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What `measure` found.

    Args:
        artifact: The folder that was measured.
        recipe: As packed in it.
        readings: Of the artifact, by quantity.
        other, other_recipe, other_readings: The same of the other side; None and empty where there was none. For a model that was packed
            only to be measured, the folder or file that was given.
        ratios: Other over artifact, unit "x": 12.0 is twelve times less.
        noise_floor: Of CPU time as a share, from the other side against its twin; None where there was none.
        detectable: The smallest saving of CPU time that such a measurement shows nine times out of ten, a share; None without a twin.
        windows: Windows per side.
        window_s: Wall seconds of one.
        sittings: Times that the processes were started.
        steady: What warm-up came to, by side.
        batch: Rows per call.
        asked: What was asked, in words.
        seconds: Wall seconds of all windows together, as planned.
        quick: True when all windows together lasted less than 60 s.
        warnings: What weakens the numbers, one sentence each.
        answers: How the answers to the given rows differ; None without a second side or without rows.
        loads: In the scenario `server` one mapping side -> Load for each rate; the readings are those of the first rate.
        reference: CPU time of the same small work between the windows, which shows the drift between sessions; None for few windows.
        host: The machine: instruction set, CPU, cores.
        digest: Of the artifact that was measured.
    """

    artifact: Path
    recipe: str
    readings: Readings
    other: Path | None
    other_recipe: str
    other_readings: Readings
    ratios: Readings
    noise_floor: float | None
    detectable: float | None
    windows: int
    window_s: float
    sittings: int
    steady: Mapping[str, Mapping[str, Any]]
    batch: int
    asked: str
    seconds: float
    quick: bool
    warnings: Sequence[str]
    answers: Answers | None = None
    loads: Sequence[Mapping[str, Load]] = ()
    reference: Reading | None = None
    host: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""

    def json(self) -> dict[str, Any]:
        """Plain data, in SI units."""

        def side(folder: Path, recipe: str, readings: Readings) -> dict[str, Any]:
            return {"folder": str(folder), "recipe": recipe, "readings": _json(readings)}

        return {
            "format": FORMAT,
            "target": side(self.artifact, self.recipe, self.readings),
            "against": None if self.other is None else side(self.other, self.other_recipe, self.other_readings),
            "ratios": _json(self.ratios),
            "noise_floor": self.noise_floor,
            "detectable": self.detectable,
            "windows": self.windows,
            "window_s": self.window_s,
            "sittings": self.sittings,
            "steady": {name: dict(found) for name, found in self.steady.items()},
            "batch": self.batch,
            "asked": self.asked,
            "seconds": self.seconds,
            "quick": self.quick,
            "warnings": list(self.warnings),
            "answers": None if self.answers is None else self.answers.json(),
            "loads": [{name: load.json() for name, load in loads.items()} for loads in self.loads],
            "reference": None if self.reference is None else self.reference.json(),
            "host": dict(self.host),
            "digest": self.digest,
        }


def _json(readings: Readings) -> dict[str, Any]:
    return {name: reading.json() for name, reading in readings.items()}
