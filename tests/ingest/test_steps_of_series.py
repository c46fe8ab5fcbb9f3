from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.ingest.any_source import read_rows
from paredown.ingest.series import Plan, refuse_shared, windowed

HOURS = [datetime(2020, 1, 30) + timedelta(hours=at) for at in range(100)]


def plan(**entries) -> Plan:
    return Plan.of({"label": "y", "window": 3, "horizon": 1, **entries})


def read(folder: Path, lines: list[str], entries: dict, name: str = "s.csv", **more):
    (folder / name).write_text("\n".join(lines) + "\n")
    columns = {"label": "y", "window": 3, "horizon": 1, **entries}
    made = Plan.of(columns)
    return windowed(read_rows(name, folder, made.reading(columns), ()), made, name, **more)


def hourly(skip=(), y=lambda at: at, order=None) -> list[str]:
    kept = [f"{when:%Y-%m-%d %H:%M},{y(at)},{at % 5}" for at, when in enumerate(HOURS) if at not in skip]
    return ["t,y,x", *(kept if order is None else [kept[at] for at in order])]


def test_each_window_has_what_follows_it(tmp_path: Path) -> None:
    rows, said = read(tmp_path, hourly(), {"time": "t", "horizon": [6, 1]})
    assert rows.names == ("y +1", "y +6")
    assert list(rows.inputs) == ["y", "x"]
    assert len(rows) == 100 - 3 - 6 + 1
    for at in (0, 50, len(rows) - 1):
        assert rows.inputs["y"][at].tolist() == [at, at + 1, at + 2]
        assert rows.labels[at].tolist() == [at + 3, at + 8]
    assert said == "s.csv: 100 steps give 92 windows of 3."


def test_a_number_of_steps_is_all_of_them_and_targets_may_be_several(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, hourly(), {"time": ["t"], "label": ["y", "x"], "horizon": 2, "stride": 4})
    assert rows.names == ("y +1", "y +2", "x +1", "x +2")
    assert rows.labels[1].tolist() == [7, 8, 2, 3]  # the second window is 4, 5, 6
    assert rows.inputs["y"][:][:, 0].tolist() == list(range(0, 96, 4))


def test_no_window_crosses_a_gap(tmp_path: Path) -> None:
    rows, said = read(tmp_path, hourly(skip={40, 41, 70}), {"time": "t"})
    steps = np.concatenate([rows.inputs["y"][:], rows.labels], axis=1)
    assert (np.diff(steps, axis=1) == 1).all()
    assert len(rows) == (40 - 3) + (70 - 42 - 3) + (100 - 71 - 3)
    assert said.endswith("; none crosses one of 2 gaps.")


