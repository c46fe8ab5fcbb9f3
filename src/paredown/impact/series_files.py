"""What files of grid intensity look like: exports and recorded answers of the services, to rows of time and value.

Source: Electricity Maps (data portal CSV, API v3), NESO Carbon Intensity API, Carbon Aware SDK, WattTime API v3;
the documentation of each, read 2026-11.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from paredown.core.errors import BadData

LB_PER_MWH = 0.453592
"""g/kWh in one lb/MWh."""
FORMATS = (
    "CSV of Electricity Maps or of the British system operator, CSV with two columns as `time,g_per_kwh`, or JSON of Electricity Maps v3, "
    "the Carbon Aware SDK, the UK Carbon Intensity API or WattTime v3"
)
_GAS = r"[^a-z]*(co.?2?\W?(e|eq)?)?\W*/\W*"
_UNITS = (
    (rf"(kg|kilogram)s?{_GAS}kwh", 1000.0),
    (rf"(kg|kilogram)s?{_GAS}mwh", 1.0),
    (rf"(lbs?|pounds?){_GAS}mwh", LB_PER_MWH),
    (rf"\bt(onne|on)?s?{_GAS}mwh", 1000.0),
    (rf"g(rams?)?{_GAS}kwh", 1.0),
)
"""What a column's name may say, lower case with "per" as "/", and g/kWh in one of it."""
_NO_UNIT = ("carbon_intensity", "carbonintensity", "carbon intensity", "intensity", "actual", "forecast", "value")
_EMPTY = ("", "null", "none", "nan", "n/a", "na", "-")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What stands in a file.

    Args:
        name: The file, for messages.
        source: What kind of file it is, its name and column.
        zone: As the file names it, else the file's name.
        times_s: Seconds since 1970 UTC, in the file's order.
        values: g CO2e per kWh; None where the file has none.
        where: The place of each, for messages.
        signal: average or marginal.
        step_s: Seconds that a value stands for, where the file says.
        estimated: How many values the file calls estimated; None where it does not say.
        forecast_s: The first time whose value is a forecast.
        unit_said: Whether the file or its format says the unit.
        notes: What was assumed.
    """

    name: str
    source: str
    zone: str
    times_s: Sequence[int]
    values: Sequence[float | None]
    where: Sequence[str]
    signal: str = "average"
    step_s: int | None = None
    estimated: int | None = None
    forecast_s: int | None = None
    unit_said: bool = True
    notes: tuple[str, ...] = field(default=())


def rows_of(path: Path, column: str | None = None) -> Rows:
    """The rows of a file of any known format.

    Raises:
        BadData: It cannot be read, is of no known format, or a time or value in it cannot be read; says where.
    """
    text = _text(path)
    if text.lstrip()[:1] in ("{", "["):
        if column is not None:
            raise BadData(f"{path.name} is JSON, which has no column {column!r}.\n  Leave the column out.")
        return _json_rows(path, text)
    return _csv_rows(path, text, column)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror}.\n  Give the path of an intensity series: {FORMATS}.") from None
    try:
        return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise BadData(f"{path} cannot be unpacked: {error}.\n  Fetch the file again.") from None
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: byte {error.start} is not UTF-8 text.\n  Give {FORMATS}.") from None


def time_of(text: Any, where: str, utc: bool = False) -> int:
    """A time as seconds since 1970 UTC, to the second.

    Args:
        text: ISO 8601.
        where: For messages.
        utc: True where the column says that a time without an offset is UTC.

    Raises:
        BadData: It is no time, or does not say its offset.
    """
    try:
        time = datetime.fromisoformat(str(text).strip())
    except ValueError:
        raise BadData(f"{where}: {str(text)[:40]!r} is no time.\n  Write ISO 8601 with an offset, as `2023-01-01T00:00Z`.") from None
    if time.tzinfo is None:
        if not utc:
            raise BadData(
                f"{where}: the time {str(text)[:40]!r} does not say its offset from UTC.\n"
                "  Write `2023-01-01T00:00Z` or `+01:00`; where all times are UTC, call the column `time_utc`."
            )
        time = time.replace(tzinfo=UTC)
    return round(time.timestamp())


def _value(text: Any, where: str) -> float | None:
    """A number; None where there is none."""
    if text is None or (isinstance(text, str) and text.strip().lower() in _EMPTY):
        return None
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if isinstance(text, bool) or not math.isfinite(value):
        raise BadData(f"{where}: {str(text)[:40]!r} is no number.\n  Write g CO2e per kWh with a decimal point, or leave it empty.")
    return value


def _csv_rows(path: Path, text: str, column: str | None) -> Rows:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise BadData(f"{path} is empty.\n  Give {FORMATS}.")
    separator = max(",;\t", key=lines[0].count)
    reader = csv.reader(text.splitlines(), delimiter=separator)
    heads: list[str] = []
    records: list[tuple[int, list[str]]] = []
    for record in _lines_of(path, reader):
        if not record or not any(cell.strip() for cell in record) or record[0].startswith("#"):
            continue
        if not heads:
            heads = [cell.strip() for cell in record]
        else:
            records.append((reader.line_num, record))
    times = next((at for at, head in enumerate(heads) if re.match(r"(date|time|from\b|start|utc|hour|period)", head.lower())), None)
    if times is None:
        raise BadData(f"{path.name} has no column of times; found {_listed(heads)}.\n  Give {FORMATS}.")
    chosen = _column(path, heads, times, column)
    head = heads[chosen]
    factor = _factor(head)
    said, factor = factor is not None, factor or 1.0
    spare = next((at for at, other in enumerate(heads) if other.lower() == "forecast"), None) if head.lower() == "actual" else None
    utc = "utc" in heads[times].lower()
    found: list[tuple[int, float | None, float | None, str]] = []
    for line, record in records:
        where = f"{path.name}:{line}"
        if len(record) < len(heads) or any(cell.strip() for cell in record[len(heads) :]):
            raise BadData(f"{where}: {len(record)} cells where the header has {len(heads)}.\n  Write all columns, and decimal points.")
        value = _value(record[chosen], where)
        later = _value(record[spare], where) if spare is not None else None
        found.append((time_of(record[times], where, utc), None if value is None else value * factor, later, where))
    notes = [] if said else [f"the column {head!r} says no unit; taken as g/kWh."]
    if re.search(r"lca|life.?cycle", head.lower()) and column is None and any("direct" in other.lower() for other in heads):
        notes.append(f"column {head!r} (life cycle); `direct` is there too.")
    measured, forecast_s = _with_forecast(found)
    if forecast_s is not None:
        notes.append("after the last actual value the forecast stands.")
    estimated = _where(heads, r"(data )?estimated$")
    return Rows(
        name=path.name,
        source=f"{path.name}, column {head!r}",
        zone=_zone(path, heads, records),
        times_s=[time for time, _, _, _ in found],
        values=measured,
        where=[where for _, _, _, where in found],
        signal="marginal" if re.search(r"marginal|moer", head.lower()) else "average",
        estimated=None if estimated is None else sum(record[estimated].strip().lower() == "true" for _, record in records),
        forecast_s=found[0][0] if head.lower() == "forecast" and column is None and found else forecast_s,
        unit_said=said,
        notes=tuple(notes),
    )


def _lines_of(path: Path, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise BadData(f"{path.name} is no CSV: {error}.\n  Give {FORMATS}.") from None


def _column(path: Path, heads: Sequence[str], times: int, column: str | None) -> int:
    """Where the values stand: as asked, else life cycle before direct, else the one that says a unit or a known name."""
    others = [at for at in range(len(heads)) if at != times]
    if column is not None:
        exact = [at for at in others if heads[at].lower() == column.lower()]
        part = exact or [at for at in others if column.lower() in heads[at].lower()]
        if len(part) != 1:
            found = "no column" if not part else f"{len(part)} columns"
            raise BadData(f"{path.name} has {found} {column!r}; found {_listed(heads)}.\n  Give one of them.")
        return part[0]
    united = [at for at in others if _factor(heads[at]) is not None]
    whole_life = [at for at in united if re.search(r"lca|life.?cycle", heads[at].lower())]
    named = [at for name in _NO_UNIT for at in others if heads[at].lower() == name]
    choice = whole_life[:1] if len(whole_life) == 1 else united or named[:1]
    if len(choice) != 1:
        found = f"{len(choice)} columns of intensity" if choice else "no column of intensity that says its unit"
        raise BadData(
            f"{path.name} has {found}; found {_listed(heads)}.\n"
            "  Name one with `--column`, or call it `g_per_kwh` (allowed too: kg_per_mwh, lb_per_mwh, kg_per_kwh)."
        )
    return choice[0]


def _factor(head: str) -> float | None:
    """g/kWh in one of the column's unit; None where its name says none."""
    plain = head.lower().replace("₂", "2").replace("_", " ").replace(" per ", "/")
    return next((factor for pattern, factor in _UNITS if re.search(pattern, plain)), None)


