"""What a record that comes from outside has to be, before anything is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from paredown.core.errors import UnknownName
from paredown.core.quantity import quantity
from paredown.core.reading import How, Reading
from paredown.core.record import ACTIVITIES, EnergyRecord, record_from_json
from paredown.ground.amounts import is_finite
from paredown.ground.checks import LARGE
from paredown.ground.hours import HOUR

MOST_S = 1e10
"""Wall seconds of a record: three hundred years."""
_YEARS = (1970, 2200)
_DEEP = 8
_SIGNED = ("carbon", "market_carbon", "sci", "cost", "quality")
"""Quantities that may be below 0: a marginal grid may, and what follows from it."""
_TEXTS = ("activity", "subject", "unit", "started", "boundary")
_MAPPINGS = ("readings", "estimators", "hourly_j", "host", "windows")


def record_of(data: Any) -> EnergyRecord:
    """A record out of plain data.

    Raises:
        ValueError: It is none; says what was found.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{_short(data)} stands where a record has to be")
    for name in (*_TEXTS, "count", "wall_s", "readings"):
        if name not in data:
            raise ValueError(f"it has no {name}")
    data = {"estimators": {}, "hourly_j": {}, "host": {}, "windows": {}, "notes": [], "id": "", "shared": [], "origin": None, **data}
    for name in (*_TEXTS, "id"):
        _text(name, data[name])
    for name in _MAPPINGS:
        _mapping(name, data[name])
    _texts("notes", data["notes"])
    for name, item in (*data["readings"].items(), *data["estimators"].items()):
        _reading(name, item)
    for name in ("host", "windows"):
        _plain(name, data[name], _DEEP)
    cpu = data["host"].get("cpu")
    if not isinstance(cpu, str | Mapping | None):
        raise ValueError(f"host.cpu is {_short(cpu)}, and has to be a text or a mapping")
    _placed(data["id"], data["shared"], data["origin"])
    return checked(record_from_json(data))


def checked(record: EnergyRecord) -> EnergyRecord:
    """The record itself.

    Raises:
        ValueError: A number in it is none or cannot be, or it counts nothing, or begins at no time; says which.
    """
    if record.activity not in ACTIVITIES:
        raise ValueError(f"activity is {_short(record.activity)}; it is one of {', '.join(ACTIVITIES)}")
    _amount("count", record.count, LARGE)
    if record.count <= 0:
        raise ValueError(f"count is {record.count:g}; it is above 0")
    _amount("wall_s", record.wall_s, MOST_S)
    for hour, joules in record.hourly_j.items():
        _hour(hour)
        _amount(hour, joules)
    for name, item in record.readings.items():
        if isinstance(item, Reading):
            _measured(name, item)
    for name, item in record.estimators.items():
        _measured(f"estimators.{name}", item)
    _began(record.started)
    return record


def _reading(name: str, item: Any) -> None:
    """What a reading is made of; its numbers are looked at when it is one."""
    _mapping(name, item)
    if "missing" in item:
        return _text(f"{name}.missing", item["missing"])
    for key in ("value", "unit", "how"):
        if key not in item:
            raise ValueError(f"{name} has no {key}")
    if item["how"] not in list(How):
        raise ValueError(f"{name}.how is {_short(item['how'])}; it is one of {', '.join(How)}")
    _text(f"{name}.unit", item["unit"])
    _text(f"{name}.source", item.get("source", ""))
    _texts(f"{name}.covers", item.get("covers", []))
    n = item.get("n")
    if n is not None and (not isinstance(n, int) or isinstance(n, bool) or not 0 <= n <= LARGE):
        raise ValueError(f"{name}.n is {_short(n)}, which counts nothing")


