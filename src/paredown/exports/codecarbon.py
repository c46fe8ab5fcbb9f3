"""CodeCarbon's emissions.csv as records, as far as its columns say how it was made.

Source: CodeCarbon 3.3.2 (MIT), `output_methods/emissions_data.py`; read 2026-11.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from paredown.core.errors import BadData
from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.impact.carbon import KWH_J

_NEEDED = ("timestamp", "duration", "emissions", "energy_consumed")
_PARTS = {"package_energy": ("cpu_energy", "cpu"), "dram_energy": ("ram_energy", "memory"), "gpu_energy": ("gpu_energy", "gpu")}
_G_PER_KG = 1e3
_SAME = 0.01
_METHOD = "tracking method not recorded"
_BOUNDARY = {
    "machine": "The whole machine, as CodeCarbon's tracking mode `machine` has it: whoever works on it, and idle.",
    "process": "The process, as CodeCarbon's tracking mode `process` has it.",
}


def read_codecarbon(path: Path) -> list[EnergyRecord]:
    """One record per row; how the numbers were made is not in the file, so that all stand as estimated.

    Args:
        path: An emissions.csv.

    Raises:
        BadData: It is no such table, or a row has no time or duration; says the line.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        table = csv.DictReader(file)
        lacking = [name for name in _NEEDED if name not in (table.fieldnames or ())]
        if lacking:
            raise BadData(
                f"{path} is no emissions.csv of CodeCarbon: it has no column {', '.join(lacking)}.\n"
                "  Give the file that its tracker wrote; records of paredown end in .jsonl or .json."
            )
        try:
            return [_record(row, f"{path}:{table.line_num}") for row in table]
        except csv.Error as error:
            raise BadData(f"{path}:{table.line_num + 1} is no line of a table: {error}.\n  Delete the row.") from None


def _record(row: Mapping[str, str], where: str) -> EnergyRecord:
    wall_s = _number(row, "duration")
    try:
        ended = datetime.fromisoformat(row["timestamp"])
    except (TypeError, ValueError):
        ended = None
    if wall_s is None or ended is None:
        raise BadData(
            f"{where}: timestamp is {row['timestamp']!r} and duration {row['duration']!r}; a row needs both.\n"
            "  Delete the row, which was cut off."
        )
    source = f"CodeCarbon {row.get('codecarbon_version') or 'of unknown version'}, {_METHOD}"
    notes = [] if ended.tzinfo else ["the time stands without its zone; it is taken as UTC, and no hours are told"]
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
    readings["carbon"] = (
        Missing(quantity="carbon", reason="the column emissions holds no amount")
        if emissions is None
        else Reading(quantity="carbon", value=emissions * _G_PER_KG, how=How.ESTIMATED, source=told)
    )
    water, wue = _number(row, "water_consumed"), _number(row, "wue")
    readings["water"] = (
        Reading(quantity="water", value=water, how=How.ESTIMATED, source=f"{source}; WUE {wue:g} L/kWh")
        if water and wue
        else Missing(quantity="water", reason="CodeCarbon was given no water usage; its 0 is a default")
    )
    memory_gib, cores = _number(row, "ram_total_size"), _number(row, "cpu_count")
    host = {"cpu": {"brand": row.get("cpu_model", "")}, "cores": cores and int(cores), "memory_b": memory_gib and round(memory_gib * 2**30)}
    mode = row.get("tracking_mode", "")
    return EnergyRecord(
        activity="other",
        subject=row.get("project_name") or "codecarbon",
        unit="run",
        count=1,
        readings=readings,
        wall_s=wall_s,
        started=((ended if ended.tzinfo else ended.replace(tzinfo=UTC)) - timedelta(seconds=wall_s)).isoformat(timespec="seconds"),
        boundary=_BOUNDARY.get(mode, f"Not recorded; CodeCarbon's tracking mode is {mode or 'not recorded'}."),
        host=host,
        notes=tuple(notes),
    )


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
    return value if 0 <= value < math.inf else None