def _where(heads: Sequence[str], pattern: str) -> int | None:
    return next((at for at, head in enumerate(heads) if re.fullmatch(pattern, head.lower())), None)


def _zone(path: Path, heads: Sequence[str], records: Iterable[tuple[int, list[str]]]) -> str:
    """The one zone of the file."""
    at = next((at for pattern in (r"zone.?(id|key)", r"zone", r"region", r"location") if (at := _where(heads, pattern)) is not None), None)
    return _one_zone(path, [] if at is None else [record[at].strip() for _, record in records])


def _one_zone(path: Path, names: Iterable[Any]) -> str:
    zones = list(dict.fromkeys(str(name) for name in names if name))
    if len(zones) > 1:
        raise BadData(f"{path.name} holds {len(zones)} zones: {_listed(zones)}.\n  Give one file per zone.")
    return zones[0] if zones else path.name.partition(".")[0]


def _with_forecast(found: Sequence[tuple[int, float | None, float | None, str]]) -> tuple[list[float | None], int | None]:
    """Values with the forecast after the last measured one, and where it begins."""
    last = max((time for time, value, _, _ in found if value is not None), default=-math.inf)
    ahead = [time for time, _, later, _ in found if time > last and later is not None]
    return [later if time > last else value for time, value, later, _ in found], min(ahead, default=None)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:12])) + (", ..." if len(names) > 12 else "")


