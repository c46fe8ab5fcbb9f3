"""CodeCarbon's table, written by CodeCarbon 3.3.2 itself, and rows that lack things."""

from __future__ import annotations

import csv
import itertools
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paredown.core.errors import BadData
from paredown.core.reading import How, Missing
from paredown.core.record import EnergyRecord
from paredown.exports.codecarbon import read_codecarbon

REAL = Path(__file__).with_name("emissions.csv")


def rewritten(folder: Path, **cells: str) -> Path:
    head, row = REAL.read_text().splitlines()
    named = dict(zip(head.split(","), row.split(","))) | cells
    file = folder / "emissions.csv"
    file.write_text(f"{','.join(named)}\n{','.join(named.values())}\n")
    return file


def test_a_real_file_is_read_with_what_it_says_and_no_more() -> None:
    (record,) = read_codecarbon(REAL)
    cpu, memory, carbon = (record.readings[name] for name in ("package_energy", "dram_energy", "carbon"))
    assert (cpu.value + memory.value) / 3.6e6 == pytest.approx(3.460453299443826e-05)
    assert carbon.value == pytest.approx(1.939203424475326e-03)
    assert {cpu.how, memory.how, carbon.how} == {How.ESTIMATED}
    assert cpu.source == "CodeCarbon 3.3.2, tracking method not recorded"
    assert "France" in carbon.source
    assert record.readings["gpu_energy"] == Missing(quantity="gpu_energy", reason="CodeCarbon saw no card")
    assert isinstance(record.readings["water"], Missing)
    assert (record.subject, record.started, record.wall_s) == ("fixture", "2026-11-24T22:08:44+00:00", pytest.approx(4.4618, abs=1e-4))
    assert "`machine`" in record.boundary
    assert not record.hourly_j
    assert "without its zone" in record.notes[0]
    assert record.host["cores"] == 2


def test_a_card_that_stands_as_0_is_missing(tmp_path: Path) -> None:
    (record,) = read_codecarbon(rewritten(tmp_path, gpu_count="1"))
    assert record.readings["gpu_energy"].reason == "CodeCarbon writes 0 for cards without an energy counter"


def test_empty_cells_are_missing_and_sums_that_do_not_hold_are_said(tmp_path: Path) -> None:
    (record,) = read_codecarbon(rewritten(tmp_path, ram_energy="", emissions="", project_name="", tracking_mode=""))
    assert record.readings["dram_energy"].reason == "the column ram_energy holds no amount"
    assert record.readings["carbon"].reason == "the column emissions holds no amount"
    assert "do not add up" in record.notes[1]
    assert (record.subject, "not recorded" in record.boundary) == ("codecarbon", True)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "much"])
def test_a_cell_that_holds_no_amount_is_missing(tmp_path: Path, text: str) -> None:
    (record,) = read_codecarbon(rewritten(tmp_path, cpu_energy=text))
    assert record.readings["package_energy"] == Missing(quantity="package_energy", reason="the column cpu_energy holds no amount")
    with pytest.raises(BadData, match=rf"duration '{text}'; a row needs both"):
        read_codecarbon(rewritten(tmp_path, duration=text))


def test_an_endless_cell_is_refused(tmp_path: Path) -> None:
    csv.field_size_limit(131_072)  # its default, which a reader of wide rows may have raised
    with pytest.raises(BadData, match=r":2 is no line of a table: field larger than field limit .*\.\n  Delete the row"):
        read_codecarbon(rewritten(tmp_path, cpu_model="1" * 200_000))


def test_water_is_taken_where_its_usage_was_given(tmp_path: Path) -> None:
    (record,) = read_codecarbon(rewritten(tmp_path, water_consumed="0.5", wue="1.8"))
    assert (record.readings["water"].value, record.readings["water"].how) == (0.5, How.ESTIMATED)


def test_quebec_is_told_to_be_a_fallback(tmp_path: Path) -> None:
    (record,) = read_codecarbon(rewritten(tmp_path, country_name="Canada", region="quebec"))
    assert "did not find out the place" in record.notes[-1]


def test_what_is_no_such_table_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(BadData, match=r"other\.csv is no emissions\.csv of CodeCarbon: it has no column timestamp, duration"):
        read_codecarbon(other)
    with pytest.raises(BadData, match=r"emissions\.csv:2: timestamp is '' and duration '4"):
        read_codecarbon(rewritten(tmp_path, timestamp=""))


HEAD = "timestamp,project_name,run_id,experiment_id,duration,emissions,cpu_energy,gpu_energy,ram_energy,energy_consumed"


def table(folder: Path, *rows: tuple[str, str, float, float], head: str = HEAD) -> Path:
    """Rows of (minute, run, seconds, kWh), all of it the CPU's, at 300 g/kWh; a run "a/x" has the experiment x."""
    lines = [head]
    for minute, run, wall_s, kwh in rows:
        run_id, _, experiment = run.partition("/")
        lines.append(f"2026-11-24T22:{minute}:00,fixture,{run_id},{experiment},{wall_s},{kwh * 0.3},{kwh},0,0,{kwh}")
    file = folder / "emissions.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def kwh(records: list[EnergyRecord]) -> list[float]:
    return [round(record.readings["package_energy"].value / 3.6e6, 6) for record in records]


