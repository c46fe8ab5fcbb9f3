"""The formulas against the worked examples of the specifications they come from, to the last printed digit."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.core.job import Deploy, GridSpec, MachineSpec
from paredown.core.reading import How, Reading
from paredown.core.runtime import Host
from paredown.ground import amounts
from paredown.impact.account import account_of_work
from paredown.impact.carbon import KWH_J, embodied_g, market_g, operational_g
from paredown.impact.declared import site_of
from paredown.impact.water import water_l

HOUR_S = 3600.0


def cut(value: float, digits: int) -> float:
    """Cut after some decimals; several of the examples are printed so, not rounded."""
    return math.floor(value * 10**digits) / 10**digits


def sci(energy_j: float, factor: float, total_g: float, wall_s: float, life_s: float, share: float = 1.0) -> Reading:
    """As the product adds it up, for work that holds a share of a machine for some time."""
    machine = MachineSpec(embodied_g=total_g, life_s=life_s, share=share)
    deploy = Deploy(grid=GridSpec(factor=factor), machine=machine)
    site = site_of(deploy, Path(), Host(cores=1, isa="", cpu={}, memory_b=0, system="linux"))
    found = account_of_work({"energy": Reading(quantity="energy", value=energy_j, how=How.MEASURED)}, wall_s, site)["sci"]
    assert isinstance(found, Reading)
    return found


def test_the_embodied_example_of_the_sci_specification() -> None:
    """SCI specification v1.1.0, "Embodied emissions": 1000 kg over four years, reserved for one hour, is "around 28 g"."""
    made = embodied_g(amounts.amount("1000 kg", "g"), HOUR_S, amounts.lifetime("4 years"))
    assert cut(made, 0) == 28
    assert made == pytest.approx(1e6 / (4 * 365 * 24), rel=1e-12)


def test_four_years_are_the_hours_of_the_sci_guide() -> None:
    """github.com/Green-Software-Foundation/sci-guide, docs/M/MSubCalculations.md: 4 years are "approximately 35,040 hours"."""
    assert amounts.lifetime("4 years") == amounts.lifetime("35040 h")


def test_the_database_server_of_the_sci_case_study_eshoppen() -> None:
    """github.com/Green-Software-Foundation/sci, case-studies/eshoppen.md: 0.048 kWh, 951 g/kWh, 1433.12 kg, 1 of 35040 h, 2 of 16 vCPUs."""
    made = embodied_g(1433.12e3, HOUR_S, amounts.lifetime("35040 h"), amounts.part("2/16"))
    assert round(made, 3) == 5.112
    assert round(sci(0.048 * KWH_J, 951, 1433.12e3, HOUR_S, amounts.lifetime("35040 h"), amounts.part("2/16")).value, 2) == 50.76


def test_the_other_parts_of_the_sci_case_study_eshoppen() -> None:
    """The same study. The app server's M is printed as 4.305 g, which drops a zero of 0.0043005 kg; its operational part stands."""
    app = embodied_g(1205.52e3, HOUR_S, amounts.lifetime("4 years"), 2 / 16)
    assert round(app, 4) == 4.3005
    assert round(operational_g(0.0656 * KWH_J, 951) + 4.305, 4) == 66.6906
    assert cut(embodied_g(350e3, HOUR_S, amounts.lifetime("4 years")), 2) == 9.98
    assert round(operational_g(0.01529 * KWH_J, 951), 2) == 14.54


@pytest.mark.parametrize(
    ("duration_s", "energy_kwh", "embodied", "operational", "score"),
    [
        (1, 0.000006208333333333333, 0.000004051243023845763, 0.004966666666666666, 0.004970717909690512),
        (5, 0.00001584375, 0.000020256215119228814, 0.012674999999999999, 0.012695256215119228),
        (7, 0.000019168402777777778, 0.00002835870116692034, 0.015334722222222222, 0.015363080923389142),
        (30, 0.00007886458333333333, 0.0001215372907153729, 0.06309166666666667, 0.06321320395738204),
    ],
)
def test_the_outputs_of_the_impact_framework(
    duration_s: float, energy_kwh: float, embodied: float, operational: float, score: float
) -> None:
    """github.com/Green-Software-Foundation/if, manifests/outputs/pipelines/sci.yaml: 800 g/kWh, 1533.12 g over 94608000 s, 2 of 8 vCPUs."""
    made = embodied_g(1533.12, duration_s, 94608000, 2 / 8)
    assert made == pytest.approx(embodied, rel=1e-15)
    assert operational_g(energy_kwh * KWH_J, 800) == pytest.approx(operational, rel=1e-15)
    assert sci(energy_kwh * KWH_J, 800, 1533.12, duration_s, 94608000, 2 / 8).value == pytest.approx(score, rel=1e-15)