def _json_rows(path: Path, text: str) -> Rows:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadData(f"{path.name}:{error.lineno}: this is not JSON: {error.msg}.\n  Give {FORMATS}.") from None
    except RecursionError:
        raise BadData(f"{path.name} is JSON nested too deep to be a series.\n  Give {FORMATS}.") from None
    for known in (_electricity_maps, _watttime, _uk, _carbon_aware):
        rows = known(path, data)
        if rows is not None:
            return rows
    seen = list(data) if isinstance(data, Mapping) else [f"a list of {len(data)}"]
    raise BadData(f"{path.name} is JSON of no known format; found {_listed(seen)}.\n  Give {FORMATS}.")


def _rows(path: Path, source: str, zone: str, items: Iterable[Any], pair: Callable[[Any], tuple[Any, Any]], **more: Any) -> Rows:
    """Rows from the entries of a list."""
    times, values, where = [], [], []
    for number, item in enumerate(items):
        place = f"{path.name}: {source} entry {number}"
        try:
            time, value = pair(item)
        except (KeyError, TypeError, AttributeError):
            raise BadData(f"{place} has not the fields of its format.\n  Give the service's answer as it came.") from None
        times.append(time_of(time, place))
        values.append(_value(value, place))
        where.append(place)
    return Rows(name=path.name, source=f"{path.name}, {source}", zone=zone, times_s=times, values=values, where=where, **more)


