"""The catalogue of machines that a model may move to: `tables/machines.csv`."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from paredown.core.errors import UnknownName
from paredown.core.reading import Missing
from paredown.core.runtime import Host
from paredown.impact.energy import Curve, cpu_curve
from paredown.impact.estimators import Span

CPU, ACCELERATOR, BOARD = "cpu", "accelerator", "board"
PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine as published; None where no figure could be cited.

    Args:
        name: An instance, a card's instance or a board.
        kind: CPU, ACCELERATOR or BOARD.
        chip: Microarchitecture or card; CPUs are named as in cpu_families.csv.
        isa: Class of instructions, as a host's; empty for accelerators.
        cpu: Vendor, family, model and stepping; empty for accelerators.
        cores: vCPUs, or cards of an accelerator's instance.
        threads_per_core: vCPUs that share a core.
        clock_hz: Of all cores at once.
        peak: Precision -> operations per second of one core or card, two per multiply-add.
        memory_b_per_s: Of all that share it; `memory_shared_by` is how many vCPUs or cards do.
        cache_b: The last level that one core reaches.
        idle_w, full_w: Of the board or card; CPUs have watts per vCPU by their family.
        price: US dollars per hour, and "USD"; another price may be put in its place.
        embodied_g: g CO2e of making this share of the server.
        source: Where the figures come from.
    """

    name: str
    kind: str
    chip: str
    isa: str
    cpu: tuple[str, int, int, int] | None
    cores: int
    threads_per_core: int
    clock_hz: float | None
    peak: dict[str, float]
    memory_b_per_s: float | None
    memory_shared_by: int
    cache_b: float | None
    idle_w: float | None
    full_w: float | None
    price: tuple[float, str] | None
    embodied_g: float | None
    source: str

    def curve(self) -> Curve | Missing:
        """Watts of one vCPU, or of one core of a board or one card: from idle to full load."""
        if self.cpu is not None and self.kind == CPU:
            vendor, family, model, stepping = self.cpu
            seen = {"vendor": vendor, "family": family, "model": model, "stepping": stepping}
            curve = cpu_curve(Host(cores=self.cores, isa=self.isa, cpu=seen, memory_b=0, system="linux"))
            return _whole_core(curve) if self.threads_per_core == 1 and not self.isa.startswith("arm") else curve
        if self.idle_w is None or self.full_w is None:
            lacking = "no idle watts" if self.idle_w is None else "no full-load watts"
            return Missing(quantity="energy", reason=f"{lacking} of {self.name} could be cited")
        parts = self.cores if self.kind == BOARD else 1
        idle_w, active_w = self.idle_w / parts, (self.full_w - self.idle_w) / parts
        return Curve(name=self.chip, idle_w=_exactly(idle_w), active_w=_exactly(active_w), source=self.source, note="one published figure")

    def memory_share_b_per_s(self) -> float | None:
        """Bandwidth of one core when all are busy."""
        return None if self.memory_b_per_s is None else self.memory_b_per_s / self.memory_shared_by


@cache
def machines() -> dict[str, Machine]:
    """All of the catalogue, in the order of the table."""
    text = resources.files("paredown.impact").joinpath("tables", "machines.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {row["name"]: _machine(row) for row in rows}


def machine(name: str) -> Machine:
    """The machine of that name.

    Raises:
        UnknownName: There is none; the nearest is suggested.
    """
    known = machines()
    if name not in known:
        raise UnknownName("machine", name, known, "`paredown list machines` shows all.")
    return known[name]


def _machine(row: dict[str, str]) -> Machine:
    def number(column: str, factor: float = 1.0) -> float | None:
        return float(row[column]) * factor if row[column] else None

    vendor, *numbers = row["cpu"].split() or [""]
    price = number("usd_per_h")
    return Machine(
        name=row["name"],
        kind=row["kind"],
        chip=row["chip"],
        isa=row["isa"],
        cpu=(vendor, *(int(text, 0) for text in numbers)) if vendor else None,  # type: ignore[arg-type]
        cores=int(row["cores"]),
        threads_per_core=int(row["threads_per_core"]),
        clock_hz=number("clock_ghz", 1e9),
        peak={name: peak for name, column in (("fp32", "fp32_gflops"), ("int8", "int8_gops")) if (peak := number(column, 1e9)) is not None},
        memory_b_per_s=number("memory_gb_s", 1e9),
        memory_shared_by=int(row["memory_vcpus"] or 1),
        cache_b=number("cache_mb", 1e6),
        idle_w=number("idle_w"),
        full_w=number("full_w"),
        price=None if price is None else (price, "USD"),
        embodied_g=number("embodied_kg", 1e3),
        source=row["source"],
    )


def _whole_core(curve: Curve) -> Curve:
    """The table's watts are of one of two threads; a vCPU that is a whole core has between one and two of them, two at full load."""
    idle_w, active_w = (Span(value=2 * one.value, low=one.low, high=2 * one.high) for one in (curve.idle_w, curve.active_w))
    return replace(curve, idle_w=idle_w, active_w=active_w, note=f"{curve.note}; a vCPU is a core of two threads")


def _exactly(value: float) -> Span:
    return Span(value=value, low=value, high=value)
