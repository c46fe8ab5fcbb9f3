"""Small files of every format, written here as the services document them; real exports where the shared data are at hand."""

from __future__ import annotations

import csv
import gzip
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_series import hours, plain, saved

from paredown.core.errors import BadData
from paredown.intensity.series import Series, joined, read_series, stamp

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
MAPS = "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),Carbon Intensity gCO₂eq/kWh (LCA),Data Estimated"


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


def maps(*items: dict[str, Any], key: str = "history") -> dict[str, Any]:
    return {"zone": "DE", key: list(items)}


UK = [
    {"from": "2023-01-01T00:00Z", "to": "2023-01-01T00:30Z", "intensity": {"forecast": 190, "actual": 200, "index": "high"}},
    {"from": "2023-01-01T00:30Z", "to": "2023-01-01T01:00Z", "intensity": {"forecast": 210, "actual": 220, "index": "high"}},
    {"from": "2023-01-01T01:00Z", "to": "2023-01-01T01:30Z", "intensity": {"forecast": 230, "actual": None, "index": "high"}},
]
POINTS = [
    {"location": "eastus", "timestamp": "2023-01-01T01:00:00+01:00", "duration": 60, "value": 300.5},
    {"location": "eastus", "timestamp": "2023-01-01T02:00:00+01:00", "duration": 60, "value": 310},
]
FORMATS = {
    "Electricity Maps history": (
        maps(
            {
                "zone": "DE",
                "carbonIntensity": 302,
                "datetime": "2023-01-01T00:00:00.000Z",
                "emissionFactorType": "lifecycle",
                "isEstimated": True,
            },
            {
                "zone": "DE",
                "carbonIntensity": 310,
                "datetime": "2023-01-01T01:00:00.000Z",
                "emissionFactorType": "lifecycle",
                "isEstimated": False,
            },
        ),
        ("DE", (302, 310), "average", None, 0.5),
    ),
    "Electricity Maps forecast": (
        maps(
            {"carbonIntensity": 302, "datetime": "2023-01-01T00:00:00.000Z"},
            {"carbonIntensity": 310, "datetime": "2023-01-01T01:00:00.000Z"},
            key="forecast",
        ),
        ("DE", (302, 310), "average", 1672531200, None),
    ),
    "WattTime": (
        {
            "data": [{"point_time": f"2023-01-01T00:0{minute}:00+00:00", "value": 1000} for minute in (0, 5)],
            "meta": {"region": "CAISO_NORTH", "signal_type": "co2_moer", "units": "lbs_co2_per_mwh", "data_point_period_seconds": 300},
        },
        ("CAISO_NORTH", (453.592, 453.592), "marginal", None, None),
    ),
    "UK": ({"data": UK}, ("GB", (200, 220, 230), "average", 1672534800, None)),
    "UK region": (
        {"data": [{"regionid": 13, "shortname": "London", "data": UK}]},
        ("London", (200, 220, 230), "average", 1672534800, None),
    ),
    "Carbon Aware emissions": (
        [
            {"Location": "eastus", "Time": "2023-01-01T00:00:00+00:00", "Rating": 300, "Duration": "01:00:00"},
            {"Location": "eastus", "Time": "2023-01-01T01:00:00+00:00", "Rating": 320, "Duration": "01:00:00"},
        ],
        ("eastus", (300, 320), "unknown", None, None),
    ),
    "Carbon Aware forecast": (
        [{"generatedAt": "2022-12-31T23:50:00Z", "location": "eastus", "forecastData": POINTS}],
        ("eastus", (300.5, 310), "unknown", 1672531200, None),
    ),
    "national grams": (plain(*hours([100, 110]), head="Datetime,Intensity [kgCO2/MWh]"), ("here", (100, 110), "average", None, None)),
    "pounds": (plain(*hours([1000, 1000]), head="time,marginal lb per MWh"), ("here", (453.592,) * 2, "marginal", None, None)),
    "kilograms": (plain(*hours([0.1, 0.2]), head="time,kg_per_kwh"), ("here", (100, 200), "average", None, None)),
    "semicolons": ("time_utc;zone;g_per_kwh\n2023-01-01 00:00;X;100\n2023-01-01 01:00;X;200\n", ("X", (100, 200), "average", None, None)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read(name: str, tmp_path: Path) -> None:
    content, (zone, values, signal, forecast_s, estimated) = FORMATS[name]
    series = read_series(saved(tmp_path, content))
    assert series.values == pytest.approx(values)
    assert (series.zone, series.signal, series.forecast_s, series.estimated) == (zone, signal, forecast_s, estimated)
    assert series.start_s == 1672531200
    assert series.source.startswith("here.csv, ")


def test_clocks_that_change_are_no_matter_with_an_offset(tmp_path: Path) -> None:
    times = ["2023-10-29T01:00+02:00", "2023-10-29T02:00+02:00", "2023-10-29T02:00+01:00", "2023-10-29T03:00+01:00"]
    series = read_series(saved(tmp_path, plain(*zip(reversed(times), [4, 3, 2, 100]))))
    assert series.values == (100, 2, 3, 4)
    assert stamp(series.start_s) == "2023-10-28T23:00Z"


def test_faults_are_filled_and_counted_and_long_gaps_stay(tmp_path: Path) -> None:
    day = [100, 0, 0, 130, 140, "", 160, -5, *range(180, 340, 10)]
    rest = [(f"2023-01-0{day}T{hour:02}:00Z", 300) for day in (2, 3, 4, 5, 6, 7, 8) for hour in range(24)]
    kept = [pair for pair in rest if not "2023-01-02T03" <= pair[0] < "2023-01-02T09"]
    series = read_series(saved(tmp_path, plain(*hours(day), *kept)))
    assert series.values[:8] == (100, 110, 120, 130, 140, 150, 160, 170)
    assert "1 time without a value." in series.notes
    assert "3 times with a value of 0 or less that no whole grid has; taken as missing." in series.notes
    assert "4 times of 186 filled by a straight line." in series.notes
    assert "1 gap of more than 3 h left open, the longest 6 h." in series.notes
    assert "2023-01-02T05" not in series.hourly()
    with pytest.raises(BadData, match=r"does not cover 2023-01-02T02:00Z to 2023-01-02T10:00Z"):
        series.mean(series.start_s + 26 * 3600, series.start_s + 34 * 3600)


def test_a_grid_that_is_really_near_0_keeps_its_zeros(tmp_path: Path) -> None:
    assert read_series(saved(tmp_path, plain(*hours([3, 0, 0, 2])))).values == (3, 0, 0, 2)
    assert read_series(saved(tmp_path, plain(*hours([300, 0, -20, 200]), head="time,marginal g/kWh"))).values == (300, 0, -20, 200)


REFUSED = {
    "no such file": (None, r"here\.csv cannot be read: No such file"),
    "empty": ("", r"here\.csv is empty"),
    "no times": ("a,b\n1,2\n", r"here\.csv has no column of times; found 'a', 'b'"),
    "local time": (
        plain(("2023-01-01 00:00", 1)),
        r"here\.csv:2: the time '2023-01-01 00:00' does not say its offset.*call the column `time_utc`",
    ),
    "no time": (plain(("yesterday", 1)), r"here\.csv:2: 'yesterday' is no time"),
    "decimal comma": (plain(("2023-01-01T00:00Z", "1,5")), r"here\.csv:2: 3 cells where the header has 2.*decimal points"),
    "words": (plain(("2023-01-01T00:00Z", "high")), r"here\.csv:2: 'high' is no number"),
    "short row": ("time,g_per_kwh\n2023-01-01T00:00Z\n", r"here\.csv:2: 1 cells where the header has 2"),
    "one value": (plain(*hours([100])), r"here\.csv holds 1 time; a series needs 2 or more"),
    "two values": (
        plain(*hours([100, 200]), *hours([100, 250])),
        r"here\.csv:5: 2023-01-01T01:00Z stands here again, with 250 instead of 200",
    ),
    "days": (plain(("2023-01-01T00:00Z", 1), ("2023-01-02T00:00Z", 2)), r"here\.csv has one value per 86400 s"),
    "uneven": (
        plain(*hours([100, 100, 100]), ("2023-01-01T02:40Z", 100)),
        r"here\.csv has steps of 3600 s, and 2023-01-01T02:40Z is not on one of them",
    ),
    "grams per megawatt hour": (
        plain(*hours([100_000, 100])),
        r"here\.csv: 100000 at 2023-01-01T00:00Z is more than any power station emits",
    ),
    "kilograms unsaid": (
        plain(*hours([0.1, 0.2]), head="time,carbon_intensity"),
        r"the largest value is 0\.2, and no unit .* looks like kg/kWh",
    ),
    "mostly missing": (plain(*hours([100, "", "", 100])), r"2 of 4 values are missing or cannot be \(50%\); 5% may be"),
    "two columns": (
        "time,a g/kWh,b g/kWh\n2023-01-01T00:00Z,1,2\n",
        r"has 2 columns of intensity; found 'time', 'a g/kWh', 'b g/kWh'.\n  Name one with `--column`",
    ),
    "no unit": ("time,share\n2023-01-01T00:00Z,1\n", r"has no column of intensity that says its unit; found 'time', 'share'"),
    "two zones": ("time,zone,g_per_kwh\n2023-01-01T00:00Z,A,1\n2023-01-01T01:00Z,B,1\n", r"here\.csv holds 2 zones: 'A', 'B'"),
    "broken JSON": ('{"zone": ', r"here\.csv:1: this is not JSON"),
    "other JSON": ({"a": 1}, r"here\.csv is JSON of no known format; found 'a'"),
    "mixed factors": (
        maps(
            {"carbonIntensity": 1, "datetime": "2023-01-01T00:00Z", "emissionFactorType": "lifecycle"},
            {"carbonIntensity": 1, "datetime": "2023-01-01T01:00Z", "emissionFactorType": "direct"},
        ),
        r"here\.csv mixes direct and lifecycle factors",
    ),
    "deep JSON": ("[" * 200_000, r"here\.csv is JSON that no service writes: .*nested too deep"),
    "a long number": ('{"a": ' + "1" * 5000 + "}", r"here\.csv is JSON that no service writes: a number too long"),
    "a huge number": (maps({"carbonIntensity": 10**400, "datetime": "2023-01-01T00:00Z"}), r"entry 0: '1000.*' is no number"),
    "not a number": ('[{"Time": "2023-01-01T00:00Z", "Rating": NaN}]', r"entry 0: 'nan' is no number"),
    "far below 0": (
        plain(*hours([-5000, 100]), head="time,marginal g/kWh"),
        r"-5000 at 2023-01-01T00:00Z is more than any power station emits",
    ),
    "no year": (plain(("0001-01-01T00:00+14:00", 1)), r"here\.csv:2: the year 1 is none of a grid's"),
    "an index": (
        {"data": [], "meta": {"region": "X", "signal_type": "co2_moer", "units": "percentile"}},
        r"the unit is 'percentile'; only 'lbs_co2_per_mwh' is an intensity",
    ),
    "two forecasts": ([{"forecastData": POINTS}, {"forecastData": POINTS}], r"here\.csv holds 2 forecasts"),
    "a missing field": (maps({"carbonIntensity": 1}), r"here\.csv: Electricity Maps history, lifecycle entry 0 has not the fields"),
}


def test_what_a_service_gets_wrong_is_told(tmp_path: Path) -> None:
    content = json.loads(json.dumps(FORMATS["WattTime"][0]))
    content["meta"]["data_point_period_seconds"] = math.nan
    assert read_series(saved(tmp_path, content)).step_s == 300
    for odd in (5, [5], {"a": 1}, None):
        with pytest.raises(BadData, match="is JSON of no known format"):
            read_series(saved(tmp_path, [{"location": "x", "forecastData": odd}]))


def test_a_file_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadData, match=r"/dev/zero holds more than 100 MB\.\n  Give CSV"):
        read_series("/dev/zero")
    monkeypatch.setattr("paredown.intensity.series_files.MOST_BYTES", 1000)
    path = tmp_path / "here.csv.gz"
    path.write_bytes(gzip.compress(b"0" * 10_000))
    with pytest.raises(BadData, match=r"here\.csv\.gz holds more than 0\.001 MB"):
        read_series(path)


def test_a_name_that_a_terminal_obeys_is_not_the_zone(tmp_path: Path) -> None:
    rows = "time,zone,g_per_kwh\n2023-01-01T00:00Z,\x1b[2JX,1\n2023-01-01T01:00Z,\x1b[2JX,1\n"
    assert read_series(saved(tmp_path, rows)).zone == "here"


def test_entries_of_another_kind_and_endless_cells_are_refused(tmp_path: Path) -> None:
    csv.field_size_limit(131_072)  # its default, which a reader of wide rows may have raised
    entries = {"zone": "X", "history": [{"datetime": "2023-01-01T00:00Z", "carbonIntensity": 1}, 5]}
    with pytest.raises(BadData, match=r"em\.json: Electricity Maps history, lifecycle entry 1 has not the fields of its format\."):
        read_series(saved(tmp_path, entries, "em.json"))
    with pytest.raises(BadData, match=r"here\.csv is no CSV: field larger than field limit .*\.\n  Give CSV of"):
        read_series(saved(tmp_path, plain(("2023-01-01T00:00Z", "1" * 200_000))))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_with_what_was_found(name: str, tmp_path: Path) -> None:
    content, said = REFUSED[name]
    path = tmp_path / "here.csv" if content is None else saved(tmp_path, content)
    with pytest.raises(BadData, match=f"(?s){said}"):
        read_series(path)


def test_columns_and_broken_archives(tmp_path: Path) -> None:
    path = saved(tmp_path, f"{MAPS}\n2023-01-01 00:00:00,Norway,Norway,NO,3.0,27.5,false\n")
    with pytest.raises(BadData, match=r"here\.csv has 2 columns 'carbon'; found 'Datetime \(UTC\)'"):
        read_series(path, "carbon")
    with pytest.raises(BadData, match=r"here\.csv has no column 'coal'"):
        read_series(path, "coal")
    with pytest.raises(BadData, match=r"here\.json is JSON, which has no column 'x'"):
        read_series(saved(tmp_path, maps(), "here.json"), "x")
    broken = tmp_path / "here.csv.gz"
    broken.write_bytes(gzip.compress(b"time,g_per_kwh\n" * 100)[:-20])
    with pytest.raises(BadData, match=r"here\.csv\.gz cannot be unpacked"):
        read_series(broken)
    binary = tmp_path / "here.bin"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadData, match=r"here\.bin: byte 0 is not UTF-8 text"):
        read_series(binary)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(FORMATS)), st.data())
def test_a_file_that_was_mutated_is_read_or_refused_in_words(name: str, data: st.DataObject) -> None:
    content = FORMATS[name][0]
    text = content if isinstance(content, str) else json.dumps(content)
    for _ in range(data.draw(st.integers(1, 3))):
        begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        odd = data.draw(
            st.sampled_from(['"', ",", ";", "\n", "\0", "NaN", "1e999", "-", "9" * 400, "[" * 9000, "+99:00", "9999-12-31", "end"])
        )
        text = text[:begin] + data.draw(st.sampled_from([odd, text[begin:end] * 2, ""])) + text[min(end, begin + 9) :]
    with tempfile.TemporaryDirectory() as folder:
        path = saved(Path(folder), text)
        try:
            series = read_series(path)
        except BadData:
            return
    assert all(math.isfinite(value) and abs(value) <= 3000 for value in series.values)
    assert set(series.hourly().values()) <= {series.known(hour * 3600, hour * 3600 + 3600) for hour in series.hours()}
