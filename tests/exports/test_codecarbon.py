"""CodeCarbon's table, written by CodeCarbon 3.3.2 itself, and rows that lack things."""

from __future__ import annotations

from pathlib import Path

import pytest

from paredown.core.errors import BadData
from paredown.core.reading import How, Missing
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