def test_rows_of_one_run_hold_each_other_and_the_last_counts(tmp_path: Path) -> None:
    flushed = [("10", "a", 60.0, 0.1), ("11", "a", 120.0, 0.2), ("12", "a", 180.0, 0.3)]
    for rows in itertools.permutations(flushed):
        (record,) = read_codecarbon(table(tmp_path, *rows))
        assert (kwh([record]), record.count, record.wall_s) == ([0.3], 1, 180.0)
        assert record.readings["carbon"].value == pytest.approx(90)
        assert record.started == "2026-11-24T22:09:00+00:00"
        assert record.notes[0] == "the last of 3 rows of its run: each holds all since the start, so that they are not added"


@pytest.mark.parametrize(
    ("rows", "sums"),
    [
        ([("10", "a", 60, 0.1), ("10", "b", 60, 1.0), ("11", "a", 120, 0.2), ("11", "b", 120, 2.0)], [0.2, 2.0]),
        ([("10", "a/x", 60, 0.1), ("11", "a/x", 120, 0.2), ("11", "a/y", 120, 0.4)], [0.2, 0.4]),
        ([("10", "", 60, 0.1), ("11", "", 120, 0.2)], [0.1, 0.2]),
        ([("10", "a", 60, 0.1), ("11", "a", 120, 0.2), ("12", "a", 30, 0.05), ("13", "a", 90, 0.15)], [0.2, 0.15]),
        ([("50", "a", 60, 0.1), ("05", "a", 900, 0.2), ("06", "a", 960, 0.3)], [0.3]),  # the local clock went back
        ([("10", "a", 60, 0.1), ("10", "a", 60, 0.1)], [0.1]),
    ],
    ids=["interleaved", "experiments", "no run_id", "restarted", "clock", "twice"],
)
def test_every_run_counts_once(tmp_path: Path, rows: list[tuple[str, str, float, float]], sums: list[float]) -> None:
    found = read_codecarbon(table(tmp_path, *rows))
    assert kwh(found) == sums
    notes = " ".join(note for record in found for note in record.notes)
    assert ("its counters fell: it is one of 2 parts that ran under one run_id" in notes) == (sums == [0.2, 0.15])
    assert ("its row has no run_id" in notes) == (rows[0][1] == "")


def test_rows_of_tasks_are_parts_and_add_up(tmp_path: Path) -> None:
    file = table(tmp_path, ("10", "a", 60, 0.1), ("11", "a", 60, 0.2), head=f"{HEAD},task_name")
    head, first, second = file.read_text().splitlines()
    file.write_text("\n".join([head, f"{first},load", f"{second},build"]))
    found = read_codecarbon(file)
    assert (kwh(found), [record.subject for record in found]) == ([0.1, 0.2], ["fixture load", "fixture build"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=4), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_shuffled_runs_add_up_to_what_each_took(runs: list[list[int]], chance: Any) -> None:
    rows = []
    for number, steps in enumerate(runs):
        for at in range(len(steps)):
            rows.append((f"{10 + at}", f"run{number}", 60.0 * (at + 1), sum(steps[: at + 1]) / 100))
    chance.shuffle(rows)
    with tempfile.TemporaryDirectory() as folder:
        found = read_codecarbon(table(Path(folder), *rows))
    assert sorted(kwh(found)) == sorted(sum(steps) / 100 for steps in runs)


def test_cells_that_cannot_be_are_no_amounts_and_end_no_reader(tmp_path: Path) -> None:
    (record,) = read_codecarbon(rewritten(tmp_path, cpu_energy="1e300", ram_total_size="1e300", cpu_count="1e300"))
    assert record.readings["package_energy"].reason == "the column cpu_energy holds no amount"
    assert record.host["cores"] is None
    (record,) = read_codecarbon(rewritten(tmp_path, emissions="1000"))
    assert "is more than any power station emits (3000 g/kWh)" in record.readings["carbon"].reason
    for cells in ({"duration": "1e19"}, {"timestamp": "0001-01-01T00:00:00"}):
        with pytest.raises(BadData, match=r"emissions\.csv:2: timestamp is .*; a row needs both"):
            read_codecarbon(rewritten(tmp_path, **cells))
    with pytest.raises(BadData, match=r"emissions\.csv:2 is no row of CodeCarbon: wall_s is 2e\+10, and cannot be above 1e\+10"):
        read_codecarbon(rewritten(tmp_path, duration="2e10", timestamp="2900-01-01T00:00:00"))
    (tmp_path / "none.csv").write_text(HEAD + "\n")
    with pytest.raises(BadData, match=r"none\.csv is no emissions\.csv of CodeCarbon: it has no row"):
        read_codecarbon(tmp_path / "none.csv")
    (tmp_path / "wide.csv").write_text("1" * 200_000)
    with pytest.raises(BadData, match=r"wide\.csv:\d is no line of a table: field larger"):
        read_codecarbon(tmp_path / "wide.csv")
