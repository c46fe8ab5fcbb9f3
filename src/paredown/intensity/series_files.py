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
from paredown.ground.amounts import UNITS, is_finite
from paredown.intensity import series_names as names

MOST_BYTES = 100_000_000
"""Of a file, unpacked; ten years of five-minute values are less."""
YEARS = (1990, 2100)
"""In which a grid's hours lie."""
FORMATS = (
    "CSV of Electricity Maps or of the British system operator, CSV with two columns as `time,g_per_kwh`, or JSON of Electricity Maps v3, "
    "the Carbon Aware SDK, the UK Carbon Intensity API or WattTime v3"
)
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
        signal: average or marginal; unknown where neither the file nor its format says.
        step_s: Seconds that a value stands for, where the file says.
        estimated: How many values the file calls estimated; None where it does not say.
        forecast_s: The first time whose value is a forecast.
        ends: Whether the times are the ends of their steps.
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
    ends: bool = False
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
        with path.open("rb") as file, gzip.GzipFile(fileobj=file) as unpacked:
            raw = (unpacked if file.peek(2)[:2] == b"\x1f\x8b" else file).read(MOST_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadData(f"{path} cannot be unpacked: {error}.\n  Fetch the file again.") from None
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror}.\n  Give the path of an intensity series: {FORMATS}.") from None
    if len(raw) > MOST_BYTES:
        raise BadData(f"{path} holds more than {MOST_BYTES / 1e6:g} MB.\n  Give {FORMATS}.")
    try:
        return raw.decode("utf-8-sig")
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
    if not YEARS[0] <= time.year < YEARS[1]:
        raise BadData(f"{where}: the year {time.year} is none of a grid's.\n  Give hours of {YEARS[0]} to {YEARS[1]}.")
    return round(time.timestamp())


