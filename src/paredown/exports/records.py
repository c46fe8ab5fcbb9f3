"""Records out of files: what `track(to=...)` and the JSON export write, CodeCarbon's table, a study's result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paredown.core.errors import BadData
from paredown.core.reading import How, Reading, reading_from_json
from paredown.core.record import EnergyRecord, record_from_json
from paredown.exports.codecarbon import read_codecarbon
from paredown.ground.amounts import is_finite

FORMAT = "paredown.records/1"
_BOUNDARY = (
    "One inference is raw input to decoded answer, in a process of its own: its CPU time, all threads. Loading, disks, networks and other "
    "machines are not in it."
)
_SEARCH = "All that was built, measured and asked after the baseline existed: the processes of the search on this machine."


def read_records(path: Path) -> list[EnergyRecord]:
    """The records of a file.

    Args:
        path: .jsonl of `track`, .json of `paredown export --format json` or of one record, or CodeCarbon's emissions .csv.

    Raises:
        BadData: There is no such file, it is of another kind, or a record in it is not whole; says the line.
    """
    if not path.is_file():
        raise BadData(f"{path} is not there.\n  Give the folder of a study, or a file of records: .jsonl, .json, or CodeCarbon's .csv.")
    if path.suffix == ".csv":
        return read_codecarbon(path)
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".jsonl":
            return [record for at, line in enumerate(text.split("\n"), 1) if line.strip() for record in _record(f"{path}:{at}", line)]
        return [*_record(str(path), text)]
    except UnicodeDecodeError:
        raise BadData(f"{path} is not UTF-8 text.\n  Give what `track(to=...)` or `paredown export --format json` wrote.") from None


def _record(where: str, text: str) -> Iterator[EnergyRecord]:
    """One record, or those of a document."""
    try:
        data = json.loads(text)
        found = data["records"] if data.get("format") == FORMAT else [data]
        yield from [_checked(record_from_json(item)) for item in found]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadData(
            f"{where} is no record of energy: {type(error).__name__}: {error}.\n"
            "  A line that was cut off by a kill can be deleted; else give what `track(to=...)` or `paredown export` wrote."
        ) from None


def _checked(record: EnergyRecord) -> EnergyRecord:
    """The record itself; ValueError where a number in it is none, or counts nothing."""
    numbers: dict[str, Any] = {"count": record.count, "wall_s": record.wall_s, **record.hourly_j}
    for name, item in record.readings.items():
        if isinstance(item, Reading):
            numbers |= {name: item.value} | {f"{name}.{end}": value for end in ("low", "high") if (value := getattr(item, end)) is not None}
    odd = [name for name, value in numbers.items() if not is_finite(value)]
    if odd:
        raise ValueError(f"{odd[0]} is {numbers[odd[0]]!r}, which is no finite number")
    if record.count <= 0:
        raise ValueError(f"count is {record.count:g}; it is above 0")
    return record


def study_records(result: Mapping[str, Any]) -> list[EnergyRecord]:
    """One inference of the model as given, one of the chosen model, and the search of a study, out of its result.json."""
    plain = {"host": result.get("host", {}), "started": result["created"]}
    named = [(role, result[role]) for role in ("baseline", "chosen") if result.get(role)]
    out = []
    for role, side in named:
        readings = {name: reading_from_json(name, item) for name, item in side["readings"].items()}
        rate = readings.get("throughput")
        wall_s = 1 / rate.value if isinstance(rate, Reading) and rate.value else 0.0
        windows = {"n": rate.n} if isinstance(rate, Reading) else {}
        record = EnergyRecord(
            activity="inference",
            subject=f"{result['name']} {role}",
            unit="inference",
            count=1,
            readings=readings,
            wall_s=wall_s,
            boundary=_BOUNDARY,
            windows=windows,
            notes=(f"recipe: {side['recipe']}",),
            **plain,
        )
        out.append(record)
    search = result.get("search")
    if search:
        spent = reading_from_json("energy", search["energy_j"])
        cpu = Reading(quantity="cpu_time", value=search["cpu_s"], how=How.MEASURED, covers=("cpu",))
        readings = {"cpu_time": cpu, "energy": spent}
        hourly_j = search.get("hourly_j", {})
        kind = {"activity": "compression-search", "subject": result["name"], "unit": "study", "count": 1, "boundary": _SEARCH}
        out.append(EnergyRecord(**kind, readings=readings, wall_s=search["wall_s"], hourly_j=hourly_j, **plain))
    return out