def test_the_order_of_rows_does_not_matter_where_they_have_a_time(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(100)
    one, other = (read(tmp_path, hourly(order=each), {"time": "t"})[0] for each in (None, order))
    assert one.digest() == other.digest()


@pytest.mark.parametrize(
    ("times", "columns"),
    [
        ([f"{when:%Y,%m,%d,%H}" for when in HOURS], "a,b,c,d"),
        ([f"{when:%Y-%m-%d,%H:%M}" for when in HOURS], "a,b"),
        ([f"{when:%Y-%m-%dT%H:%M:%S+02:00}" for when in HOURS], "a"),
        ([f"{when:%Y-%m-%dT%H:%M:%SZ}" for when in HOURS], "a"),
        ([f"{1.6e9 + 3600 * at:.0f}" for at in range(100)], "a"),
        ([f"{0.1 * at:.1f}" for at in range(100)], "a"),
        ([f"{2000 + at // 12},{at % 12 + 1}" for at in range(100)], "a,b"),
        ([f"{2000 + at // 12}-{at % 12 + 1:02}-15" for at in range(100)], "a"),
    ],
)
def test_times_of_many_forms_leave_no_gap(tmp_path: Path, times: list[str], columns: str) -> None:
    lines = [f"{columns},y", *(f"{when},{at}" for at, when in enumerate(times))]
    rows, said = read(tmp_path, lines, {"time": columns.split(",")})
    assert (len(rows), list(rows.inputs)) == (97, ["y"])
    assert said == "s.csv: 100 steps give 97 windows of 3."


def test_a_time_may_be_a_feature_too(tmp_path: Path) -> None:
    lines = ["year,month,day,hour,y", *(f"{when:%Y,%m,%d,%H},{at}" for at, when in enumerate(HOURS))]
    rows, _ = read(tmp_path, lines, {"time": ["year", "month", "day", "hour"], "features": ["y", "hour"]})
    assert rows.inputs["hour"].dtype == np.float32
    assert rows.inputs["hour"][23].tolist() == [23, 0, 1]
    rows, _ = read(tmp_path, lines, {"time": ["year", "month", "day", "hour"], "features": ["hour"], "categorical": ["hour"]})
    assert rows.inputs["hour"][23].tolist() == ["23", "00", "01"]


def test_series_are_apart(tmp_path: Path) -> None:
    lines = ["t,s,y", *(f"{when:%Y-%m-%d %H:%M},{name},{at + 1000 * (name == 'B')}" for at, when in enumerate(HOURS[:20]) for name in "BA")]
    for entries, count in (({"time": "t", "series": "s"}, 2), ({"series": "s", "drop": ["t"]}, 2)):
        rows, said = read(tmp_path, lines, entries)
        steps = np.concatenate([rows.inputs["y"][:], rows.labels], axis=1)
        assert (np.diff(steps, axis=1) == 1).all()
        assert len(rows) == 2 * 17
        assert f"of {count} series" in said
    rows, _ = read(tmp_path, lines, {"time": "t", "series": "s", "features": ["y", "s"], "groups": ["s"]})
    assert {tuple({*row}) for row in rows.inputs["s"].tolist()} == {("A",), ("B",)}
    assert rows.groups["s"].tolist() == ["A"] * 17 + ["B"] * 17


def test_a_window_whose_target_is_missing_is_left_out_and_counted(tmp_path: Path) -> None:
    rows, said = read(tmp_path, hourly(y=lambda at: "NA" if at in (10, 11) else at), {"time": "t", "missing": ["NA"]})
    assert not {10.0, 11.0} & {*rows.labels[:, 0].tolist()}
    assert np.isnan(rows.inputs["y"][7]).sum() == 2
    assert "95 windows of 3; 2 were left out because a target after them is missing" in said
    unlabeled, _ = read(tmp_path, hourly(y=lambda at: "NA" if at in (10, 11) else at), {"time": "t", "missing": ["NA"]}, labeled=False)
    assert unlabeled.labels is None
    assert len(unlabeled) == 97


@pytest.mark.parametrize(
    ("lines", "entries", "said"),
    [
        (hourly(), {"horizon": 0}, "data: a forecast needs `horizon`"),
        (hourly(), {"horizon": [1, 0]}, r"data: horizon is \[1, 0\]\.\n  Write how many steps are forecast, as `24`"),
        (hourly(), {"horizon": "24"}, "data: horizon is '24'"),
        (hourly(), {"window": None}, "data: a forecast needs `window`"),
        (hourly(), {"label": None}, "data: a forecast needs `label`"),
        (hourly(y=lambda at: "NA" if at == 7 else at), {"time": "t"}, r"the column 'y' is forecast and holds 'NA'\.\n.*`missing: \[NA\]`"),
        (["t,y", "soon,1", "later,2"], {"time": "t"}, r"s\.csv: row 1 has the time 'later' \(t\)\.\n  Write it as"),
        (["t,y", ",1", ",2"], {"time": "t"}, "has the time ''"),
        (["a,b,y", "2020,13,1"], {"time": ["a", "b"]}, "row 0 has the time '2020 13'"),
        ([*hourly(), hourly()[5]], {"time": "t"}, r"rows 4 and 100 have one time, 2020-01-30 04:00; 1 steps.*\n  Name the column"),
        (hourly(), {"window": 99, "horizon": 5}, r"no window of 99 steps with 5 after it is left; of 100 steps 100 follow"),
        (hourly(skip=set(range(0, 100, 3))), {"time": "t"}, "of 66 steps 2 follow each other without a gap"),
        (hourly(y=lambda at: at if at < 3 else "?"), {"missing": ["?"]}, r"a target is missing after each of its 97 windows"),
        (hourly(), {"drop": ["y", "x", "t"]}, "no column is left that the model sees"),
        (hourly(), {"time": "when"}, "there is no column 'when'"),
    ],
)
def test_what_is_no_series_is_refused(tmp_path: Path, lines: list[str], entries: dict, said: str) -> None:
    with pytest.raises(BadData, match=said):
        read(tmp_path, lines, entries)


def test_an_array_is_no_series(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.zeros((9, 3)))
    with pytest.raises(BadData, match=r"a\.npz holds no table\.\n  A series is a table whose rows are steps"):
        windowed(read_rows("a.npz", tmp_path, {}, ()), plan(), "a.npz")


def test_two_sources_with_one_time_are_refused(tmp_path: Path) -> None:
    columns = {"label": "y", "window": 3, "horizon": 1, "time": "t"}
    this = Plan.of(columns)
    (tmp_path / "one.csv").write_text("\n".join(hourly()[:51]) + "\n")
    (tmp_path / "two.csv").write_text("\n".join([hourly()[0], *hourly()[50:]]) + "\n")
    parts = {name: read_rows(f"{name}.csv", tmp_path, this.reading(columns), ()) for name in ("one", "two")}
    with pytest.raises(BadData, match="one and two both have the time 2020-02-01 01:00, and 0 more"):
        refuse_shared(parts, this)


def test_moments_are_read_as_times_are(tmp_path: Path) -> None:
    this = plan(time=["t"])
    assert this.begins({"begins": {"test": "2020-02-01 01:00"}}, ["all"]) == {"test": datetime(2020, 2, 1, 1, tzinfo=UTC).timestamp()}
    assert this.begins({"begins": {"test": 1234.5}}, ["all"]) == {"test": 1234.5}
    for entries, said in (
        ({"train": "2020-01-01"}, "begins names 'train', which is not cut from another source"),
        ({"test": "2020-01-01"}, "begins names 'test', which is not cut"),
        ({"validation": "spring"}, "begins has 'spring', which is no time"),
    ):
        with pytest.raises(BadData, match=said):
            this.begins({"begins": entries}, ["test"])
    with pytest.raises(BadData, match="there is `begins`, and no `time`"):
        plan().begins({"begins": {"test": 5}}, ["all"])
