"""What follows from readings at a site, and its ratios."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paredown.core.job import Deploy, GridSpec, MachineSpec
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host
from paredown.impact.declared import site_of
from paredown.impact.derived import accounted, accounted_ratios, undeclared, with_idle
from paredown.impact.energy import cpu_curve
from paredown.impact.site import Site

HERE = Host(
    system="linux", isa="avx2", cores=2, memory_b=8_000_000_000, cpu={"vendor": "AuthenticAMD", "family": 25, "model": 1}, virtual=True
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def site(folder, **deploy) -> Site:
    return site_of(Deploy(**deploy), folder, HERE)


def reading(quantity: str, value: float, spread: float = 0.0, how: How = How.ESTIMATED, unit: str = "") -> Reading:
    ends = {"low": value * (1 - spread), "high": value * (1 + spread)} if spread else {}
    return Reading(quantity=quantity, value=value, how=how, unit=unit, **ends)


def side(energy_j: float, per_s: float, spread: float = 0.3) -> dict[str, Reading | Missing]:
    found = {"energy": reading("energy", energy_j, spread), "throughput": reading("throughput", per_s, how=How.MEASURED)}
    return with_idle(found, cpu_curve(HERE), HERE.cores)


def times(value: float, spread: float) -> dict[str, Reading | Missing]:
    return {"energy": reading("energy", value, spread, unit="x")}


def test_idle_energy_is_that_of_the_whole_machine_over_the_time_of_one_inference() -> None:
    idle = side(1.0, 50.0)["idle_energy"]
    assert isinstance(idle, Reading)
    assert idle.value == pytest.approx(cpu_curve(HERE).idle_w.value * 2 / 50)
    assert idle.low < idle.value < idle.high


def test_idle_energy_that_a_meter_gave_is_kept_and_without_throughput_there_is_none() -> None:
    given = {"idle_energy": reading("idle_energy", 7.0), "throughput": reading("throughput", 1.0)}
    assert with_idle(given, cpu_curve(HERE), 2) == given
    assert "idle_energy" not in with_idle({"energy": reading("energy", 1.0)}, cpu_curve(HERE), 2)


def test_carbon_is_energy_and_idle_share_times_grid_and_building(folder) -> None:
    found = accounted(side(3.6, 10.0), site(folder, grid=GridSpec(factor=500.0, pue=1.5)))
    idle, carbon = found["idle_energy"], found["carbon"]
    assert isinstance(idle, Reading)
    assert isinstance(carbon, Reading)
    assert carbon.value == pytest.approx((3.6 + idle.value) / 3.6e6 * 1.5 * 500)


def test_without_a_place_carbon_is_missing_with_the_way_to_declare_it_on_both_sides_and_as_ratio(folder) -> None:
    nowhere = site(folder)
    before, after = accounted(side(8.0, 10.0), nowhere), accounted(side(2.0, 40.0), nowhere)
    for item in (before["carbon"], accounted_ratios(times(4.0, 0.1), before, after, nowhere)["carbon"]):
        assert isinstance(item, Missing)
        assert "no place was declared" in item.reason
        assert "zone" in item.reason
    assert "zone" in undeclared(nowhere)["carbon"]
    assert "carbon" not in undeclared(site(folder, grid=GridSpec(factor=1.0)))


def test_factors_cancel_in_a_ratio(folder) -> None:
    ratios = [
        accounted_ratios(times(4.0, 0.1), side(8.0, 10.0), side(2.0, 40.0), site(folder, grid=GridSpec(factor=factor, pue=pue)))["carbon"]
        for factor, pue in ((500.0, 1.5), (20.0, 1.0))
    ]
    assert all(isinstance(ratio, Reading) and ratio.unit == "x" for ratio in ratios)
    assert [ratios[0].value, ratios[0].low, ratios[0].high] == pytest.approx([ratios[1].value, ratios[1].low, ratios[1].high])


@settings(max_examples=25, deadline=None)
@given(
    energy=st.floats(0.01, 10.0),
    ratio=st.floats(0.5, 50.0),
    faster=st.floats(0.5, 50.0),
    spread=st.floats(0.01, 0.3),
    model=st.floats(0.05, 0.6),
)
def test_a_ratio_of_carbon_lies_between_those_of_work_and_time_and_is_that_of_two_accounts(energy, ratio, faster, spread, model) -> None:
    here = site_of(Deploy(grid=GridSpec(factor=400.0)), None, HERE)
    before, after = side(energy * ratio, 10.0, model), side(energy, 10.0 * faster, model)
    found = accounted_ratios(times(ratio, spread), before, after, here)["carbon"]
    plain = [accounted(one, here)["carbon"] for one in (before, after)]
    assert isinstance(found, Reading)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(plain[0].value / plain[1].value)
    least, most = min(ratio * (1 - spread), faster), max(ratio * (1 + spread), faster)
    assert least - 1e-9 <= found.low <= found.high <= most + 1e-9


def test_at_a_rate_that_leaves_the_machine_idle_a_faster_model_saves_almost_nothing(folder) -> None:
    busy = site(folder, grid=GridSpec(factor=400.0))
    waiting = replace(busy, rate=0.1)
    before, after = side(0.01, 10.0), side(0.001, 100.0)
    ratio = {
        name: accounted_ratios(times(10.0, 0.1), before, after, at)["carbon"].value for name, at in (("busy", busy), ("waiting", waiting))
    }
    assert ratio["busy"] == pytest.approx(10.0, rel=0.01)
    assert 1.0 <= ratio["waiting"] < 1.01


def test_rent_goes_by_time_alone(folder) -> None:
    rented = site(folder, machine=MachineSpec(price=0.9), currency="EUR")
    before, after = side(8.0, 10.0), side(7.9, 40.0)
    found = accounted_ratios(times(8.0 / 7.9, 0.2), before, after, rented)
    cost = accounted(after, rented)["cost"]
    assert (cost.value, cost.unit) == (pytest.approx(0.9 / 3600 / 40), "EUR")
    assert (found["cost"].value, found["cost"].low, found["cost"].high) == pytest.approx((4.0, 4.0, 4.0))


def test_a_ratio_that_cannot_be_known_is_missing_with_the_reason(folder) -> None:
    here = site(folder, grid=GridSpec(factor=400.0))
    after = side(2.0, 40.0)
    found = accounted_ratios({"energy": Missing(quantity="energy", reason="no counter")}, {}, after, here)["carbon"]
    assert found == Missing(quantity="carbon", reason="the ratio of idle_energy is not known")