def _measured(name: str, item: Reading) -> None:
    try:
        unit = quantity(item.quantity).unit
    except UnknownName as error:
        raise ValueError(str(error).rstrip(".")) from None
    if not (re.fullmatch(r"[A-Z]{3}", item.unit) if unit == "¤" else item.unit == unit or item.quantity == "quality"):
        raise ValueError(f"{name} is in {_short(item.unit)}; it is in {'a currency of three capitals' if unit == '¤' else repr(unit)}")
    signed = item.quantity in _SIGNED
    for place, value in ((name, item.value), (f"{name}.low", item.low), (f"{name}.high", item.high)):
        if value is not None or place == name:
            _amount(place, value, signed=signed)
    if item.low is not None and item.high is not None and item.low > item.high:
        raise ValueError(f"{name} lies between {item.low:g} and {item.high:g}, the lower end above the upper one")


def _amount(name: str, value: Any, most: float = LARGE, signed: bool = False) -> None:
    if not is_finite(value):
        raise ValueError(f"{name} is {_short(value)}, which is no finite number")
    if value < 0 and not signed:
        raise ValueError(f"{name} is {value:g}, and cannot be below 0")
    if abs(value) > most:
        raise ValueError(f"{name} is {value:g}, and cannot be above {most:g}")


def _hour(text: str) -> None:
    try:
        named = datetime.strptime(text, HOUR).strftime(HOUR) == text
    except ValueError:
        named = False
    if not named:
        raise ValueError(f"hourly_j has the hour {_short(text)}; one is written as 2026-11-24T21, in UTC")


def _began(text: str) -> None:
    try:
        moment = datetime.fromisoformat(text)
        year = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).year
    except (ValueError, OverflowError):
        year = 0
    if not _YEARS[0] <= year < _YEARS[1]:
        raise ValueError(f"started is {_short(text)}, which is no time of {_YEARS[0]} to {_YEARS[1]} in ISO 8601")


def _placed(id_: str, shared: Any, origin: Any) -> None:
    """What a record says of others that hold the same work."""
    if not isinstance(shared, list):
        raise ValueError(f"shared is {_short(shared)}, and has to be a list")
    for part in shared:
        _mapping("shared", part)
        if not {"within", "wall_s", "amounts"} <= set(part) <= {"within", "wall_s", "amounts", "hourly_j"}:
            raise ValueError(f"a part of shared has {_short(sorted(map(str, part)))}; it has within, wall_s, amounts and hourly_j")
        _texts("shared.within", part["within"])
        if id_ in part["within"]:
            raise ValueError("shared.within names the record itself, which lies in no other by that")
        _amount("shared.wall_s", part["wall_s"], MOST_S)
        for name in ("amounts", "hourly_j"):
            _mapping(f"shared.{name}", part.get(name, {}))
            for key, value in part.get(name, {}).items():
                _amount(f"shared.{name}.{_short(key)}", value, signed=True)
    if origin is None:
        return
    _mapping("origin", origin)
    if set(origin) != {"machine", "processes", "began_s", "ended_s", "below"}:
        raise ValueError(f"origin has {_short(sorted(map(str, origin)))}; it has machine, processes, began_s, ended_s and below")
    _text("origin.machine", origin["machine"])
    _texts("origin.processes", origin["processes"])
    if not origin["processes"]:
        raise ValueError("origin.processes is empty; the process itself is the first")
    for name in ("began_s", "ended_s"):
        _amount(f"origin.{name}", origin[name])
    if not isinstance(origin["below"], bool):
        raise ValueError(f"origin.below is {_short(origin['below'])}, and has to be true or false")


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {_short(value)}, and has to be a text")


def _texts(name: str, value: Any) -> None:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} is {_short(value)}, and has to be a list of texts")


def _mapping(name: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is {_short(value)}, and has to be a mapping")


def _plain(name: str, value: Any, levels: int) -> None:
    """Data that every format can hold."""
    inner: Iterable[Any] = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    if levels == 0 and inner:
        raise ValueError(f"{name} is nested deeper than {_DEEP} levels")
    if isinstance(value, int | float) and not is_finite(value) and not isinstance(value, bool):
        raise ValueError(f"{name} holds {_short(value)}, which is no finite number")
    for item in inner:
        _plain(name, item, levels - 1)


def _short(value: Any) -> str:
    """What stands there, in a few letters."""
    text = repr(value) if not isinstance(value, int) or abs(value) < LARGE else f"{str(value)[:20]}..."
    return text if len(text) <= 60 else f"{text[:57]}..."