def _value(text: Any, where: str) -> float | None:
    """A number; None where there is none."""
    if text is None or (isinstance(text, str) and text.strip().lower() in _EMPTY):
        return None
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
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
    found = names.times(heads)
    if found is None:
        raise BadData(f"{path.name} has no column of times; found {_listed(heads)}.\n  Give {FORMATS}.")
    times, ends = found
    chosen = _column(path, heads, times, column)
    head = heads[chosen]
    factor = names.factor(head)
    if factor is None and names.has_unit(head):
        raise BadData(
            f"{path.name}: the column {head!r} is in no unit of an intensity.\n"
            "  Give a mass per energy, as `g_per_kwh`, `kg_per_mwh`, `lb_per_mwh` or `t_per_gwh`."
        )
    said, factor = factor is not None, factor or 1.0
    spare = next((at for at, other in enumerate(heads) if other.lower() == "forecast"), None) if head.lower() == "actual" else None
    utc = names.in_utc(heads[times])
    read: list[tuple[int, float | None, float | None, str]] = []
    for line, record in records:
        where = f"{path.name}:{line}"
        if len(record) < len(heads) or any(cell.strip() for cell in record[len(heads) :]):
            raise BadData(f"{where}: {len(record)} cells where the header has {len(heads)}.\n  Write all columns, and decimal points.")
        value = _value(record[chosen], where)
        later = _value(record[spare], where) if spare is not None else None
        read.append((time_of(record[times], where, utc), None if value is None else value * factor, later, where))
    notes = [] if said else [f"the column {head!r} says no unit; taken as g/kWh."]
    if re.search(r"lca|life.?cycle", head.lower()) and column is None and any("direct" in other.lower() for other in heads):
        notes.append(f"column {head!r} (life cycle); `direct` is there too.")
    measured, forecast_s = _with_forecast(read)
    if forecast_s is not None:
        notes.append("after the last actual value the forecast stands.")
    estimated = _where(heads, r"(data )?estimated$")
    return Rows(
        name=path.name,
        source=f"{path.name}, column {head!r}",
        zone=_zone(path, heads, records),
        times_s=[time for time, _, _, _ in read],
        values=measured,
        where=[where for _, _, _, where in read],
        signal=names.signal(path.name, [head, *_cells(heads, records, names.SAYS_SIGNAL)]) or "average",
        ends=ends,
        estimated=None if estimated is None else sum(record[estimated].strip().lower() == "true" for _, record in records),
        forecast_s=min(time for time, _, _, _ in read) if head.lower() == "forecast" and column is None and read else forecast_s,
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
    united = [at for at in others if names.factor(heads[at]) is not None]
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


def _cells(heads: Sequence[str], records: Iterable[tuple[int, list[str]]], pattern: str) -> list[str]:
    """What stands in a column, each once; nothing where there is no such column."""
    at = _where(heads, pattern)
    return [] if at is None else list(dict.fromkeys(record[at].strip() for _, record in records))


def _where(heads: Sequence[str], pattern: str) -> int | None:
    return next((at for at, head in enumerate(heads) if re.fullmatch(pattern, head.lower())), None)


def _zone(path: Path, heads: Sequence[str], records: Iterable[tuple[int, list[str]]]) -> str:
    """The one zone of the file."""
    pattern = next((pattern for pattern in (r"zone.?(id|key)", r"zone", r"region", r"location") if _where(heads, pattern) is not None), "-")
    return _one_zone(path, _cells(heads, records, pattern))


def _one_zone(path: Path, found: Iterable[Any]) -> str:
    zones = list(dict.fromkeys(str(name) for name in found if name))
    if len(zones) > 1:
        raise BadData(f"{path.name} holds {len(zones)} zones: {_listed(zones)}.\n  Give one file per zone.")
    return zones[0] if zones and zones[0].isprintable() else path.name.partition(".")[0]


def _with_forecast(found: Sequence[tuple[int, float | None, float | None, str]]) -> tuple[list[float | None], int | None]:
    """Values with the forecast after the last measured one, and where it begins."""
    last = max((time for time, value, _, _ in found if value is not None), default=-math.inf)
    ahead = [time for time, _, later, _ in found if time > last and later is not None]
    return [later if time > last else value for time, value, later, _ in found], min(ahead, default=None)


def _listed(found: Sequence[str]) -> str:
    return ", ".join(map(repr, found[:12])) + (", ..." if len(found) > 12 else "")


def _json_rows(path: Path, text: str) -> Rows:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadData(f"{path.name}:{error.lineno}: this is not JSON: {error.msg}.\n  Give {FORMATS}.") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or lists in lists without end
        raise BadData(f"{path.name} is JSON that no service writes: a number too long, or nested too deep.\n  Give {FORMATS}.") from None
    for known in (_electricity_maps, _watttime, _uk, _carbon_aware):
        rows = known(path, data)
        if rows is not None:
            return rows
    seen = list(data) if isinstance(data, Mapping) else [f"a list of {len(data)}"]
    raise BadData(f"{path.name} is JSON of no known format; found {_listed(seen)}.\n  Give {FORMATS}.")


def _rows(
    path: Path, source: str, zone: str, items: Iterable[Any], pair: Callable[[Any], tuple[Any, Any]], factor: float = 1.0, **more: Any
) -> Rows:
    """Rows from the entries of a list."""
    times, values, where = [], [], []
    for number, item in enumerate(items):
        place = f"{path.name}: {source} entry {number}"
        try:
            time, value = pair(item)
        except (KeyError, TypeError, AttributeError):
            raise BadData(f"{place} has not the fields of its format.\n  Give the service's answer as it came.") from None
        times.append(time_of(time, place))
        found = _value(value, place)
        values.append(None if found is None else found * factor)
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
        lambda item: (item["point_time"], item["value"]),
        factor=UNITS["g/kWh"]["lb/MWh"],
        signal="average" if "aoer" in kind else "marginal",
        step_s=int(step) if is_finite(step) else None,
        notes=("lb/MWh x 0.45359237; CO2 only, not CO2e.",),
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
    ahead, said, place = "forecastdata" in items[0], _said(items), items[0].get("location")
    if ahead:
        if len(items) > 1:
            raise BadData(f"{path.name} holds {len(items)} forecasts.\n  Give one file per forecast and place.")
        points = items[0]["forecastdata"]
        if not isinstance(points, list) or not all(isinstance(point, Mapping) for point in points):
            return None
        items = [{str(key).lower(): value for key, value in point.items()} for point in points]
    time, value = ("timestamp", "value") if ahead else ("time", "rating")
    if not items or not {time, value} <= set(items[0]):
        return None
    zone = _one_zone(path, [place, *(item.get("location") for item in items)])
    source = f"Carbon Aware SDK {'forecast' if ahead else 'emissions'}"
    signal = names.signal(path.name, [*said, *_said(items)])
    if signal is None:
        source += ", which does not say whether average or marginal"
    rows = _rows(path, source, zone, items, lambda item: (item[time], item[value]), signal=signal or "unknown")
    return _all_forecast(rows) if ahead else rows


def _said(items: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
    """What entries say of their signal: in a field of that name, in the region's, or by `marginal: true`."""
    for item in items:
        named = {key: value for key, value in item.items() if re.fullmatch(rf"{names.SAYS_SIGNAL}|location", key)}
        yield from (key if value is True else value for key, value in named.items())
