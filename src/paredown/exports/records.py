"""Records out of files: what `track(to=...)` and the JSON export write, CodeCarbon's table, a study's result."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from paredown.core.errors import BadData, Damaged
from paredown.core.reading import How, Missing, Reading, reading_from_json
from paredown.core.record import EnergyRecord
from paredown.exports.checks import checked, record_of
from paredown.exports.codecarbon import read_codecarbon
from paredown.ground.untrusted import parse_json

FORMAT = "paredown.records/1"
_MOST_WEIGHT = 100_000_000  # some hundred thousand records in one document
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
    except UnicodeDecodeError:
        raise BadData(f"{path} is not UTF-8 text.\n  Give what `track(to=...)` or `paredown export --format json` wrote.") from None
    parts = [(str(path), text)]
    if path.suffix == ".jsonl":
        parts = [(f"{path}:{at}", line) for at, line in enumerate(text.split("\n"), 1) if line.strip()]
    found = [record for where, part in parts for record in _record(where, part)]
    if not found:
        raise BadData(f"{path} holds no record.\n  Give what `track(to=...)` or `paredown export --format json` wrote.")
    return found


def _record(where: str, text: str) -> Iterator[EnergyRecord]:
    """One record, or those of a document."""
    try:
        try:
            data = parse_json(text, finite=False, halves=True, most_weight=_MOST_WEIGHT)  # figures and names are looked at below
        except ValueError as error:
            raise ValueError(f"it {error}") from None
        found: Any = [data]
        if isinstance(data, dict) and data.get("format") == FORMAT:
            found = data.get("records")
            if not isinstance(found, list):
                raise ValueError("the document has no list of records")
        yield from [record_of(item) for item in found]
    except ValueError as error:
        raise BadData(
            f"{where} is no record of energy: {error}.\n"
            "  A line that was cut off by a kill can be deleted; else give what `track(to=...)` or `paredown export` wrote."
        ) from None


def study_records(result: Mapping[str, Any]) -> list[EnergyRecord]:
    """One inference of the model as given, one of the chosen model, and the search of a study, with the figures of its report.

    Args:
        result: The content of its result.json: readings of both sides and `impact.search`, which the report prints too.

    Raises:
        Damaged: A figure in it cannot be; it was edited.
    """
    host = result.get("host", {})
    named = [(role, result[role]) for role in ("baseline", "chosen") if result.get(role)]
    out = []
    for role, side in named:
        readings = {name: reading_from_json(name, dict(item)) for name, item in side["readings"].items()}
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
            started=result.get("started") or _began(result),
            boundary=_BOUNDARY,
            host=host,
            windows=windows,
            notes=(f"recipe: {side['recipe']}", *_at_load(result, "before" if role == "baseline" else "after", readings)),
        )
        out.append(record)
    search = result.get("search")
    if search:
        cpu = Reading(quantity="cpu_time", value=search["cpu_s"], how=How.MEASURED, covers=("cpu",))
        record = EnergyRecord(
            activity="compression-search",
            subject=result["name"],
            unit="study",
            count=1,
            readings={"cpu_time": cpu, **_spent(result)},
            wall_s=search["wall_s"],
            started=search.get("started") or _began(result),
            boundary=_SEARCH,
            hourly_j=search.get("hourly_j", {}),
            host=host,
        )
        out.append(record)
    try:
        return [checked(record) for record in out]
    except ValueError as error:
        raise Damaged(f"the result of {result['name']} was edited: {error}.\n  `paredown run JOB` writes it again.") from None


def _at_load(result: Mapping[str, Any], side: str, readings: Mapping[str, Reading | Missing]) -> Iterator[str]:
    """That carbon, water and money are of the declared load, where a machine waits longer than it works."""
    totals = result.get("impact", {}).get("totals", {})
    kept = totals.get("quantities", {}).get("idle_energy", {}).get(side, {})
    busy, load = readings.get("idle_energy"), totals.get("load", {}).get(side, {})
    if (
        isinstance(busy, Reading)
        and "value" in kept
        and not math.isclose(idle := kept["value"] / totals["count"], busy.value, rel_tol=1e-6)
    ):
        yield (
            "idle_energy is of the time that one inference takes; "
            f"{load.get('note', 'at the declared load')}, which carbon, water and cost are of, it is {idle:.6g} J"
        )


def _spent(result: Mapping[str, Any]) -> dict[str, Reading | Missing]:
    """What the search took; of a result without `impact`, by an older paredown, its energies alone."""
    search = result["search"]
    found = result.get("impact", {}).get("search") or {
        name: search[f"{name}_j"] for name in ("energy", "idle_energy") if f"{name}_j" in search
    }
    return {name: reading_from_json(name, {**item}) for name, item in found.items() if isinstance(item, Mapping)}


def _began(result: Mapping[str, Any]) -> str:
    """The beginning of a study that does not say it, by an older paredown: the first hour with joules in it, else its end less its time."""
    search = result.get("search") or {}
    if search.get("hourly_j"):
        return f"{min(search['hourly_j'])}:00:00+00:00"
    ended = datetime.fromisoformat(result["created"])
    return (ended - timedelta(seconds=search.get("wall_s", 0.0))).isoformat(timespec="seconds")
