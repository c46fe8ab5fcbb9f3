"""CodeCarbon's emissions.csv as records, as far as its columns say how it was made.

Source: CodeCarbon 3.3.2 (MIT), `output_methods/emissions_data.py`; read 2026-11.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from paredown.core.errors import BadData
from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.exports.checks import checked
from paredown.ground.amounts import MOST
from paredown.impact.carbon import KWH_J

_NEEDED = ("timestamp", "duration", "emissions", "energy_consumed")
_PARTS = {"package_energy": ("cpu_energy", "cpu"), "dram_energy": ("ram_energy", "memory"), "gpu_energy": ("gpu_energy", "gpu")}
_G_PER_KG = 1e3
_SAME = 0.01
_MOST = 1e20
"""Of any cell; what is more, or is no number, is no amount."""
_NO_RUN = "its row has no run_id and stands by itself; where several rows are one run, they hold each other and are added all the same"
_METHOD = "tracking method not recorded"
_BOUNDARY = {
    "machine": "The whole machine, as CodeCarbon's tracking mode `machine` has it: whoever works on it, and idle.",
    "process": "The process, as CodeCarbon's tracking mode `process` has it.",
}


def read_codecarbon(path: Path) -> list[EnergyRecord]:
    """One record per run: its last row, because each row of a run holds all since its start.

    Rows of a run have one run_id, experiment and project. Where its counters fall, it was started again under one run_id, and both parts
    count. Rows of single tasks, which have a task_name, and rows without a run_id count each by itself. How the numbers were made is not
    in the file, so that all stand as estimated.

    Args:
        path: An emissions.csv, or the file of the tasks of one run.

    Raises:
        BadData: It is no such table, or a row has no time or duration; says the line.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        table = csv.DictReader(file)
        try:
            lacking = [name for name in _NEEDED if name not in (table.fieldnames or ())]
            rows = [] if lacking else [_row(row, f"{path}:{table.line_num}") for row in table]
        except csv.Error as error:
            raise BadData(f"{path}:{table.line_num + 1} is no line of a table: {error}.\n  Delete the row.") from None
    if lacking or not rows:
        lack = f"it has no column {', '.join(lacking)}" if lacking else "it has no row"
        raise BadData(
            f"{path} is no emissions.csv of CodeCarbon: {lack}.\n"
            "  Give the file that its tracker wrote; records of paredown end in .jsonl or .json."
        )
    runs: dict[tuple[str, ...], list[_Row]] = {}
    for at, row in enumerate(rows):
        run = row.cells.get("run_id") or ""
        alone = str(at) if row.cells.get("task_name") or not run else ""
        runs.setdefault((run, *(row.cells.get(name) or "" for name in ("experiment_id", "project_name")), alone), []).append(row)
    return [_record(*last) for found in runs.values() for last in _last(found)]


@dataclass(frozen=True)
class _Row:
    """One row with its time and what has to rise from row to row of a run: seconds and kWh."""

    cells: Mapping[str, str]
    where: str
    ended: datetime
    wall_s: float
    kwh: float


def _row(cells: Mapping[str, str], where: str) -> _Row:
    wall_s = _number(cells, "duration")
    try:
        ended = datetime.fromisoformat(cells["timestamp"])
        _utc(ended) - timedelta(seconds=wall_s or 0.0)
    except (TypeError, ValueError, OverflowError):
        wall_s = None
    if wall_s is None:
        raise BadData(
            f"{where}: timestamp is {cells['timestamp']!r} and duration {cells['duration']!r}; a row needs both.\n"
            "  Delete the row, which was cut off."
        )
    return _Row(cells, where, ended, wall_s, _number(cells, "energy_consumed") or 0.0)


def _last(rows: Sequence[_Row]) -> Iterator[tuple[_Row, list[str]]]:
    """The last row of each part of a run, with what to say of it; a file that was sorted anew is put back in the order of time."""
    by_time = sorted(rows, key=lambda row: (_utc(row.ended), row.wall_s))
    parts = min(_parts(rows), _parts(by_time), key=len)
    for part in parts:
        notes = [] if part[-1].cells.get("run_id") or part[-1].cells.get("task_name") else [_NO_RUN]
        if len(part) > 1:
            notes.append(f"the last of {len(part)} rows of its run: each holds all since the start, so that they are not added")
        if len(parts) > 1:
            notes.append(f"its counters fell: it is one of {len(parts)} parts that ran under one run_id, which add up")
        yield part[-1], notes