def _electricity_maps(path: Path, data: Any) -> Rows | None:
    if not isinstance(data, Mapping):
        return None
    key = next((key for key in ("history", "forecast", "data") if isinstance(data.get(key), list)), None)
    items = data.get(key, []) if key else []
    if not items or not isinstance(items[0], Mapping) or "carbonIntensity" not in items[0]:
        return None
    kinds = {str(item.get("emissionFactorType", "lifecycle")) for item in items if isinstance(item, Mapping)}
    if len(kinds) > 1:
        raise BadData(f"{path.name} mixes {' and '.join(sorted(kinds))} factors.\n  Ask the service for one of them.")
    zone = _one_zone(path, [data.get("zone"), *(item.get("zone") for item in items if isinstance(item, Mapping))])
    said = any(isinstance(item, Mapping) and "isEstimated" in item for item in items)
    rows = _rows(
        path,
        f"Electricity Maps {key}, {next(iter(kinds))}",
        zone,
        items,
        lambda item: (item["datetime"], item["carbonIntensity"]),
        estimated=sum(isinstance(item, Mapping) and item.get("isEstimated") is True for item in items) if said else None,
    )
    return _all_forecast(rows) if key == "forecast" else rows


def _all_forecast(rows: Rows) -> Rows:
    from dataclasses import replace

    return replace(rows, forecast_s=min(rows.times_s, default=None))


def _watttime(path: Path, data: Any) -> Rows | None:
    if not isinstance(data, Mapping) or not isinstance(data.get("meta"), Mapping) or not isinstance(data.get("data"), list):
        return None
    meta = data["meta"]
    unit, kind = str(meta.get("units")), str(meta.get("signal_type"))
    if unit != "lbs_co2_per_mwh":
        raise BadData(f"{path.name}: the unit is {unit!r}; only 'lbs_co2_per_mwh' is an intensity.\n  Ask for the signal co2_moer.")
    step = meta.get("data_point_period_seconds")
    rows = _rows(
        path,
        f"WattTime {kind}",
        str(meta.get("region") or path.name.partition(".")[0]),
        data["data"],
        lambda item: (item["point_time"], item["value"] if item["value"] is None else item["value"] * LB_PER_MWH),
        signal="average" if "aoer" in kind else "marginal",
        step_s=int(step) if isinstance(step, int | float) else None,
        notes=("lb/MWh x 0.453592; CO2 only, not CO2e.",),
    )
    return _all_forecast(rows) if "generated_at" in meta else rows


def _uk(path: Path, data: Any) -> Rows | None:
    block = data.get("data") if isinstance(data, Mapping) else None
    if isinstance(block, list) and len(block) == 1 and isinstance(block[0], Mapping) and isinstance(block[0].get("data"), list):
        block = block[0]
    zone = "GB"
    if isinstance(block, Mapping) and isinstance(block.get("data"), list):
        zone, block = str(block.get("shortname") or block.get("regionid") or "GB"), block["data"]
    if not isinstance(block, list) or not block or not isinstance(block[0], Mapping) or not isinstance(block[0].get("intensity"), Mapping):
        return None
    rows = _rows(
        path, "UK Carbon Intensity API", zone, block, lambda item: (item["from"], item["intensity"].get("actual")), step_s=1800
    )  # fmt: skip
    later = [_value(item["intensity"].get("forecast"), where) for item, where in zip(block, rows.where)]
    values, forecast_s = _with_forecast(list(zip(rows.times_s, rows.values, later, rows.where)))
    from dataclasses import replace

    note = ("after the last actual value the forecast stands.",) if forecast_s is not None else ()
    return replace(rows, values=values, forecast_s=forecast_s, notes=note)


def _carbon_aware(path: Path, data: Any) -> Rows | None:
    items = data if isinstance(data, list) else [data]
    if not items or not all(isinstance(item, Mapping) for item in items):
        return None
    items = [{str(key).lower(): value for key, value in item.items()} for item in items]
    ahead = "forecastdata" in items[0]
    if ahead:
        if len(items) > 1:
            raise BadData(f"{path.name} holds {len(items)} forecasts.\n  Give one file per forecast and place.")
        items = [{str(key).lower(): value for key, value in item.items()} for item in items[0]["forecastdata"] or []]
    time, value = ("timestamp", "value") if ahead else ("time", "rating")
    if not items or not {time, value} <= set(items[0]):
        return None
    zone = _one_zone(path, [item.get("location") for item in items])
    source = f"Carbon Aware SDK {'forecast' if ahead else 'emissions'}"
    rows = _rows(path, source, zone, items, lambda item: (item[time], item[value]))
    return _all_forecast(rows) if ahead else rows
