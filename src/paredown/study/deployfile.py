"""The `deploy` part of a job file: where, on what and how much the model will be used, with every problem at its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from paredown.core.errors import Problem, UnknownName
from paredown.core.job import DataPathSpec, Deploy, GridSpec, MachineSpec, PriceSpec
from paredown.ground import amounts, registry
from paredown.ground.documents import Document, Place, check
from paredown.impact.grid import zone

Parser = Callable[[Any], Any]


def _listed(value: Any) -> Any:
    """One word stands for a list of one; numbers in it are words, as in `labels: [0, 1]`."""
    items = value if isinstance(value, list) else [value]
    return [f"{item:.15g}" if amounts.is_number(item) else item for item in items]


Words = Annotated[list[str], BeforeValidator(_listed)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Deploy(_Strict):
    scenario: Literal["single-stream", "offline", "server"] = "single-stream"
    batch: int | None = Field(default=None, ge=1)
    runtimes: Words = []
    volume: Any = None
    grid: Any = None
    machine: Any = None
    prices: Any = None
    transfer: Any = None
    storage: Any = None


class _Grid(_Strict):
    zone: str | None = None
    factor: Any = None
    series: str | None = None
    column: str | None = None
    signal: Literal["average", "marginal"] = "average"
    pue: float | None = Field(default=None, ge=1.0)
    water_onsite: Any = None
    water_offsite: Any = None
    renewable: Any = None


class _Machine(_Strict):
    cpu: str | None = None
    vcpus: float | None = Field(default=None, gt=0)
    price: Any = None
    purchase: Any = None
    depreciation: Any = None
    embodied: Any = None
    life: Any = None
    share: Any = None
    utilization: Any = None


class _Prices(_Strict):
    electricity: Any = None
    tax: Any = None
    carbon: Any = None
    subsidy: Any = None


class _Transfer(_Strict):
    factor: Any = None
    devices: float | None = Field(default=None, ge=0)
    payload: Any = None


class _Storage(_Strict):
    factor: Any = None
    copies: float | None = Field(default=None, gt=0)


def _unit(unit: str) -> Parser:
    return lambda value: amounts.amount(value, unit)


def _percent(value: Any) -> float:
    return amounts.percent(value, "`60 %`")


AMOUNTS: Mapping[str, Mapping[str, tuple[str, Parser]]] = {
    "grid": {
        "factor": ("factor", _unit("g/kWh")),
        "water_onsite": ("water_onsite", _unit("L/kWh")),
        "water_offsite": ("water_offsite", _unit("L/kWh")),
        "renewable": ("renewable", _percent),
    },
    "machine": {
        "depreciation": ("depreciation_s", amounts.lifetime),
        "embodied": ("embodied_g", _unit("g")),
        "life": ("life_s", amounts.lifetime),
        "share": ("share", amounts.part),
        "utilization": ("utilization", lambda value: amounts.part(value, "`30 %`")),
    },
    "prices": {"subsidy": ("subsidy", _percent)},
    "transfer": {"factor": ("transfer_j_per_b", _unit("J/B")), "payload": ("payload_b", _unit("B"))},
    "storage": {"factor": ("storage_w_per_b", _unit("W/B"))},
}
"""Section -> key -> field of its dataclass, and what makes an amount of the text."""

MONEY = {
    ("machine", "price"): "h",
    ("machine", "purchase"): "",
    ("prices", "electricity"): "kWh",
    ("prices", "tax"): "kWh",
    ("prices", "carbon"): "t",
}
"""(section, key) -> what the price is per."""

PLACE = (("grid", "zone"), ("grid", "factor"), ("grid", "series"))
BOTH: tuple[tuple[str, str, Sequence[tuple[str, str]], str], ...] = (
    ("machine", "purchase", [("machine", "depreciation")], "`depreciation: 4 years`"),
    ("machine", "depreciation", [("machine", "purchase")], "`purchase: 900 EUR`"),
    ("machine", "embodied", [("machine", "life")], "`life: 4 years`"),
    ("machine", "life", [("machine", "embodied")], "`embodied: 1000 kg`"),
    ("machine", "share", [("machine", "embodied"), ("machine", "purchase")], "`embodied: 1000 kg` and `life: 4 years`"),
    ("prices", "tax", [("prices", "electricity")], "`electricity: 0.20 EUR/kWh`"),
    (
        "prices",
        "subsidy",
        [("prices", "electricity"), ("machine", "price"), ("machine", "purchase")],
        "`electricity: 0.20 EUR/kWh`, or what the machine costs",
    ),
    ("grid", "column", [("grid", "series")], "`series: carbon.csv`"),
    ("grid", "signal", PLACE, "`series: carbon.csv` or `factor: 34 g/kWh`"),
    ("grid", "renewable", PLACE, "`zone: NO`"),
    ("transfer", "devices", [("transfer", "factor")], "`factor: 0.03 kWh/GB`"),
    ("transfer", "payload", [("transfer", "factor")], "`factor: 0.03 kWh/GB`"),
    ("storage", "copies", [("storage", "factor")], "`factor: 1.2 W/TB`"),
)
"""(section, key), any of those without which it says nothing, what to add."""

EITHER = (
    ("machine", "purchase", "machine", "price", "A machine is rented or bought"),
    ("prices", "electricity", "machine", "price", "Rent has the electricity in it"),
    ("prices", "tax", "machine", "price", "Rent has the electricity and its taxes in it"),
    ("grid", "series", "grid", "factor", "A series has its own mean"),
)


def known(document: Document, problems: list[Problem], kind: str, place: Place, name: str) -> None:
    """Note the name of a unit that does not exist; an empty one is noted elsewhere."""
    names = registry.names(f"{kind}s")
    if name and name not in names:
        do = f"`paredown list {kind}s` shows all."
        problems.append(document.problem(place, str(UnknownName(kind, name, names)), do, name=False))


def read_deploy(document: Document, folder: Path, problems: list[Problem]) -> Deploy:
    """The deployment of a job.

    Args:
        document: The part under `deploy`.
        folder: Where relative paths start.
        problems: All that is wrong is added.
    """
    return _Reader(document, folder, problems).deploy()


class _Reader:
    """Reads one `deploy`; what a method makes of a faulty part is never used."""

    def __init__(self, document: Document, folder: Path, problems: list[Problem]) -> None:
        self.document, self.folder, self.problems = document, folder, problems
        self.currency = ""
        self.faulty: set[Place] = set()

    def note(self, place: Place, found: str, do: str) -> None:
        """Note a problem at a place."""
        self.problems.append(self.document.problem(place, found, do))

    def deploy(self) -> Deploy:
        """All of it."""
        deploy = check(self.document, _Deploy, self.problems)
        if deploy is None:
            return Deploy()
        if deploy.scenario == "server":
            self.note(
                ("scenario",),
                "is server, which a search does not measure.",
                "Write `single-stream` or `offline`, and measure what comes out with `paredown measure ARTIFACT --scenario server`.",
            )
        if deploy.scenario == "single-stream" and deploy.batch not in (None, 1):
            self.note(("batch",), f"is {deploy.batch}; single-stream answers one item at a time.", "Write `scenario: offline`.")
        if deploy.scenario == "offline" and deploy.batch is None:
            self.note((), "is offline and has no `batch`.", "Add `batch: 32`.")
        for position, name in enumerate(deploy.runtimes):
            known(self.document, self.problems, "runtime", ("runtimes", position), name)
        volume, period_s = (None, None) if deploy.volume is None else self.amount(("volume",), amounts.volume) or (None, None)
        sections = {name: self.section(name, model) for name, model in SECTIONS.items()}
        fields = {name: self.fields(name, sections) for name in sections}
        self.pairs(sections)
        self.place(sections["grid"])
        return Deploy(
            scenario=deploy.scenario,
            batch=deploy.batch or 1,
            runtimes=tuple(deploy.runtimes),
            volume=volume,
            period_s=period_s,
            grid=GridSpec(**fields["grid"]),
            machine=MachineSpec(**fields["machine"]),
            prices=PriceSpec(**fields["prices"]),
            data_path=DataPathSpec(**fields["transfer"], **fields["storage"]),
            currency=self.currency,
        )

    def section(self, name: str, model: type[Any]) -> dict[str, Any]:
        """A mapping inside, with only the entries that the job gives."""
        given = self.document.data.get(name)
        found = None if given is None else check(self.document.at(name), model, self.problems)
        return {} if found is None else {key: given[key] for key in given if getattr(found, key, None) is not None}

    def amount(self, place: Place, parse: Parser) -> Any:
        """What a parser makes of the text at a place; None after noting why it cannot."""
        value: Any = self.document.data
        for key in place:
            value = value[key]
        try:
            return parse(value)
        except amounts.BadAmount as error:
            self.problems.append(self.document.amiss(place, error))
            self.faulty.add(place)
            return None

    def fields(self, section: str, sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The fields of a section's dataclass, in SI units and one currency."""
        out = {}
        for key, value in sections[section].items():
            if (section, key) in MONEY:
                out[key] = self.money((section, key))
            elif key in AMOUNTS[section]:
                name, parse = AMOUNTS[section][key]
                out[name] = self.amount((section, key), parse)
            else:
                out[key] = value
        return {name: value for name, value in out.items() if value is not None}

    def money(self, place: tuple[str, str]) -> float | None:
        """A price, after the first one's currency."""
        found = self.amount(place, lambda value: amounts.money(value, MONEY[place]))
        if found is None:
            return None
        price, currency = found
        self.currency = self.currency or currency
        if currency != self.currency:
            self.note(place, f"is in {currency}, another price in {self.currency}.", "Write all prices in one currency.")
        return float(price)

    def pairs(self, sections: Mapping[str, Mapping[str, Any]]) -> None:
        """Entries that need each other, and entries that exclude each other; what cannot be read was noted already."""
        for section, key, others, do in BOTH:
            if key not in sections[section] or any(other in sections[name] for name, other in others):
                continue
            if (section, key) not in self.faulty:
                lacking = " or ".join(f"`{other}`" for _, other in others)
                self.note((section, key), f"says nothing without {lacking}.", f"Add {do}.")
        for section, key, other_section, other, why in EITHER:
            if key in sections[section] and other in sections[other_section]:
                self.note((section, key), f"stands beside `{other_section}.{other}`.", f"{why}; take one out.")

    def place(self, grid: Mapping[str, Any]) -> None:
        """A zone that has to be in the tables, and the file of a series."""
        if "series" in grid and not (self.folder / grid["series"]).is_file():
            self.note(("grid", "series"), f"is {grid['series']!r}; there is no such file.", "Paths start at the folder of the job file.")
        if "zone" not in grid or "series" in grid or "factor" in grid:
            return
        try:
            zone(grid["zone"])
        except UnknownName as error:
            do = "Or give the place's own `factor: 34 g/kWh`, or an hourly `series`."
            self.problems.append(self.document.problem(("grid", "zone"), str(error), do, name=False))
        if grid.get("signal") == "marginal":
            self.note(("grid", "signal"), "is marginal; the tables have averages.", "Give a marginal `factor` or `series`, or take it out.")


SECTIONS: Mapping[str, type[Any]] = {"grid": _Grid, "machine": _Machine, "prices": _Prices, "transfer": _Transfer, "storage": _Storage}
