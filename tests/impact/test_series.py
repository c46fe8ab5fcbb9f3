"""Small files of every format, written here as the services document them; real exports where the shared data are at hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from paredown.core.errors import BadData
from paredown.impact.series import Series, joined, read_series, stamp

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
MAPS = "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),Carbon Intensity gCO₂eq/kWh (LCA),Data Estimated"


def saved(folder: Path, content: Any, name: str = "here.csv") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def plain(*pairs: tuple[str, object], head: str = "time,g_per_kwh") -> str:
    return "\n".join([head, *(f"{time},{value}" for time, value in pairs)]) + "\n"


def hours(values: list[object], day: str = "2023-01-01") -> list[tuple[str, object]]:
    return [(f"{day}T{hour:02}:00Z", value) for hour, value in enumerate(values)]


def test_a_plain_file_gives_hours_and_means_of_any_span(tmp_path: Path) -> None:
    series = read_series(saved(tmp_path, plain(*hours([100, 200, 400, 100]))))
    assert (series.zone, series.step_s, series.signal, series.forecast_s, series.notes) == ("here", 3600, "average", None, ())
    assert series.at("2023-01-01T02") == 400
    assert series.hourly() == {"2023-01-01T00": 100, "2023-01-01T01": 200, "2023-01-01T02": 400, "2023-01-01T03": 100}
    assert series.mean(series.start_s + 1800, series.start_s + 3 * 3600) == pytest.approx((50 + 200 + 400) / 2.5)
    assert series.mean(series.start_s, series.end_s) == series.average == 200
    assert "here.csv" in series.source
    with pytest.raises(BadData, match=r"no value for the hour 2023-01-01T04; it holds 2023-01-01T00:00Z to 2023-01-01T04:00Z"):
        series.at("2023-01-01T04")
    with pytest.raises(BadData, match=r"does not cover 2023-01-01T03:00Z to 2023-01-01T05:00Z"):
        series.mean(series.start_s + 3 * 3600, series.start_s + 5 * 3600)
    with pytest.raises(BadData, match=r"from 2023-01-01T00:00Z to 2023-01-01T00:00Z is empty"):
        series.mean(series.start_s, series.start_s)


def test_electricity_maps_csv_is_life_cycle_unless_direct_is_asked(tmp_path: Path) -> None:
    text = f"{MAPS}\n2023-01-01 00:00:00,Norway,Norway,NO,3.0,27.5,false\n2023-01-01 01:00:00,Norway,Norway,NO,4.0,28.5,true\n"
    path = tmp_path / "NO.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    series = read_series(path)
    assert (series.zone, series.values, series.estimated) == ("NO", (27.5, 28.5), 0.5)
    assert any("life cycle" in note for note in series.notes)
    assert read_series(path, "direct").values == (3.0, 4.0)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recorded series are not here")
def test_the_recorded_years_are_whole() -> None:
    means = {"BR": 83, "ES": 160, "NO": 34, "US-CAL-CISO": 261}
    for zone, mean in means.items():
        series = read_series(SHARED / "carbon_electricitymaps" / f"{zone}_2023_hourly.csv.gz")
        assert (series.zone, len(series.values), round(series.average)) == (zone, 8760, mean)
    british = read_series(SHARED / "carbon_neso_gb_2023" / "neso_2023_national_intensity.csv")
    assert min(british.values) > 20
    assert any("5 times with a value of 0" in note for note in british.notes)
    assert any("the longest 45.5 h" in note for note in british.notes)
    assert stamp(british.start_s) == "2022-12-31T23:30Z"


def test_years_of_one_zone_are_joined(tmp_path: Path) -> None:
    first = read_series(saved(tmp_path, plain(*hours([100, 200])), "a.csv"))
    second = Series(zone="a", times_s=(first.end_s,), step_s=3600, values=(300.0,), source="b.csv")
    assert joined([second, first]).values == (100, 200, 300)
    with pytest.raises(BadData, match=r"series of average and marginal cannot be joined: their signal differs"):
        joined([first, Series(zone="a", times_s=(0,), step_s=3600, values=(1.0,), source="c", signal="marginal")])