def test_a_score_per_several_units_is_their_mean() -> None:
    assert sci(10 * KWH_J, 100, 500, 1, 1).times(1 / 1000).value == pytest.approx(1.5, rel=1e-12)


def test_the_water_of_gpt_3_in_making_ai_less_thirsty() -> None:
    """Li et al. 2025, arXiv:2304.03271v5, table of GPT-3's water, average of the USA: PUE 1.170, 0.550 L/kWh on site, 3.142 off site."""
    training_j, request_j = 1287e3 * KWH_J, 0.004 * KWH_J
    assert round(water_l(training_j, 0.550, 0.0, 1.170) / 1e6, 3) == 0.708
    assert round(water_l(training_j, 0.0, 3.142, 1.170) / 1e6, 3) == 4.731
    assert round(water_l(training_j, 0.550, 3.142, 1.170) / 1e6, 3) == 5.439
    assert round(water_l(request_j, 0.550, 0.0, 1.170) * 1e3, 3) == 2.200
    assert cut(water_l(request_j, 0.0, 3.142, 1.170) * 1e3, 3) == 14.704
    assert cut(water_l(request_j, 0.550, 3.142, 1.170) * 1e3, 3) == 16.904


def test_the_water_that_ecologits_computes() -> None:
    """ecologits 0.11.3, `request_usage_wcf(0.0021, 3.142, 0.56, 1.12)`, called once."""
    assert water_l(0.0021 * KWH_J, 0.56, 3.142, 1.12) == pytest.approx(0.008565984000000002, rel=1e-15)


def test_contracts_take_their_share_off_the_market_figure() -> None:
    assert market_g(10.0, 0.6) == pytest.approx(4.0)


SIZES = st.floats(min_value=1e-9, max_value=1e9)


@given(SIZES, st.floats(min_value=0.1, max_value=2000), st.floats(min_value=1, max_value=3))
def test_energy_in_any_unit_makes_the_same_carbon_and_water(amount: float, factor: float, pue: float) -> None:
    ways = [
        amounts.joules(f"{amount!r} {unit}") * scale
        for unit, scale in (("kWh", 1.0), ("Wh", 1e3), ("MWh", 1e-3), ("J", 3.6e6), ("kJ", 3.6e3))
    ]
    grams = [operational_g(energy_j, factor, pue) for energy_j in ways]
    assert grams == pytest.approx([amount * factor * pue] * len(ways), rel=1e-12)
    liters = [water_l(energy_j, 1.8, factor, pue) for energy_j in ways]
    assert liters == pytest.approx([amount * (1.8 + pue * factor)] * len(ways), rel=1e-12)


@given(SIZES)
def test_factors_masses_and_waters_hold_through_their_units(amount: float) -> None:
    same = {
        "g/kWh": (("g/kWh", 1.0), ("kg/MWh", 1.0), ("kg/kWh", 1e-3), ("t/MWh", 1e-3), ("lb/MWh", 1 / 0.45359237)),
        "g": (("g", 1.0), ("mg", 1e3), ("kg", 1e-3), ("t", 1e-6)),
        "L/kWh": (("L/kWh", 1.0), ("m3/MWh", 1.0)),
        "J/B": (("J/B", 1.0), ("kWh/GB", 1e9 / 3.6e6), ("Wh/GB", 1e9 / 3.6e3), ("kWh/TB", 1e12 / 3.6e6)),
        "W/B": (("W/B", 1.0), ("W/GB", 1e9), ("W/TB", 1e12)),
    }
    for unit, written in same.items():
        most = min(amount, amounts.MOST.get(unit, amount) / 2)
        found = [amounts.amount(f"{most * scale!r} {name}", unit) for name, scale in written]
        assert found == pytest.approx([most] * len(written), rel=1e-12)


@given(SIZES, SIZES, st.floats(min_value=1e-6, max_value=1))
def test_embodied_carbon_holds_through_years_hours_and_shares(total_g: float, reserved_s: float, share: float) -> None:
    in_years = embodied_g(total_g, reserved_s, amounts.lifetime("4 years"), share)
    in_hours = embodied_g(amounts.amount(f"{total_g / 1e3!r} kg", "g"), reserved_s, amounts.lifetime("35040 h"), share)
    assert in_hours == pytest.approx(in_years, rel=1e-12)
    assert in_years == pytest.approx(total_g * reserved_s / 126144000 * share, rel=1e-12)
