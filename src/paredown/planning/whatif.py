"""What-if: what a study's models would take on other machines, how many of them a load needs, and a device against a server."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paredown.core.errors import Problem
from paredown.core.job import DataPathSpec, Deploy
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host
from paredown.evidence.bound import JOB_LOCK, RESULT
from paredown.evidence.bundle import uncovered
from paredown.impact.account import account
from paredown.impact.declared import site_of
from paredown.impact.energy import Curve
from paredown.impact.estimators import Span
from paredown.impact.load import energy_of, load_of, total
from paredown.impact.machines import BOARD, Machine, machine, machines
from paredown.impact.site import Coefficient, Embodied, Prices, Site
from paredown.impact.whatif import Forecast, Work, efficiency, forecast, measured_on, work_of
from paredown.measuring.targets import refuse_changed_lock, result_of

HERE, MEASURED = "measured here", "measured"
MONTH_S = 365.25 / 12 * 86400
UTILIZATION = 0.6
"""Share of its time that a machine may be busy where nobody declares another: then a request waits for 0.75 of its own time on average
(Poisson arrivals, constant service: u / (2 x (1 - u)))."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The question.

    Args:
        names: Machines of the catalogue; all when empty.
        rate: Inferences per second; None takes the job's volume where it is per period.
        utilization: Share of its time that a machine may be busy, above 0 and up to 1; None takes the job's, else UTILIZATION.
        price: Per hour of one machine, and its currency; None takes the catalogue's list price.
        payload_b: Bytes of a request and its answer, for machines that are not the device itself.
        transfer_j_per_b: Joules per byte moved.
    """

    names: Sequence[str] = ()
    rate: float | None = None
    utilization: float | None = None
    price: tuple[float, str] | None = None
    payload_b: float = 0.0
    transfer_j_per_b: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One machine with both models.

    Args:
        name, kind, chip: As in the catalogue; HERE for the machine of the study.
        sides: "given" and "model" -> quantity -> reading, per inference; "machines" is how many a load needs, "month_energy" in J and
            "month_cost" are of a month at the rate.
        currency: Of its costs; empty where no price is known.
        floor: Side -> what an accelerator cannot fall below: latency_s, and at a rate machines, month_energy_j (idle) and month_cost.
    """

    name: str
    kind: str
    chip: str
    source: str
    sides: Mapping[str, Mapping[str, Reading | Missing]]
    floor: Mapping[str, Mapping[str, float]]
    currency: str = ""

    def order(self) -> float:
        """Joules of one inference of the model, the whole at a load and above idle without one; what is Missing comes last."""
        found = self.sides["model"].get("whole_energy" if "machines" in self.sides["model"] else "energy")
        return found.value if isinstance(found, Reading) else math.inf

    def json(self) -> dict[str, Any]:
        """Plain data."""
        sides = {side: {name: item.json() for name, item in found.items()} for side, found in self.sides.items()}
        about = {"name": self.name, "kind": self.kind, "chip": self.chip, "source": self.source, "currency": self.currency or None}
        return {**about, "floor": self.floor, **sides}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of it.

    Args:
        name: Of the study.
        recipe: Of the model beside the one as given.
        rate, utilization: As taken; the rate is None where nobody declared one.
        rows: HERE first, then by energy.
        efficiency: Side -> share of the peak that was reached where it was measured, the highest peak of the rows that stand for that
            machine; empty where none does.
        notes: What weakens the numbers, one sentence each.
    """

    name: str
    recipe: str
    rate: float | None
    utilization: float
    rows: Sequence[Row]
    efficiency: Mapping[str, float]
    notes: Sequence[str]

    def json(self) -> dict[str, Any]:
        """Plain data."""
        shown = {"name": self.name, "recipe": self.recipe, "rate": self.rate, "utilization": self.utilization}
        return {**shown, "efficiency": dict(self.efficiency), "machines": [row.json() for row in self.rows], "notes": list(self.notes)}


def elsewhere(study: Path, asked: Asked) -> Answer:
    """What a study's models would take on other machines.

    Args:
        study: Its folder.
        asked: The question.

    Raises:
        UnknownName: There is no such machine.
        UsageError: The folder holds no study whose run has ended.
        Damaged: A file of the study is not what was written.
    """
    chosen = [machine(name) for name in asked.names] or [*machines().values()]
    result = result_of(study)
    side, notes = _model(result)
    site = _site(study, result)
    rate = asked.rate if asked.rate is not None else site.rate
    utilization = asked.utilization or (site.utilization if site.utilization < 1 else UTILIZATION)
    site = replace(site, rate=rate, utilization=utilization, data_path=_path(asked) or site.data_path)
    here, why = measured_on(result)
    works = {"given": work_of(result["baseline"], result), "model": work_of(side, result)}
    rows = [_measured(works, result, site, asked)]
    rows += sorted((_row(works, here, one, site, asked) for one in chosen), key=Row.order)
    reached = {name: min(efficiency(work, one) for one in here) for name, work in works.items() if isinstance(work, Work) and here}
    covered = [f"{RESULT} is {without}"] if (without := uncovered(study)) else []
    notes = [*covered, *notes, f"{why}.", *_lacking(works)]
    return Answer(
        name=str(result.get("name", "")),
        recipe=side["recipe"],
        rate=rate,
        utilization=utilization,
        rows=rows,
        efficiency=reached,
        notes=notes,
    )


def _model(result: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """The model beside the one as given, and what to say when it was not released."""
    if result["chosen"] is not None:
        return result["chosen"], []
    if result["nearest"] is not None:
        return result["nearest"], [f"nothing was released (verdict: {result['verdict']}); the nearest miss stands for it."]
    return result["baseline"], [
        f"nothing was released (verdict: {result['verdict']}) and nothing came near; the model as given stands alone."
    ]


def _site(study: Path, result: Mapping[str, Any]) -> Site:
    """Where the job says that it will run; nothing is declared where its lock is gone or is another version's."""
    from paredown.ground import documents
    from paredown.study.deployfile import read_deploy

    lock, deploy = study / JOB_LOCK, Deploy()
    refuse_changed_lock(study)
    if lock.is_file():
        document, problems = documents.read(lock), list[Problem]()
        if isinstance(document.data, dict) and "deploy" in (document.data.get("job") or {}):
            found = read_deploy(document.at("job", "deploy"), study, problems)
            documents.refuse(problems)
            deploy = found
    cores = int((result.get("host") or {}).get("cores") or 1)
    return site_of(deploy, study, Host(cores=cores, isa="", cpu={}, memory_b=0, system=""))


