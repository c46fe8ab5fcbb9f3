"""Zones of the tables; reference values are written here as the sources publish them."""

from __future__ import annotations

import csv
import json
import re
from importlib import resources
from pathlib import Path

import pytest

from paredown.core.errors import BadData, UnknownName
from paredown.ground.amounts import MOST
from paredown.impact.declared import signalled
from paredown.impact.grid import grid_of, zone, zones
from paredown.intensity.series import read_series


@pytest.mark.parametrize(
    ("names", "g_per_kwh", "year", "source"),
    [
        (("NO", "NOR", "norway", " Norway "), 30.08, 2023, "Our World in Data, CC BY 4.0"),
        (("FR", "FRA", "France"), 56.04, 2023, "over the life cycle"),
        (("GB", "GBR", "UK", "United Kingdom"), 237.6, 2023, "CC BY 4.0"),
        (("US-CA", "us-ca", "California"), 394.861 * 0.45359237, 2023, "US EPA eGRID, public domain"),
        (("CA-QC", "Quebec"), 28.0, 2023, "modelled from its mix"),
        (("CN-GD", "Guangdong"), 441.9, 2023, "CO2 alone"),
        (("NO-NO4",), 51.7, 2025, "a lower bound"),
        (("gcp:europe-west1", "GCP:europe-west1"), 103.37, 2024, "Google Cloud, Apache-2.0"),
        (("aws:eu-west-1",), 290.8, 2023, "a region in Ireland, whose provider publishes none"),
        (("aws:us-east-1",), 539.7 * 0.45359237, 2023, "a region in Northern Virginia"),
        (("azure:westeurope",), 267.6, 2023, "Netherlands"),
    ],
)
def test_a_zone_has_many_names_and_one_source(names: tuple[str, ...], g_per_kwh: float, year: int, source: str) -> None:
    found = [grid_of(name, this_year=2026) for name in names]
    assert len({(grid.zone, grid.factor) for grid in found}) == 1
    assert found[0].factor.value == pytest.approx(g_per_kwh, rel=2e-3)
    assert found[0].factor.unit == "g/kWh"
    assert found[0].signal == "average"
    assert str(year) in found[0].factor.source
    assert source in found[0].factor.source


def test_old_data_say_so() -> None:
    assert "the data are 3 years old" in grid_of("NO", this_year=2026).factor.source
    assert "years old" not in grid_of("NO", this_year=2025).factor.source
    assert "years old" not in grid_of("gcp:europe-west1", this_year=2026).factor.source


def test_a_country_goes_before_a_state_of_its_name() -> None:
    assert (zone("Georgia").code, zone("US-GA").name) == ("GE", "Georgia")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("norwey", "no grid zone 'norwey'. Did you mean 'Norway'?"),
        ("NORWEY", "no grid zone 'NORWEY'. Did you mean 'Norway'?"),
        ("NO1", "no grid zone 'NO1'. Did you mean 'NO-NO1'?"),
        ("US-CAL-CISO", "no grid zone 'US-CAL-CISO'. Did you mean 'US'?"),
        ("aws:eu-west-9", "no grid zone 'aws:eu-west-9'. Did you mean 'aws:eu-west-3'?"),
        ("Atlantis", "no grid zone 'Atlantis'. Known: CN-GD, NO, NOR, Norway, US-CA, aws:eu-west-1, azure:westeurope, gcp:europe-west1."),
    ],
)
def test_an_unknown_zone_is_never_guessed(name: str, said: str) -> None:
    with pytest.raises(UnknownName, match=f"^{re.escape(said)}"):
        zone(name)


def test_every_table_says_source_licence_and_date() -> None:
    folder = resources.files("paredown.impact").joinpath("tables")
    tables = [path for path in folder.iterdir() if path.name.startswith(("grid_", "cloud_"))]
    assert len(tables) == 7
    for path in tables:
        lines = path.read_text("utf-8").splitlines()
        head = " ".join(line for line in lines if line.startswith("#"))
        assert "Source:" in head or "Shares:" in head, path.name
        assert re.search(r"(Taken|Written) 20\d\d-\d\d-\d\d", head), path.name
        assert re.search(r"CC BY|public domain|MIT|Apache-2.0|Open Government", head), path.name
        assert len(list(csv.DictReader(line for line in lines if not line.startswith("#")))) >= 9, path.name


def test_factors_are_of_this_world() -> None:
    found = {item.code: item for item in zones().values()}
    assert len(found) > 400
    assert all(0 < item.g_per_kwh < 1400 and 2021 <= item.year <= 2026 for item in found.values())


def test_no_table_is_above_what_a_power_station_emits() -> None:
    assert max(item.g_per_kwh for item in zones().values()) <= MOST["g/kWh"]


def test_a_declared_signal_does_not_contradict_the_series(tmp_path: Path) -> None:
    found = []
    for kind in ({"type": "marginal"}, {}):
        file = tmp_path / "intensity.json"
        file.write_text(json.dumps([{"Time": f"2023-01-01T0{hour}:00Z", "Rating": 300, **kind} for hour in range(2)]))
        found.append(read_series(file))
    marginal, unknown = found
    with pytest.raises(BadData, match="says that it is marginal, and average was declared"):
        signalled(marginal, "average")
    assert [signalled(unknown, said).signal for said in ("", "average", "marginal")] == ["unknown", "average", "marginal"]
