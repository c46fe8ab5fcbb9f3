"""Sums over records count no work twice: blocks in blocks, in part or whole, of one process or of those below it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord, Origin, Shared
from paredown.exports.sums import outermost


def record(
    name: str, cpu_s: float, shared: Sequence[Shared] = (), origin: Origin | None = None, wall_s: float = 10.0, named: str | None = None
) -> EnergyRecord:
    readings: dict[str, Reading | Missing] = {
        "cpu_time": Reading(quantity="cpu_time", value=cpu_s, how=How.MEASURED),
        "energy": Reading(quantity="energy", value=2 * cpu_s, low=cpu_s, high=3 * cpu_s, how=How.ESTIMATED),
        "peak_rss": Reading(quantity="peak_rss", value=1e6, how=How.MEASURED),
        "carbon": Missing(quantity="carbon", reason="no place was declared"),
    }
    return EnergyRecord(
        activity="training",
        subject=name,
        unit="run",
        count=1,
        readings=readings,
        wall_s=wall_s,
        started="2026-11-24T21:10:00+00:00",
        hourly_j={"2026-11-24T21": 2 * cpu_s},
        boundary="the process",
        id=name if named is None else named,
        shared=shared,
        origin=origin,
    )


def within(*ids: str, cpu_s: float, wall_s: float = 10.0) -> Shared:
    amounts = {"cpu_time": cpu_s, "energy": 2 * cpu_s}
    return Shared(within=ids, wall_s=wall_s, amounts=amounts, hourly_j={"2026-11-24T21": 2 * cpu_s})


def run(process: str, *above: str, began_s: float = 0.0, ended_s: float = 10.0, below: bool = True, machine: str = "m") -> Origin:
    return Origin(machine=machine, processes=(process, *above), began_s=began_s, ended_s=ended_s, below=below)


def total(records: Sequence[EnergyRecord]) -> float:
    return sum(item.readings["cpu_time"].value for item in records)  # type: ignore[union-attr]


def test_records_that_share_nothing_stay_as_they_are_and_nothing_is_said() -> None:
    given = [record("a", 1.0), record("b", 2.0), record("old", 3.0, named=""), record("old", 3.0, named="")]
    assert outermost(given) == (given, "")


def test_a_block_in_a_block_is_left_out_and_named_and_stays_whole_where_the_outer_one_is_not_there() -> None:
    outer = record("outer", 5.0)
    inner = record("inner", 2.0, [within("outer", cpu_s=2.0)])
    kept, said = outermost([inner, outer])
    assert kept == [outer]
    assert said == "1 of 2 records lie in others, which hold their work, and are not added: 'inner'"
    assert outermost([inner]) == ([inner], "")


def test_of_blocks_that_overlap_each_moment_counts_once_whichever_of_them_are_there() -> None:
    # one core at work for 20 s: a 0-10, b 5-15, c 8-20
    a = record("a", 10.0)
    b = record("b", 10.0, [within("a", cpu_s=5.0, wall_s=5.0)])
    c = record("c", 12.0, [within("a", "b", cpu_s=2.0, wall_s=2.0), within("b", cpu_s=5.0, wall_s=5.0)], wall_s=12.0)
    for some, union_s in (([a, b, c], 20.0), ([a, c], 20.0), ([b, c], 15.0), ([a, b], 15.0), ([c], 12.0)):
        kept, _ = outermost(some)
        assert total(kept) == pytest.approx(union_s)
    kept, said = outermost([a, b, c])
    assert said == "of 'b', 'c' only what no other record holds is added"
    rest = kept[2]
    assert (rest.wall_s, rest.hourly_j) == (5.0, {"2026-11-24T21": pytest.approx(10.0)})
    energy, memory = rest.readings["energy"], rest.readings["peak_rss"]
    assert isinstance(energy, Reading)
    assert isinstance(memory, Reading)
    assert (energy.low, energy.value, energy.high) == pytest.approx((5.0, 10.0, 15.0))
    assert memory.value == 1e6
    assert rest.readings["carbon"] == c.readings["carbon"]


def test_what_a_process_below_tracks_is_in_the_record_of_the_one_above_which_counts_it() -> None:
    above = record("above", 5.0, origin=run("1", "0"))
    child = record("child", 2.0, origin=run("2", "1", "0", began_s=1.0, ended_s=9.0))
    grandchild = record("grandchild", 1.0, origin=run("3", "2", "1", "0", began_s=2.0, ended_s=3.0))
    kept, said = outermost([grandchild, child, above])
    assert kept == [above]
    assert "'grandchild', 'child'" in said
    for not_in_it in (run("2", "1", began_s=10.0, ended_s=20.0), run("2", "1", machine="n"), run("2", "9"), run("1", "0")):
        apart = record("apart", 2.0, origin=not_in_it)
        assert outermost([above, apart]) == ([above, apart], "")
    alone = record("alone", 5.0, origin=run("1", below=False))
    assert outermost([alone, child]) == ([alone, child], "")


def test_a_process_below_that_outlives_the_block_keeps_the_share_of_the_time_after_it() -> None:
    above = record("above", 5.0, origin=run("1"))
    child = record("child", 8.0, origin=run("2", "1", began_s=5.0, ended_s=25.0), wall_s=20.0)
    kept, said = outermost([above, record("again", 1.0, origin=run("1", began_s=8.0, ended_s=10.0)), child])
    assert total(kept) == pytest.approx(5.0 + 1.0 + 6.0)
    assert said == "of 'child' only what no other record holds is added"


def test_a_record_that_is_there_twice_counts_once_as_it_was_last() -> None:
    checkpoint, end = record("a", 1.0, wall_s=5.0), record("a", 2.0, wall_s=9.0)
    kept, said = outermost([checkpoint, end, checkpoint])
    assert kept == [end]
    assert said == "2 of 3 records repeat others and count once"
