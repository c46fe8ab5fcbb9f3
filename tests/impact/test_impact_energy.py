"""Reference watts are written here as the source publishes them, not read from our table."""

from __future__ import annotations

import csv
from importlib import resources
from typing import Any

import pytest

from paredown.core.errors import CoverageMismatch
from paredown.core.reading import How, Reading
from paredown.core.runtime import Host
from paredown.impact.energy import Curve, active_energy, cpu_curve, energy_ratio, idle_energy
from paredown.impact.estimators import Span

# W_max - W_min per vCPU; where the tables for AWS, Azure and GCP differ: median, lowest, highest
SKYLAKE = (3.5488, 3.2539, 3.5488)
CASCADE_LAKE = (3.3284, 3.0035, 3.3284)
ROME = (1.2187, 1.1009, 1.2187)
MILAN = (1.5002, 1.4265, 1.5739)
MODERN = ((1.7305 + 3.3284) / 2, 1.1009, 4.2833)  # Naples and Cascade Lake are the middle two of six; Rome lowest, Coffee Lake highest


def machine(vendor: str, family: int | None, model: int | None, stepping: int | None = 0, brand: str = "") -> Host:
    cpu: dict[str, Any] = {"vendor": vendor, "family": family, "model": model, "stepping": stepping, "brand": brand}
    return Host(cores=2, isa="avx2", cpu=cpu, memory_b=1, system="linux")


def active(host: Host) -> tuple[float, float, float]:
    """Of the vCPU curve alone, the first of the estimators."""
    span = cpu_curve(host).estimates[0].active_w
    return span.value, span.low, span.high


@pytest.mark.parametrize(
    ("host", "name", "watts"),
    [
        (machine("GenuineIntel", 6, 85, 4), "Skylake", SKYLAKE),
        (machine("GenuineIntel", 6, 85, 7), "Cascade Lake", CASCADE_LAKE),
        (machine("AuthenticAMD", 23, 49), "EPYC 2nd Gen", ROME),
        (machine("AuthenticAMD", 25, 1), "EPYC 3rd Gen", MILAN),
        (machine("AuthenticAMD", 23, 1), "EPYC 1st Gen", (1.7305, 1.7305, 1.7305)),
        (machine("GenuineIntel", 6, 63), "Haswell", (4.1123, 4.0683, 4.1123)),
    ],
)
def test_a_cpu_in_the_table_takes_its_published_row(host: Host, name: str, watts: tuple[float, float, float]) -> None:
    assert cpu_curve(host).name == name
    assert active(host) == pytest.approx(watts, abs=1e-4)


@pytest.mark.parametrize(
    ("model", "name"),
    [(106, "Ice Lake"), (143, "Sapphire Rapids"), (207, "Emerald Rapids"), (173, "Granite Rapids"), (175, "Sierra Forest")],
)
def test_an_intel_newer_than_the_table_takes_the_band_of_the_two_newest_rows(model: int, name: str) -> None:
    host = machine("GenuineIntel", 6, model)
    assert active(host) == pytest.approx(((SKYLAKE[0] + CASCADE_LAKE[0]) / 2, CASCADE_LAKE[1], SKYLAKE[2]), abs=1e-4)
    assert cpu_curve(host).note == f"{name} is newer than the table: band of Skylake and Cascade Lake"


@pytest.mark.parametrize(("family", "model"), [(25, 0x11), (25, 0xA0), (26, 0x02)])
def test_an_amd_newer_than_the_table_takes_the_band_of_the_two_newest_rows(family: int, model: int) -> None:
    assert active(machine("AuthenticAMD", family, model)) == pytest.approx(((ROME[0] + MILAN[0]) / 2, ROME[1], MILAN[2]), abs=1e-4)


def test_the_band_holds_an_ice_lake_that_was_measured_after_the_table_was_made() -> None:
    """Two Xeon Platinum 8380 with 160 threads: 622 W at full load, 101 W idle (SPECpower_ssj2008, Supermicro, July 2021)."""
    one_second = active_energy(cpu_curve(machine("GenuineIntel", 6, 106)), 1.0)
    assert one_second.low < (622 - 101) / 160 < one_second.high


@pytest.mark.parametrize("model", [0xD0C, 0xD40, 0xD4F])
def test_arm_has_numbers_copied_from_another_cpu_and_so_the_widest_band(model: int) -> None:
    host = machine("0x41", 8, model)
    assert active(host) == pytest.approx((ROME[0], MODERN[1], MODERN[2]), abs=1e-4)
    assert "band over all modern rows" in cpu_curve(host).note