def _parts(rows: Sequence[_Row]) -> list[list[_Row]]:
    """Rows in this order, cut where a counter falls."""
    parts: list[list[_Row]] = []
    for row in rows:
        if parts and row.wall_s >= parts[-1][-1].wall_s and row.kwh >= parts[-1][-1].kwh:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _record(found: _Row, notes: list[str]) -> EnergyRecord:
    row, wall_s, ended = found.cells, found.wall_s, found.ended
    source = f"CodeCarbon {row.get('codecarbon_version') or 'of unknown version'}, {_METHOD}"
    notes += [] if ended.tzinfo else ["the time stands without its zone; it is taken as UTC, and no hours are told"]
    readings: dict[str, Reading | Missing] = {}
    for quantity, (column, covers) in _PARTS.items():
        readings[quantity] = _energy(row, quantity, column, covers, source)
    parts = [item for item in readings.values() if isinstance(item, Reading)]
    whole = _number(row, "energy_consumed")
    if whole is not None and abs(sum(item.value for item in parts) - whole * KWH_J) > _SAME * whole * KWH_J:
        notes.append(f"energy_consumed is {whole * KWH_J:.6g} J, which its parts do not add up to")
    place = ", ".join(text for key in ("country_name", "region", "cloud_provider", "cloud_region") if (text := row.get(key)))
    if "canada" in place.lower() and "quebec" in place.lower():
        notes.append("CodeCarbon also says Canada, Quebec where it did not find out the place")
    emissions = _number(row, "emissions")
    pue = _number(row, "pue")
    told = f"{source}; {place or 'place not recorded'}" + ("" if pue is None else f"; PUE {pue:g}")
    if emissions is None:
        readings["carbon"] = Missing(quantity="carbon", reason="the column emissions holds no amount")
    elif whole and emissions * _G_PER_KG > MOST["g/kWh"] * whole * (pue or 1.0):
        reason = f"{emissions:g} kg for {whole:g} kWh is more than any power station emits ({MOST['g/kWh']:g} g/kWh)"
        readings["carbon"] = Missing(quantity="carbon", reason=reason)
    else:
        readings["carbon"] = Reading(quantity="carbon", value=emissions * _G_PER_KG, how=How.ESTIMATED, source=told)
    water, wue = _number(row, "water_consumed"), _number(row, "wue")
    readings["water"] = (
        Reading(quantity="water", value=water, how=How.ESTIMATED, source=f"{source}; WUE {wue:g} L/kWh")
        if water and wue
        else Missing(quantity="water", reason="CodeCarbon was given no water usage; its 0 is a default")
    )
    memory_gib, cores = _number(row, "ram_total_size"), _number(row, "cpu_count")
    host = {
        "cpu": {"brand": row.get("cpu_model") or ""},
        "cores": cores and int(cores),
        "memory_b": memory_gib and round(memory_gib * 2**30),
    }
    mode = row.get("tracking_mode") or ""
    named = [text for key in ("project_name", "task_name") if (text := row.get(key))]
    record = EnergyRecord(
        activity="other",
        subject=" ".join(named) or "codecarbon",
        unit="run",
        count=1,
        readings=readings,
        wall_s=wall_s,
        started=(_utc(ended) - timedelta(seconds=wall_s)).isoformat(timespec="seconds"),
        boundary=_BOUNDARY.get(mode, f"Not recorded; CodeCarbon's tracking mode is {mode or 'not recorded'}."),
        host=host,
        notes=tuple(notes),
    )
    try:
        return checked(record)
    except ValueError as error:
        raise BadData(f"{found.where} is no row of CodeCarbon: {error}.\n  Delete the row.") from None


def _energy(row: Mapping[str, str], quantity: str, column: str, covers: str, source: str) -> Reading | Missing:
    """A part of the energy; a card whose energy stands as 0 had no counter that CodeCarbon reads."""
    kwh = _number(row, column)
    if kwh is None:
        return Missing(quantity=quantity, reason=f"the column {column} holds no amount")
    if quantity == "gpu_energy" and kwh == 0:
        cards = _number(row, "gpu_count")
        why = "CodeCarbon saw no card" if not cards else "CodeCarbon writes 0 for cards without an energy counter"
        return Missing(quantity=quantity, reason=why)
    return Reading(quantity=quantity, value=kwh * KWH_J, how=How.ESTIMATED, covers=(covers,), source=source)


def _number(row: Mapping[str, str], column: str) -> float | None:
    """The number of a cell, finite and not below 0; None where there is none."""
    try:
        value = float(row.get(column) or "nan")
    except ValueError:
        return None
    return value if 0 <= value < _MOST else None
