"""What a record adds up, and how strong each number is; what formats of counters have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from paredown.core.quantity import quantity
from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord, Shared
from paredown.impact.account import signal_of

SUMS = (
    "cpu_time", "energy", "idle_energy", "package_energy", "dram_energy", "platform_energy", "gpu_energy", "wall_energy", "carbon",
    "embodied_carbon", "sci", "water", "cost",
)  # fmt: skip
"""The quantities that grow with the work; a latency does not."""

_TIERS = {How.COUNTED: "T1", How.MEASURED: "T2", How.ESTIMATED: "T4", How.MODELLED: "T5"}


_NAMED = 5
_NOTHING = 1e-9  # what rounding leaves of 1


def outermost(records: Sequence[EnergyRecord]) -> tuple[list[EnergyRecord], str]:
    """Records that may be added up, as no two of them hold the same work, and a sentence on what was left out ("" when nothing was).

    Left out is what lies in a block of the same process that is here too and began before; what lies in a block of a process above, which
    counts those below it; and what is here a second time. Of a block that lies in another in part, the rest is kept: by what was read at
    the edges in one process, by its share of the time in another. A record whose outer one is not here is kept whole.
    """
    here: dict[str, EnergyRecord] = {}
    for at, record in enumerate(records):
        key = record.id or str(at)
        if key not in here or here[key].wall_s <= record.wall_s:  # a checkpoint's record, and the same one at the end
            here[key] = record
    above: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for record in here.values():
        if record.origin and record.origin.below:
            above[record.origin.machine, record.origin.processes[0]].append((record.origin.began_s, record.origin.ended_s))
    kept: list[EnergyRecord] = []
    inside: list[str] = []
    partly: list[str] = []
    for record in here.values():
        rest = _rest(record, [part for part in record.shared if not here.keys().isdisjoint(part.within)], _covered(record, above))
        if rest is not record:
            (inside if rest is None else partly).append(record.subject)
        if rest is not None:
            kept.append(rest)
    said = [
        f"{len(inside)} of {len(records)} records lie in others, which hold their work, and are not added: {_listed(inside)}"
        if inside
        else "",
        f"of {_listed(partly)} only what no other record holds is added" if partly else "",
        f"{len(records) - len(here)} of {len(records)} records repeat others and count once" if len(records) > len(here) else "",
    ]
    return kept, "; ".join(filter(None, said))


def placed(records: Sequence[EnergyRecord]) -> Iterator[tuple[EnergyRecord, str]]:
    """Each record as `outermost` counts it, with why it counts for less or not at all; "" where it counts whole."""
    kept, _ = outermost(records)
    given = {id(record) for record in records}
    whole = {id(one) for one in kept}
    reduced = {one.id: one for one in kept if id(one) not in given}
    for record in records:
        if id(record) in whole:
            yield record, ""
        elif record.id in reduced:
            yield reduced.pop(record.id), "only what no other record holds"
        else:
            yield record, "not to be added: another record holds it"


def _listed(names: Sequence[str]) -> str:
    """The first few names, each once."""
    once = list(dict.fromkeys(names))
    return ", ".join(map(repr, once[:_NAMED])) + (f" and {len(once) - _NAMED} more" if len(once) > _NAMED else "")


def _covered(record: EnergyRecord, above: Mapping[tuple[str, str], Sequence[tuple[float, float]]]) -> float:
    """The share of a record's time in which a process above it was tracked with all below it, from 0 to 1."""
    origin = record.origin
    if origin is None:
        return 0.0
    spans = sorted(span for process in origin.processes[1:] for span in above.get((origin.machine, process), ()))
    covered_s, reached_s = 0.0, origin.began_s
    for began_s, ended_s in spans:
        begin_s, end_s = max(began_s, reached_s), min(ended_s, origin.ended_s)
        if end_s > begin_s:
            covered_s, reached_s = covered_s + end_s - begin_s, end_s
    return min(1.0, covered_s / (origin.ended_s - origin.began_s)) if origin.ended_s > origin.began_s else 0.0


def _rest(record: EnergyRecord, gone: Sequence[Shared], covered: float) -> EnergyRecord | None:
    """A record without parts of it and without a share of the rest; the record itself when nothing goes, None when nothing is left."""
    if not gone and not covered:
        return record
    left = {}
    for name, item in sums(record):
        amount = sum(part.amounts.get(name, 0.0) for part in gone)
        left[name] = max(0.0, 1 - amount / item.value) * (1 - covered) if item.value else 0.0
    wall_s = max(0.0, record.wall_s - sum(part.wall_s for part in gone)) * (1 - covered)
    if wall_s <= _NOTHING * record.wall_s and all(share < _NOTHING for share in left.values()):
        return None
    readings = {name: item.times(left.get(name, 1.0)) if isinstance(item, Reading) else item for name, item in record.readings.items()}
    estimators = {name: item.times(left.get("energy", 1.0)) for name, item in record.estimators.items()}
    hourly_j = {
        hour: max(0.0, joules - sum(part.hourly_j.get(hour, 0.0) for part in gone)) * (1 - covered)
        for hour, joules in record.hourly_j.items()
    }
    return replace(record, readings=readings, estimators=estimators, wall_s=wall_s, hourly_j=hourly_j, shared=(), origin=None)


def sums(record: EnergyRecord) -> Iterator[tuple[str, Reading]]:
    """The quantities of SUMS that a record has, in that order."""
    for name in SUMS:
        item = record.readings.get(name)
        if isinstance(item, Reading):
            yield name, item


def meaning(name: str) -> str:
    """What a quantity is, of a whole record instead of one inference."""
    text = quantity(name).meaning.replace("One inference's share", "The share")
    for words in (" per inference", " of one inference", " of the serving process"):
        text = text.replace(words, "")
    return text


def tier(item: Reading) -> str:
    """How strong a number of energy is: T0 the plug's meter, T1 a component's counter, T2 sampled power, T4 a curve, T5 a rule of thumb."""
    return "T0" if item.quantity == "wall_energy" and item.how is How.COUNTED else _TIERS[item.how]


def said(record: EnergyRecord) -> Iterator[str]:
    """What a record says beside its numbers: each that is Missing with its reason, and what weakens the others."""
    yield from (f"{name} is missing: {item.reason}" for name, item in record.readings.items() if isinstance(item, Missing))
    yield from record.notes


def signal(item: Reading) -> dict[str, str]:
    """The signal of the grid as a label of carbon, where it is not the average: the two are in no sum together."""
    found = signal_of(item)
    return {} if found == "average" else {"signal": found}


def relative_uncertainty(item: Reading) -> float | None:
    """Half the width of the 95 % interval over the value; None where there is no interval or the value is 0."""
    if item.low is None or item.high is None or not item.value:
        return None
    return (item.high - item.low) / 2 / abs(item.value)