@pytest.mark.parametrize(
    "host",
    [
        machine("AuthenticAMD", 15, 107),
        machine("GenuineIntel", 6, 151),
        machine("", None, None, None),
        machine("GenuineIntel", 6, 85, None),
        Host(cores=1, isa="generic", cpu={}, memory_b=1, system="windows"),
    ],
)
def test_an_unknown_cpu_takes_the_band_over_all_modern_rows(host: Host) -> None:
    assert cpu_curve(host).name == "unknown"
    assert active(host) == pytest.approx(MODERN, abs=1e-4)


def test_the_note_says_which_cpu_is_not_in_the_table() -> None:
    note = cpu_curve(machine("GenuineIntel", 6, 151)).note
    assert note == "the CPU (vendor GenuineIntel, family 6, model 151) is not in the table: band over all modern rows"


def test_the_brand_string_changes_nothing() -> None:
    shown, masked, wrong = (
        machine("AuthenticAMD", 25, 1, brand=brand) for brand in ("AMD EPYC 7763", "AMD EPYC", "Intel(R) Xeon(R) CPU @ 2.20GHz")
    )
    assert cpu_curve(shown) == cpu_curve(masked) == cpu_curve(wrong)


FLAT = Curve(name="flat", idle_w=Span(value=0.5, low=0.4, high=0.6), active_w=Span(value=2.0, low=1.0, high=3.0), source="s", note="n")


def test_active_energy_is_watts_above_idle_times_cpu_seconds_with_band_and_model_term() -> None:
    energy = active_energy(FLAT, 10.0)
    assert (energy.value, energy.low, energy.high) == pytest.approx((20.0, 10 * 1.0 * 0.85, 10 * 3.0 * 1.15))
    assert (energy.quantity, energy.unit, energy.how, energy.covers) == ("energy", "J", How.ESTIMATED, ("cpu",))
    assert energy.source == "s; n"


def test_idle_energy_counts_reserved_cpus_over_wall_time_and_cannot_be_added_to_the_work() -> None:
    idle = idle_energy(FLAT, vcpus=4, wall_s=10.0)
    assert (idle.value, idle.low, idle.high) == pytest.approx((20.0, 40 * 0.4 * 0.85, 40 * 0.6 * 1.15))
    with pytest.raises(CoverageMismatch, match="idle_energy"):
        _ = active_energy(FLAT, 1.0) + idle


def test_the_ratio_of_energies_is_the_ratio_of_cpu_times_with_the_model_term() -> None:
    times = Reading(quantity="cpu_time", value=10.0, low=9.0, high=11.0, unit="x", how=How.MEASURED, n=60)
    ratio = energy_ratio(times)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((10.0, 9.0 * 0.85, 11.0 * 1.15))
    assert (ratio.quantity, ratio.unit, ratio.how, ratio.n) == ("energy", "x", How.ESTIMATED, 60)
    bare = energy_ratio(Reading(quantity="cpu_time", value=10.0, unit="x", how=How.MEASURED))
    assert (bare.low, bare.high) == pytest.approx((8.5, 11.5))


def rows(name: str) -> list[dict[str, str]]:
    lines = resources.files("paredown.impact").joinpath("tables", name).read_text("utf-8").splitlines()
    assert lines[0].startswith("#")
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def test_the_watts_of_one_cpu_differ_little_between_the_tables_made_for_different_clouds() -> None:
    by_name: dict[str, list[float]] = {}
    for row in rows("cpu_watts.csv"):
        assert 0 < float(row["w_min"]) < float(row["w_max"])
        by_name.setdefault(row["microarchitecture"], []).append(float(row["w_max"]))
    assert all(max(watts) / min(watts) < 1.1 for watts in by_name.values())


def test_no_cpu_belongs_to_two_families_and_every_row_with_watts_can_be_reached() -> None:
    seen: dict[tuple[str, str, int, int], str] = {}
    for row in rows("cpu_families.csv"):
        for model in range(int(row["model_low"], 0), int(row["model_high"], 0) + 1):
            for stepping in range(int(row["stepping_low"] or 0), int(row["stepping_high"] or 15) + 1):
                key = (row["vendor"], row["family"], model, stepping)
                assert key not in seen, key
                seen[key] = row["microarchitecture"]
    assert {row["microarchitecture"] for row in rows("cpu_watts.csv")} <= set(seen.values())
