"""What the report says of energy, carbon, water and money."""

from __future__ import annotations

import re
from copy import deepcopy

import pytest

from paredown.report.html import render
from paredown.report.impact import count_sentence, paybacks, search_took, taken, untold, variant_sentence
from paredown.report.words import load

EN, ZH = load("en"), load("zh")


@pytest.fixture
def result(sample):
    return sample("digits")


@pytest.fixture
def nowhere(result):
    """The same result where nothing was declared."""
    found = deepcopy(result)
    totals = found["impact"]["totals"]
    totals |= {"count": 1e6, "declared": False, "period_s": None}
    for name, sides in totals["quantities"].items():
        if name not in ("energy", "idle_energy"):
            totals["quantities"][name] = {side: {"missing": f"{name} is not declared"} for side in sides}
    return found


def plain(page: str) -> str:
    return re.sub(r"<[^>]+>", " ", page).replace("\N{NO-BREAK SPACE}", " ")


def test_each_quantity_has_both_sides_what_is_saved_and_its_origin(result) -> None:
    rows = {row.label: row for row in taken(result, EN)}
    assert list(rows) == [
        *("Energy above idle", "Idle energy", "Carbon, electricity", "Carbon, machine", "Carbon, both together", "Water", "Cost")
    ]
    assert (rows["Energy above idle"].before, rows["Energy above idle"].after) == ("400 kJ [250, 1 300]", "28 kJ [17, 90]")
    assert (rows["Carbon, electricity"].saved, rows["Carbon, electricity"].how) == ("47 g [24, 180]", "estimated")
    assert (rows["Cost"].before, rows["Cost"].saved, rows["Cost"].how) == ("394 EUR", "no difference", "measured")


def test_a_saving_whose_interval_holds_nothing_is_not_claimed(result) -> None:
    result["impact"]["totals"]["quantities"]["carbon"]["saved"] |= {"value": 20.0, "low": -5.0, "high": 90.0}
    result["impact"]["totals"]["quantities"]["cost"]["saved"] |= {"value": 1.0, "low": -5.0, "high": 9.0}
    saved = {row.label: row.saved for row in taken(result, EN)}
    assert saved["Carbon, electricity"] == "none shown, at most 90 g"
    assert saved["Cost"] == "none shown, at most 9.0 EUR"


def test_the_volume_and_the_machines_that_wait_are_said(result, nowhere) -> None:
    assert count_sentence(result, EN).startswith("For the 1 200 000 000 inferences of 365 days, as declared. Machines kept: 1 as given")
    assert "what it draws then is not saved" in count_sentence(result, EN)
    assert count_sentence(nowhere, EN) == "No volume is declared, so for one million inferences, one after the other."
    result["impact"]["totals"]["load"]["before"] = {"machines": 2, "busy": 0.9}
    assert "2 as given, 90.0 % busy; 1 with this model" in count_sentence(result, EN)
    assert "not saved" not in count_sentence(result, EN)


def test_payback_is_told_in_inferences_and_time_or_not_at_all(result, nowhere) -> None:
    assert paybacks(result, EN) == [
        "Energy: after 800 000 [680 000, 980 000] inferences, 5 h 51 min at the declared volume.",
        "Carbon, electricity: after 1.3 M [0.72, 2.5] inferences, 9 h 26 min at the declared volume.",
        "Cost: not paid back; no saving is shown.",
    ]
    assert paybacks(result, ZH)[2] == "成本：收不回；未显示出节省。"
    assert [line.partition(":")[0] for line in paybacks(nowhere, EN)] == ["Energy"]


def test_what_is_not_declared_is_short_and_says_what_to_declare(nowhere) -> None:
    assert [row.label for row in taken(nowhere, EN)] == ["Energy above idle", "Idle energy"]
    assert untold(nowhere, EN) == [
        ("Carbon, electricity", "carbon is not declared"),
        ("Carbon, machine", "embodied_carbon is not declared"),
        ("Water", "water is not declared"),
        ("Cost", "cost is not declared"),
    ]
    text = plain(render(nowhere))
    assert text.count("carbon is not declared") == 2, "once for electricity, once for the machine, and in no footnote"


def test_hours_of_a_series_are_counted(result) -> None:
    assert search_took(result, EN)[1:] == ["It is accounted as if it had run where the model will."]
    result["impact"]["search"] |= {"hours": 3, "hours_in_series": 2}
    assert search_took(result, EN)[2].startswith("2 of the search's 3 hours are in the series")


def test_a_page_with_other_factors_says_so_first(result) -> None:
    assert variant_sentence(result, EN) == ""
    other = deepcopy(result["impact"]["site"]["grid"])
    result["impact"]["instead_of"] = other | {"zone": "NO", "factor": {"value": 30.08, "unit": "g/kWh", "source": "somebody, 2023"}}
    said = variant_sentence(result, EN)
    assert said.startswith("Carbon is worked out with DE, 381 g/kWh (Germany 2023")
    assert "instead of NO, 30.1 g/kWh (somebody, 2023)" in said
    text = plain(render(result))
    assert 0 < text.index("instead of NO") < text.index("Against what you had")
    result["impact"]["instead_of"] = {"missing": "no place was declared"}
    assert "instead of no place" in variant_sentence(result, EN)


@pytest.mark.parametrize("name", ["pass", "infeasible", "inconclusive"])
def test_a_result_of_an_older_version_has_no_such_part(sample, name: str) -> None:
    assert 'id="impact"' not in render(sample(name))


def test_the_page_names_the_factors_with_their_source(result) -> None:
    text = " ".join(plain(render(result)).split())
    assert "380.9 g/kWh Germany 2023" in text
    assert "1 200 kg declared" in text
    assert "4 years declared" in text
    assert "1.8 GJ (declared: model card, 2024)" in text