def _path(asked: Asked) -> DataPathSpec | None:
    if asked.transfer_j_per_b is None:
        return None
    return DataPathSpec(transfer_j_per_b=asked.transfer_j_per_b, payload_b=asked.payload_b)


def _lacking(works: Mapping[str, Work | Missing]) -> list[str]:
    named = {"given": "the model as given", "model": "the model"}
    return [f"{named[name]} cannot be carried elsewhere: {work.reason}." for name, work in works.items() if isinstance(work, Missing)]


def _measured(works: Mapping[str, Work | Missing], result: Mapping[str, Any], site: Site, asked: Asked) -> Row:
    """The machine of the study, with what was measured there."""
    watts = (result.get("energy_model") or {}).get("idle_w")
    idle_w = (
        Span(**{end: watts[end] for end in ("value", "low", "high")})
        if watts
        else Missing(quantity="idle_energy", reason="no idle watts in result.json")
    )
    cores = int(site.host_vcpus)
    sides: dict[str, Mapping[str, Reading | Missing]] = {}
    for name, work in works.items():
        if isinstance(work, Missing):
            sides[name] = {"latency_p50": work, "energy": work}
            continue
        readings = {"cpu_time": work.cpu_time, "latency_p50": work.latency, "energy": work.energy}
        sides[name] = _at_load(readings, work.throughput, cores // work.threads, idle_w, cores, replace(site, vcpus=cores))
    return Row(
        name=HERE,
        kind="cpu",
        chip=(result.get("energy_model") or {}).get("name", ""),
        source=MEASURED,
        sides=sides,
        floor={},
        currency=_currency(site),
    )


def _row(works: Mapping[str, Work | Missing], here: Sequence[Machine], there: Machine, site: Site, asked: Asked) -> Row:
    sides: dict[str, Mapping[str, Reading | Missing]] = {}
    floors: dict[str, Mapping[str, float]] = {}
    curve = there.curve()
    idle_w = curve.idle_w if isinstance(curve, Curve) else replace(curve, quantity="idle_energy")
    local = replace(
        site,
        vcpus=there.cores,
        host_vcpus=there.cores,
        prices=_prices(site, there, asked),
        embodied=_embodied(site, there),
        data_path=None if there.kind == BOARD else site.data_path,
    )
    for name, work in works.items():
        if isinstance(work, Missing):
            sides[name] = {"latency_p50": work, "energy": work}
            continue
        found: Forecast = forecast(work, here, there)
        readings = {"cpu_time": found.cpu_time, "latency_p50": found.latency, "energy": found.energy}
        sides[name] = _at_load(readings, found.throughput, there.cores // found.threads, idle_w, there.cores, local)
        if found.floor_s is not None:
            floors[name] = _floor(found.floor_s, work.batch, there, local)
    return Row(name=there.name, kind=there.kind, chip=there.chip, source=there.source, sides=sides, floor=floors, currency=_currency(local))


def _currency(site: Site) -> str:
    return site.prices.currency if site.prices is not None else ""


def _prices(site: Site, there: Machine, asked: Asked) -> Prices | None:
    """Rent of that machine, by `--price` or the catalogue; taxes of the job stay where they are in the same currency."""
    if there.kind == BOARD and asked.price is None:
        return None if site.prices is None else replace(site.prices, machine=None, purchase=None, depreciation_s=None)
    price = asked.price or there.price
    if price is None:
        return None
    amount, currency = price
    if site.prices is None or site.prices.currency != currency:
        return Prices(currency=currency, machine=amount)
    return replace(site.prices, machine=amount, electricity=None, tax=None, purchase=None, depreciation_s=None)


def _embodied(site: Site, there: Machine) -> Embodied | Missing:
    """That machine's, over the life that the job declares; never the one of the job's own machine."""
    if isinstance(site.embodied, Missing):
        return site.embodied
    if there.embodied_g is None:
        return Missing(quantity="embodied_carbon", reason=f"no embodied carbon of {there.name} could be cited")
    return Embodied(total=Coefficient(value=there.embodied_g, unit="g", source=there.source), life_s=site.embodied.life_s, share=1.0)


def _at_load(
    readings: Mapping[str, Reading | Missing], one: Reading | Missing, copies: int, idle_w: Span | Missing, cores: int, site: Site
) -> dict[str, Reading | Missing]:
    """The readings of one inference, with idle, carbon and money on machines that each hold some copies of the model.

    Args:
        readings: cpu_time, latency_p50 and energy.
        one: Throughput of one copy.
        copies: Per machine.
        idle_w: Watts of one core.
        cores: Of a machine.
        site: With the load; everything is worked out at both ends of the throughput too, because machines come in whole numbers.
    """
    if isinstance(one, Missing):
        return {**readings, **dict.fromkeys(("throughput", "idle_energy", "whole_energy"), one)}
    rate = one.times(max(1, copies))
    ends = [rate.value, rate.high or rate.value, rate.low or rate.value]
    views = [_view(readings, replace(rate, value=end), idle_w, cores, site) for end in ends]
    return {**readings, "throughput": rate, **{name: _hull([view[name] for view in views]) for name in views[0]}}


def _view(
    readings: Mapping[str, Reading | Missing], rate: Reading, idle_w: Span | Missing, cores: int, site: Site
) -> dict[str, Reading | Missing]:
    """What follows from one throughput of a machine."""
    idle = _idle(idle_w, cores, rate.value)
    full = {**readings, "throughput": rate, "idle_energy": idle}
    out, load = account(full, site), load_of(full, site)
    assert not isinstance(load, Missing)
    lacking = next((item for item in (full["energy"], idle) if isinstance(item, Missing)), None)
    parts = [part for part in (energy_of(full, site), out["data_energy"]) if isinstance(part, Reading)]
    whole = replace(total("energy", parts), how=How.MODELLED) if lacking is None else lacking
    out |= {"idle_energy": idle if isinstance(idle, Missing) else idle.times(load.idle_factor), "whole_energy": whole}
    if site.rate is None:
        return out
    out["machines"] = Reading(quantity="machines", value=load.machines or 1, unit="1", how=How.MODELLED, source=load.note)
    for name, item in (("month_energy", whole), ("month_cost", out["cost"])):
        out[name] = item if isinstance(item, Missing) else item.times(site.rate * MONTH_S)
    return out


def _hull(views: Sequence[Reading | Missing]) -> Reading | Missing:
    """The first, in the range of all."""
    first = views[0]
    if isinstance(first, Missing):
        return first
    found = [view for view in views if isinstance(view, Reading)]
    low, high = (pick(getattr(one, end) if getattr(one, end) is not None else one.value for one in found) for end, pick in _ENDS)
    return replace(first, low=low, high=high)


_ENDS = (("low", min), ("high", max))


def _idle(idle_w: Span | Missing, cores: int, per_s: float) -> Reading | Missing:
    """Idle joules of the cores per inference where they answer so many per second."""
    if isinstance(idle_w, Missing):
        return idle_w
    ends = idle_w.times(cores / per_s)
    return Reading(quantity="idle_energy", value=ends.value, low=ends.low, high=ends.high, how=How.MODELLED, covers=("cpu",))


def _floor(floor_s: float, batch: int, there: Machine, site: Site) -> dict[str, float]:
    """The least that an accelerator takes at the load: its launches alone, on as few machines as they allow."""
    out = {"latency_s": floor_s}
    if site.rate is None:
        return out
    count = max(1, math.ceil(site.rate * floor_s / batch / (there.cores * site.utilization)))
    out["machines"] = count
    if there.idle_w is not None:
        out |= {"month_energy_j": there.idle_w * there.cores * count * MONTH_S}
    if site.prices is not None and site.prices.machine is not None:
        out |= {"month_cost": site.prices.machine * count * MONTH_S / 3600}
    return out
