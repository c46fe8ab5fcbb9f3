"""A place makes carbon out of a block's joules; nothing is guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import paredown
from paredown.core.errors import BadData, UnknownName, UsageError
from paredown.core.reading import How, Missing, Reading
from paredown.impact.grid import grid_of
from paredown.impact.load import busy_machine, energy_of
from paredown.tracking.place import carbon_at, site_at

READINGS = {
    "energy": Reading(quantity="energy", value=3.0e6, low=1.8e6, high=6.0e6, how=How.ESTIMATED),
    "idle_energy": Reading(quantity="idle_energy", value=0.6e6, how=How.ESTIMATED),
}
ONE_KWH = {"2026-11-24T21": 2.7e6, "2026-11-24T22": 0.9e6}


def series(folder: Path, *rows: str) -> Path:
    file = folder / "grid.csv"
    file.write_text("\n".join(["time,g_per_kwh", *rows]) + "\n")
    return file


def test_an_amount_is_taken_as_it_is_said() -> None:
    found = carbon_at(site_at("380 g/kWh"), READINGS, 60.0, ONE_KWH)
    assert (found.value, found.low, found.high) == pytest.approx((380, 380 * 2.4 / 3.6, 380 * 6.6 / 3.6))
    assert found.how is How.ESTIMATED
    assert "PUE 1 (not declared)" in found.source


def test_the_building_adds_its_share() -> None:
    assert carbon_at(site_at("100 g/kWh", 1.5), READINGS, 60.0, ONE_KWH).value == pytest.approx(150)


def test_a_zone_has_its_yearly_factor() -> None:
    found = carbon_at(site_at("NO"), READINGS, 60.0, ONE_KWH)
    assert found.value == pytest.approx(grid_of("NO").factor.value)
    assert "Norway" in found.source


def test_an_hourly_series_weighs_each_hour_by_its_joules(tmp_path: Path) -> None:
    file = series(tmp_path, "2026-11-24T20:00Z,1", "2026-11-24T21:00Z,100", "2026-11-24T22:00Z,500", "2026-11-24T23:00Z,900")
    found = carbon_at(site_at(file), READINGS, 60.0, ONE_KWH)
    assert found.value == pytest.approx(0.75 * 100 + 0.25 * 500)
    assert "hour by hour" in found.source


def test_hours_that_a_series_does_not_hold_are_not_made_up(tmp_path: Path) -> None:
    file = series(tmp_path, "2023-01-01T00:00Z,1", "2023-01-01T01:00Z,2")
    found = carbon_at(site_at(str(file)), READINGS, 60.0, ONE_KWH)
    assert isinstance(found, Missing)
    assert "holds 2023-01-01T00 to 2023-01-01T01, not the hour 2026-11-24T21" in found.reason


def test_a_block_at_a_place_knows_its_carbon(tmp_path: Path) -> None:
    hour = f"{datetime.now(UTC):%Y-%m-%dT%H}"
    with paredown.track(grid="360 g/kWh") as took:
        sum(range(200_000))
    assert took.readings["carbon"].value == pytest.approx(took.energy_j / 1e4)
    assert min(took.record.hourly_j) >= hour
    assert "carbon" in str(took)


def test_a_place_that_is_none_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"Norwai.*Did you mean 'Norway'"):
        paredown.track(grid="Norwai")
    with pytest.raises(UsageError, match=r"grid is '380'; it needs a unit"):
        paredown.track(grid="380")
    with pytest.raises(BadData, match=r"none\.csv"):
        paredown.track(grid=tmp_path / "none.csv")
    with pytest.raises(UsageError, match=r"pue is 0\.8; a building takes at least"):
        paredown.track(grid="NO", pue=0.8)
    with pytest.raises(UsageError, match=r"pue is 1\.2 and no place is given"):
        paredown.track(pue=1.2)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"wall_energy": 9, "package_energy": 5, "gpu_energy": 2, "energy": 1}, ["wall_energy"]),
        ({"platform_energy": 7, "package_energy": 5, "gpu_energy": 2}, ["platform_energy", "gpu_energy"]),
        ({"package_energy": 5, "dram_energy": 1, "gpu_energy": 2, "energy": 1}, ["package_energy", "dram_energy", "gpu_energy"]),
        ({"energy": 1, "idle_energy": 3, "gpu_energy": 2}, ["energy", "idle_energy", "gpu_energy"]),
    ],
)
def test_all_joules_are_those_that_are_accounted(given: dict[str, float], names: list[str]) -> None:
    readings = {name: Reading(quantity=name, value=value, how=How.ESTIMATED, covers=(name,)) for name, value in given.items()}
    accounted = energy_of({**readings, "throughput": Reading(quantity="throughput", value=1, how=How.MEASURED)}, site_at("NO"))
    assert [item.quantity for item in busy_machine(readings)] == names
    assert accounted.value == sum(given[name] for name in names)


def test_without_a_place_carbon_is_missing_with_the_reason() -> None:
    with paredown.track() as took:
        pass
    assert isinstance(took.readings["carbon"], Missing)
    assert "no place was declared" in took.readings["carbon"].reason
