"""What one inference causes at a declared site: laws that hold for every energy, rate and declaration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.core.job import DataPathSpec, Deploy, GridSpec, MachineSpec, PriceSpec
from paredown.core.quantity import quantity
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host
from paredown.impact.account import account, account_of_work
from paredown.impact.cost import parts_of
from paredown.impact.declared import site_of
from paredown.impact.disclosure import SPECIFICATION, disclosure
from paredown.impact.load import energy_of, load_of
from paredown.impact.site import Site

HOST = Host(cores=4, isa="avx2", cpu={}, memory_b=1, system="linux")
YEAR_S = 365 * 86400.0
OWN = PriceSpec(electricity=0.20, tax=0.01, carbon=90.0, subsidy=0.10)
WHOLE = Deploy(
    grid=GridSpec(factor=400.0, pue=1.5, water_onsite=1.8, water_offsite=3.0, renewable=0.6),
    machine=MachineSpec(embodied_g=1e6, life_s=4 * YEAR_S, share=0.5, purchase=900.0, depreciation_s=3 * YEAR_S),
    prices=OWN,
    currency="EUR",
)


def site(deploy: Deploy = WHOLE, **changes: Any) -> Site:
    return replace(site_of(deploy, Path(), HOST), **changes)


def measured(energy_j: float = 2.0, idle_j: float = 1.0, rate: float = 10.0, how: How = How.ESTIMATED) -> dict[str, Reading | Missing]:
    """A machine that draws idle_j * rate watts when idle and answers `rate` inferences a second."""
    cpu = {"how": how, "covers": ("cpu",)}
    return {
        "energy": Reading(quantity="energy", value=energy_j, low=0.5 * energy_j, high=2 * energy_j, source="a curve", **cpu),
        "idle_energy": Reading(quantity="idle_energy", value=idle_j, low=0.5 * idle_j, high=2 * idle_j, **cpu),
        "throughput": Reading(quantity="throughput", value=rate, how=How.MEASURED),
        "size": Reading(quantity="size", value=50e6, how=How.COUNTED),
    }


def value(found: Reading | Missing) -> float:
    assert isinstance(found, Reading), found
    return found.value


def test_by_hand() -> None:
    """3 J busy: 3 / 3.6e6 kWh x 1.5 x 400 g; half of 1 t over 4 years x 0.1 s; 0.21 EUR/kWh, 450 EUR over 3 years, 90 EUR/t, less 10 %."""
    found = account(measured(), site())
    kwh = 3.0 / 3.6e6
    carbon, made = kwh * 1.5 * 400, 1e6 * 0.1 / (4 * YEAR_S) * 0.5
    assert value(found["carbon"]) == pytest.approx(carbon, rel=1e-12)
    assert value(found["embodied_carbon"]) == pytest.approx(made, rel=1e-12)
    assert value(found["sci"]) == pytest.approx(carbon + made, rel=1e-12)
    assert value(found["market_carbon"]) == pytest.approx(0.4 * carbon, rel=1e-12)
    assert value(found["water"]) == pytest.approx(kwh * (1.8 + 1.5 * 3.0), rel=1e-12)
    money = kwh * 1.5 * 0.21 + 450 * 0.1 / (3 * YEAR_S) + carbon / 1e6 * 90
    assert value(found["cost"]) == pytest.approx(0.9 * money, rel=1e-12)
    assert found["cost"].unit == "EUR"  # type: ignore[union-attr]
    assert "as if the machine were busy all the time" in found["carbon"].source  # type: ignore[union-attr]


POSITIVE = st.floats(min_value=1e-6, max_value=1e6)


@given(POSITIVE, POSITIVE, POSITIVE, st.floats(min_value=1, max_value=3), st.sampled_from([How.COUNTED, How.ESTIMATED, How.MODELLED]))
def test_units_are_the_tables_and_values_lie_in_their_intervals(energy_j: float, idle_j: float, rate: float, pue: float, how: How) -> None:
    found = account(measured(energy_j, idle_j, rate, how), site(replace(WHOLE, grid=replace(WHOLE.grid, pue=pue))))
    for name, item in found.items():
        if isinstance(item, Missing):
            assert name == "data_energy"
            continue
        assert item.quantity == name
        assert item.unit == ("EUR" if name == "cost" else quantity(name).unit)
        assert item.low is None or item.low <= item.value * (1 + 1e-9)
        assert item.high is None or item.high >= item.value * (1 - 1e-9)
        assert item.how == (How.MODELLED if how == How.MODELLED and name != "embodied_carbon" else How.ESTIMATED)
    assert value(found["sci"]) == pytest.approx(value(found["carbon"]) + value(found["embodied_carbon"]), rel=1e-12)


@given(POSITIVE, POSITIVE, st.floats(min_value=1.5, max_value=100))
def test_twice_the_energy_is_twice_the_carbon_and_water_and_leaves_the_making_alone(energy_j: float, idle_j: float, times: float) -> None:
    once, more = (account(measured(energy_j * factor, idle_j * factor), site()) for factor in (1.0, times))
    for name in ("carbon", "water", "market_carbon"):
        assert value(more[name]) == pytest.approx(times * value(once[name]), rel=1e-9)
    assert value(more["embodied_carbon"]) == value(once["embodied_carbon"])


@given(st.floats(min_value=1, max_value=3))
def test_the_building_scales_what_is_operated_not_what_is_made_nor_the_water_on_site(pue: float) -> None:
    plain, built = (account(measured(), site(replace(WHOLE, grid=replace(WHOLE.grid, pue=at)))) for at in (1.0, pue))
    assert value(built["carbon"]) == pytest.approx(pue * value(plain["carbon"]), rel=1e-12)
    assert value(built["embodied_carbon"]) == value(plain["embodied_carbon"])
    onsite = 3.0 / 3.6e6 * 1.8
    assert value(built["water"]) - onsite == pytest.approx(pue * (value(plain["water"]) - onsite), rel=1e-9)


@given(st.floats(min_value=0, max_value=1))
def test_contracts_never_enter_the_score(renewable: float) -> None:
    plain, under = (account(measured(), site(renewable=share)) for share in (None, renewable))
    assert "market_carbon" not in plain
    assert (under["sci"], under["carbon"]) == (plain["sci"], plain["carbon"])
    assert value(under["market_carbon"]) == pytest.approx((1 - renewable) * value(plain["carbon"]), rel=1e-12)


@given(st.floats(min_value=1e-3, max_value=10), POSITIVE, POSITIVE)
def test_below_one_machines_rate_energy_is_idle_power_over_rate_and_work(rate: float, energy_j: float, idle_j: float) -> None:
    """E(rate) = P_idle / rate + E_dynamic; idle power is idle_j over the 0.1 s that an inference takes."""
    found = energy_of(measured(energy_j, idle_j, rate=10.0), site(rate=rate))
    assert value(found) == pytest.approx(energy_j + idle_j * 10.0 / rate, rel=1e-9)


@given(st.floats(min_value=1e-3, max_value=1e4), st.floats(min_value=0.1, max_value=1))
def test_as_many_machines_are_kept_as_the_rate_needs(rate: float, utilization: float) -> None:
    load = load_of(measured(rate=10.0), site(rate=rate, utilization=utilization))
    assert not isinstance(load, Missing)
    assert load.machines is not None
    assert load.machines * 10.0 * utilization >= rate * (1 - 1e-6)
    assert load.machines == 1 or (load.machines - 1) * 10.0 * utilization < rate
    assert load.held.value == pytest.approx(load.machines / rate, rel=1e-12)


def test_a_faster_model_on_an_idle_machine_saves_little_unless_machines_go() -> None:
    slow, fast = measured(energy_j=2.0, idle_j=1.0, rate=10.0), measured(energy_j=0.2, idle_j=0.1, rate=100.0)
    quiet, busy = site(rate=0.1), site(rate=95.0)
    assert value(energy_of(fast, quiet)) / value(energy_of(slow, quiet)) > 0.98
    assert value(energy_of(fast, busy)) / value(energy_of(slow, busy)) < 0.11
    assert load_of(slow, busy).machines == 10  # type: ignore[union-attr]
    assert load_of(fast, busy).machines == 1  # type: ignore[union-attr]


def test_without_a_rate_the_declared_utilization_holds_the_machine_longer() -> None:
    full, half = (account(measured(), site(utilization=share)) for share in (1.0, 0.5))
    assert value(half["embodied_carbon"]) == pytest.approx(2 * value(full["embodied_carbon"]), rel=1e-12)
    assert value(half["carbon"]) == pytest.approx(value(full["carbon"]) * 4 / 3, rel=1e-12)
    assert "busy 50% of the time, as declared" in half["carbon"].source  # type: ignore[union-attr]


def test_reserved_cpus_take_their_share_of_idle() -> None:
    assert value(energy_of(measured(), site(vcpus=2.0))) == pytest.approx(2.0 + 0.5, rel=1e-12)


@pytest.mark.parametrize(
    ("meters", "joules", "covers"),
    [
        ({"wall_energy": 9.0}, 9.0, ("wall",)),
        ({"package_energy": 4.0, "dram_energy": 1.0}, 5.0, ("package", "dram")),
        ({"package_energy": 4.0, "gpu_energy": 20.0}, 24.0, ("package", "gpu")),
        ({"gpu_energy": 20.0}, 23.0, ("cpu", "gpu")),
        ({"platform_energy": 6.0, "package_energy": 4.0}, 6.0, ("platform",)),
    ],
)
def test_counters_go_before_estimates_and_are_never_counted_twice(meters: dict[str, float], joules: float, covers: tuple[str, ...]) -> None:
    counted = {
        name: Reading(quantity=name, unit="J", value=found, how=How.COUNTED, covers=(name.removesuffix("_energy"),))
        for name, found in meters.items()
    }
    found = energy_of({**measured(), **counted}, site())
    assert value(found) == pytest.approx(joules, rel=1e-12)
    assert found.covers == covers  # type: ignore[union-attr]


def test_waiting_is_added_to_a_counter_from_the_idle_energy() -> None:
    plug = Reading(quantity="wall_energy", value=9.0, how=How.MEASURED, covers=("wall",))
    assert value(energy_of({**measured(), "wall_energy": plug}, site(rate=5.0))) == pytest.approx(9.0 + 1.0, rel=1e-12)
    alone = energy_of({"wall_energy": plug, "throughput": measured()["throughput"]}, site(rate=5.0))
    assert value(alone) == 9.0
    assert "idle power not known, so waiting is left out" in alone.source  # type: ignore[union-attr]


def test_a_source_is_said_once() -> None:
    both = measured()
    both["idle_energy"] = replace(both["idle_energy"], source="a curve")  # type: ignore[type-var]
    found = account(both, site(Deploy(grid=GridSpec(zone="FR"), data_path=PATH), rate=10.0, volume=1e9))["carbon"]
    assert isinstance(found, Reading)
    pieces = found.source.split("; ")
    assert len(pieces) == len(set(pieces))
    assert pieces[0] == "a curve"
    assert "56.04 g/kWh (France 2023, average of production over the life cycle of the plants, Ember" in found.source


def test_what_is_not_declared_is_missing_with_the_reason() -> None:
    found = account(measured(), site(Deploy()))
    said = {name: item.reason for name, item in found.items() if isinstance(item, Missing)}
    place = "no place was declared: write `deploy: {grid: {zone: ...}}` or a `factor`"
    made = "`embodied` and `life` are not declared under `deploy.machine`"
    assert said == {
        "data_energy": "no factor for moving or keeping data is declared",
        "carbon": place,
        "embodied_carbon": made,
        "sci": f"it needs carbon: {place}",
        "water": "`deploy.grid.water_onsite` is not declared",
        "cost": "no price is declared",
    }


def test_a_reading_that_is_missing_takes_what_follows_from_it_along() -> None:
    found = account({"energy": Missing(quantity="energy", reason="the counter may not be read")}, site())
    said = {name: item.reason for name, item in found.items() if isinstance(item, Missing)}
    assert said["carbon"] == said["water"] == "the counter may not be read"
    assert said["embodied_carbon"] == "no throughput was measured"
    assert said["cost"] == "electricity: the counter may not be read"


def test_an_energy_without_its_idle_share_says_so() -> None:
    found = account({name: item for name, item in measured().items() if name != "idle_energy"}, site())
    assert "idle share not known, so left out" in found["carbon"].source  # type: ignore[union-attr]


def test_rent_per_hour_is_paid_for_every_second_that_a_machine_is_held() -> None:
    rented = site(replace(WHOLE, machine=MachineSpec(price=0.045), prices=PriceSpec()))
    assert value(account(measured(), rented)["cost"]) == pytest.approx(0.045 / 3600 * 0.1, rel=1e-12)
    assert value(account(measured(), replace(rented, rate=25.0))["cost"]) == pytest.approx(0.045 / 3600 * 3 / 25.0, rel=1e-12)
    million = 1e6 * value(account(measured(), rented)["cost"])
    assert million == pytest.approx(1.25, rel=1e-12)


@given(POSITIVE, POSITIVE, st.floats(min_value=0, max_value=1))
def test_money_holds_through_hours_kilowatt_hours_and_tonnes(price: float, energy_j: float, subsidy: float) -> None:
    """The same machine by the hour and by the joule: prices are written per h, kWh and t, and paid per s, J and g."""
    paid, held_s = 1 - subsidy, 0.1
    by_hour = replace(WHOLE, machine=MachineSpec(price=price), prices=PriceSpec(subsidy=subsidy))
    assert value(account(measured(energy_j), site(by_hour))["cost"]) == pytest.approx(price * held_s / 3600 * paid, rel=1e-9, abs=1e-300)
    by_joule = replace(WHOLE, machine=MachineSpec(), prices=PriceSpec(electricity=price, carbon=price, subsidy=subsidy))
    found = account(measured(energy_j), site(by_joule))
    joules = (energy_j + 1.0) * 1.5
    expected = price * joules / 3.6e6 + price * (joules / 3.6e6 * 400) / 1e6
    assert value(found["cost"]) == pytest.approx(expected * paid, rel=1e-9, abs=1e-300)


def test_the_parts_of_a_cost_add_up_to_it_before_the_subsidy() -> None:
    here = site()
    found = account(measured(), here)
    assert here.prices is not None
    parts = parts_of(energy_of(measured(), here), found["carbon"], load_of(measured(), here), here.prices, 1.5)
    assert list(parts) == ["electricity", "tax", "write_off", "carbon"]
    assert 0.9 * sum(value(part) for part in parts.values()) == pytest.approx(value(found["cost"]), rel=1e-12)
    assert "less a subsidy of 10%" in found["cost"].source  # type: ignore[union-attr]


def test_money_without_a_price_that_counts_is_missing() -> None:
    found = account(measured(), site(replace(WHOLE, machine=MachineSpec(), prices=PriceSpec())))
    assert found["cost"] == Missing(quantity="cost", reason="neither rent, electricity nor a purchase is declared")


PATH = DataPathSpec(transfer_j_per_b=1e-4, devices=1000, payload_b=2000, storage_w_per_b=1e-12, copies=2)


def test_moved_and_kept_data_by_hand() -> None:
    """2 kB x 1e-4 J/B; 50 MB x 1000 devices x 1e-4 J/B over 1e9 inferences; 50 MB x 2 x 1e-12 W/B at 10 a second."""
    found = account(measured(), site(data_path=PATH, volume=1e9, rate=10.0))
    moved = found["data_energy"]
    assert value(moved) == pytest.approx(0.2 + 0.005 + 1e-5, rel=1e-12)
    assert (moved.how, moved.covers) == (How.MODELLED, ("network",))  # type: ignore[union-attr]
    alone = account(measured(), site(rate=10.0))["carbon"]
    assert value(found["carbon"]) - value(alone) == pytest.approx(0.205010 / 3.6e6 * 400, rel=1e-6)
    assert found["carbon"].how == How.MODELLED  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"volume": None, "rate": 10.0}, "downloads are shared by the volume, which is not declared"),
        ({"volume": 1e9, "rate": None}, "copies are shared by the rate, and no volume per period is declared"),
    ],
)
def test_data_whose_share_is_not_known_are_left_out_in_words(changes: dict[str, Any], reason: str) -> None:
    found = account(measured(), site(data_path=PATH, **changes))
    assert found["data_energy"] == Missing(quantity="data_energy", reason=reason)
    assert f"moving data left out: {reason}" in found["carbon"].source  # type: ignore[union-attr]


def test_data_of_an_unknown_size() -> None:
    found = account({name: item for name, item in measured().items() if name != "size"}, site(data_path=PATH, volume=1e9, rate=1.0))
    assert found["data_energy"] == Missing(quantity="data_energy", reason="the size of what is deployed is not known")


def test_a_factor_alone_moves_no_data() -> None:
    found = account(measured(), site(data_path=DataPathSpec(transfer_j_per_b=1e-4), volume=1e9, rate=10.0))
    assert found["data_energy"] == Missing(
        quantity="data_energy", reason="neither `devices` nor `payload` is declared under `deploy.transfer`"
    )


@pytest.mark.parametrize("machines", [1, 24, 1000])
def test_a_machine_that_is_asked_all_that_it_can_waits_for_0_s(machines: int) -> None:
    """Rounding may keep a little less than a whole machine; nothing is negative for that."""
    load = load_of(measured(), site(rate=machines * (1 + 9e-10) * measured()["throughput"].value))  # type: ignore[union-attr]
    assert load.machines == machines  # type: ignore[union-attr]
    assert load.idle_factor == 1  # type: ignore[union-attr]


def test_a_work_done_once_holds_the_machine_for_its_time() -> None:
    work = {"energy": Reading(quantity="energy", value=3.6e6, how=How.ESTIMATED, covers=("cpu",))}
    found = account_of_work(work, 3600.0, site(rate=0.001))
    assert value(found["carbon"]) == pytest.approx(1.5 * 400, rel=1e-12)
    assert value(found["embodied_carbon"]) == pytest.approx(1e6 / (4 * 365 * 24) * 0.5, rel=1e-12)
    assert "for as long as it took" in found["carbon"].source  # type: ignore[union-attr]
    assert "no volume" not in found["carbon"].source  # type: ignore[union-attr]


def test_the_disclosure_names_boundary_methodology_and_every_coefficient() -> None:
    here = site(data_path=PATH, volume=1e9, rate=10.0)
    found = disclosure(account(measured(), here), energy_of(measured(), here), here)
    assert found["specification"] == SPECIFICATION
    assert found["functional_unit"] == "inference"
    assert found["sci"]["value"] == pytest.approx(found["breakdown"]["operational"]["value"] + found["breakdown"]["embodied"]["value"])
    kwh = found["breakdown"]["E"]
    assert (kwh["unit"], kwh["value"]) == ("kWh", pytest.approx(3.0 / 3.6e6, rel=1e-12))
    assert {name: item["method"] for name, item in found["methodologies"].items()} == {"E": "modeled", "I": "sourced", "M": "sourced"}
    assert [row["coefficient"] for row in found["coefficients"]] == [
        "grid-intensity",
        "pue",
        "wue-onsite",
        "wue-offsite",
        "device-embodied",
        "expected-lifespan",
        "resource-share",
        "network-transfer-to-energy",
        "storage-to-power",
    ]
    assert all(set(row) == {"coefficient", "description", "value", "unit", "source"} for row in found["coefficients"])
    assert any("market-based measures are never part of SCI" in text for text in found["boundary"]["excluded"])


def test_a_disclosure_of_nothing_fabricates_nothing() -> None:
    here = site(Deploy())
    found = disclosure(account({}, here), energy_of({}, here), here)
    assert "missing" in found["sci"]
    assert found["methodologies"] == {}
    assert [row["coefficient"] for row in found["coefficients"]] == ["pue"]
    assert found["coefficients"][0]["source"] == "not declared"
