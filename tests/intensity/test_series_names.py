"""Names of columns and fields against what they mean: units, ends of hours, signals; one physical series however it is written."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_series import hours, plain, saved

from paredown.core.errors import BadData
from paredown.intensity.series import joined, read_series


@pytest.mark.parametrize(
    ("head", "factor"),
    [
        ("carbon_intensity_g_per_kwh", 1),
        ("CO2 [g/kWh]", 1),
        ("g CO2-eq/kWh", 1),
        ("g_co2e_per_kwh", 1),
        ("tonnes CO2 per MWh", 1000),
        ("lbs_co2_per_mwh", 0.453592),
        ("kgCO2e/kWh", 1000),
        ("kg_co2_per_mwh", 1),
        ("mg_per_kwh", 1e-3),
        ("mgCO2e/kWh", 1e-3),
        ("t_per_gwh", 1),
        ("kg/GWh", 1e-3),
        ("lb/kWh", 453.59237),
        ("carbonIntensity gCO2eq per kilowatt-hour", 1),
        ("CO2_KG_PER_MWH", 1),
        ("g CO2/MJ", 3.6),
        ("metric tons CO2 per MWh", 1000),
    ],
)
def test_the_name_of_a_column_says_its_unit(head: str, factor: float, tmp_path: Path) -> None:
    assert read_series(saved(tmp_path, plain(*hours([1, 2]), head=f"start,{head}"))).values == pytest.approx((factor, 2 * factor))


@pytest.mark.parametrize(
    "head", ["Mg/MWh", "g/mWh", "ton/MWh", "oz per kWh", "µg/kWh", "EUR/MWh", "co2 kg", "emissions_mg", "kWh", "g per h", "kWh/kg"]
)
def test_a_column_in_another_unit_is_never_taken_as_grams_per_kilowatt_hour(head: str, tmp_path: Path) -> None:
    path = saved(tmp_path, plain(*hours([1, 2]), head=f"start,{head}"))
    with pytest.raises(BadData, match="has no column of intensity that says its unit"):
        read_series(path)
    with pytest.raises(BadData, match=rf"the column '{head}' is in no unit of an intensity\.\n  Give a mass per energy"):
        read_series(path, head)


@pytest.mark.parametrize(
    "head", ["Hour Ending (UTC)", "time_end", "intervalEndTime", "PERIOD_ENDING_UTC", "to", "end_time", "datetime_end"]
)
def test_ends_of_hours_are_not_read_as_beginnings(head: str, tmp_path: Path) -> None:
    ends = [(f"2023-01-01T{hour:02}:00Z", value) for hour, value in ((1, 100), (2, 200), (3, 300))]
    series = read_series(saved(tmp_path, plain(*ends, head=f"{head},g_per_kwh")))
    assert series.hourly() == {"2023-01-01T00": 100, "2023-01-01T01": 200, "2023-01-01T02": 300}
    assert "the times are the ends of their steps; each value stands for the 60 min before." in series.notes
    both = "\n".join([f"{head},time_start,g_per_kwh", *(f"{time},2023-01-01T{at:02}:00Z,{value}" for at, (time, value) in enumerate(ends))])
    assert read_series(saved(tmp_path, both)).hourly() == series.hourly()


@pytest.mark.parametrize("head", ["time (UTC+01:00)", "Datetime UTC-5", "time utc + 2", "time"])
def test_times_beside_utc_are_not_taken_for_utc(head: str, tmp_path: Path) -> None:
    local = [(f"2023-01-01 0{hour}:00", 1) for hour in range(3)]
    with pytest.raises(BadData, match=r"here\.csv:2: the time '2023-01-01 00:00' does not say its offset from UTC"):
        read_series(saved(tmp_path, plain(*local, head=f"{head},g_per_kwh")))
    for utc in ("time (UTC)", "utc_time", "Datetime UTC+00:00"):
        assert len(read_series(saved(tmp_path, plain(*local, head=f"{utc},g_per_kwh"))).values) == 3


@pytest.mark.parametrize(
    ("said", "signal"),
    [
        ({"type": "marginal"}, "marginal"),
        ({"EmissionType": "Marginal Operating Emissions Rate"}, "marginal"),
        ({"signalType": "co2_moer"}, "marginal"),
        ({"marginal": True}, "marginal"),
        ({"Location": "CAISO_NORTH marginal"}, "marginal"),
        ({"type": "average"}, "average"),
        ({"type": "hourly"}, "unknown"),
    ],
)
def test_the_signal_of_the_carbon_aware_sdk_is_what_a_field_says(said: dict[str, Any], signal: str, tmp_path: Path) -> None:
    points = [{"Location": "west", "Time": f"2023-01-01T0{hour}:00Z", "Rating": 300, **said} for hour in range(2)]
    series = read_series(saved(tmp_path, points))
    assert (series.signal, "does not say whether" in series.source) == (signal, signal == "unknown")
    ahead = {**said, "forecastData": [{"timestamp": point["Time"], "value": 300} for point in points]}
    assert read_series(saved(tmp_path, ahead)).signal == signal


def test_average_and_marginal_never_share_a_series(tmp_path: Path) -> None:
    points = [{"Time": f"2023-01-01T0{hour}:00Z", "Rating": 300, "type": kind} for hour, kind in enumerate(("average", "marginal"))]
    with pytest.raises(BadData, match=r"here\.csv mixes average and marginal intensity\.\n  Give one file per signal"):
        read_series(saved(tmp_path, points))
    rows = "time,g_per_kwh,signal\n2023-01-01T00:00Z,1,MOER\n2023-01-01T01:00Z,1,MOER\n"
    marginal = read_series(saved(tmp_path, rows))
    assert marginal.signal == "marginal"
    unknown = read_series(saved(tmp_path, [{key: value for key, value in point.items() if key != "type"} for point in points]))
    with pytest.raises(BadData, match="series of marginal and unknown cannot be joined: their signal differs"):
        joined([marginal, unknown])


SHAPES = st.tuples(
    st.sampled_from([("g_per_kwh", 1.0), ("kg CO2/MWh", 1.0), ("lbs_co2_per_mwh", 0.45359237), ("t/MWh", 1e3), ("mg/kWh", 1e-3)]),
    st.sampled_from([-570, -60, 0, 60, 330, 765]),
    st.sampled_from([("time", 0), ("start_time", 0), ("time_end", 3600), ("Hour Ending", 3600)]),
    st.sampled_from([",", ";", "\t"]),
    st.permutations(range(4)),
    st.permutations(range(6)),
)


@settings(max_examples=60, deadline=None)
@given(SHAPES)
def test_one_physical_series_reads_equal_however_it_is_written(shape: tuple[Any, ...]) -> None:
    (unit, factor), minutes, (named, late_s), separator, columns, rows = shape
    zone = timezone(timedelta(minutes=minutes))
    values = [420.5, 300.25, 88, 512, 230, 640]
    times = [datetime.fromtimestamp(1_672_531_200 + 3600 * at + late_s, zone).isoformat() for at in range(6)]
    table = [[named, unit, "zone", "note"], *([times[at], repr(values[at] / factor), "DE", "x"] for at in rows)]
    text = "\n".join(separator.join(line[at] for at in columns) for line in table)
    with tempfile.TemporaryDirectory() as folder:
        series = read_series(saved(Path(folder), text))
    assert series.values == pytest.approx(values, rel=1e-9)
    assert (series.start_s, series.step_s, series.zone) == (1_672_531_200, 3600, "DE")
