"""Blocks that are open together: each moment of a process belongs to the one that has been open longest."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import paredown
from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.exports.records import read_records
from paredown.exports.sums import outermost
from paredown.tracking import instruments


def burn(cpu_s: float) -> None:
    end = time.thread_time() + cpu_s
    while time.thread_time() < end:
        pass


def cpu_s(records: list[EnergyRecord]) -> float:
    return sum(record.readings["cpu_time"].value for record in records)  # type: ignore[union-attr]


def test_a_block_in_a_block_says_in_which() -> None:
    with paredown.track("outer") as outer:
        burn(0.02)
        with paredown.track("inner") as inner:
            burn(0.04)
    (part,) = inner.record.shared
    assert part.within == (outer.id,)
    assert part.amounts["cpu_time"] == pytest.approx(inner.cpu_s)
    assert part.wall_s == pytest.approx(inner.wall_s)
    assert outer.record.shared == ()
    assert outermost([outer.record, inner.record])[0] == [outer.record]


def test_of_blocks_that_overlap_the_later_shares_until_the_earlier_ends() -> None:
    first, second = paredown.track("first"), paredown.track("second", grid="400 g/kWh")
    one = first.__enter__()
    burn(0.1)
    other = second.__enter__()
    burn(0.2)
    first.__exit__(None, None, None)
    burn(0.4)
    second.__exit__(None, None, None)
    (part,) = other.record.shared
    assert part.amounts["cpu_time"] == pytest.approx(0.2, rel=0.2)
    assert part.amounts["carbon"] == pytest.approx(400 / 3.6e6 * sum(part.hourly_j.values()))
    kept, said = outermost([one.record, other.record])
    assert cpu_s(kept) == pytest.approx(0.7, rel=0.1)
    assert cpu_s([one.record, other.record]) == pytest.approx(cpu_s(kept) + part.amounts["cpu_time"])
    assert said == "of 'second' only what no other record holds is added"
    carbon = kept[1].readings["carbon"]
    assert isinstance(carbon, Reading)
    assert carbon.value == pytest.approx(400 / 3.6e6 * sum(kept[1].hourly_j.values()))


class Plug(Meter):
    """A counter that gains 8 J per window."""

    quantities = ("wall_energy",)

    def ready(self, host: object) -> str | None:
        return None

    def start(self) -> None:
        pass

    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        return (Reading(quantity="wall_energy", value=8.0, how=How.COUNTED, covers=("plug",)),)


def test_what_a_counter_counted_over_an_overlap_is_parted_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruments, "_usable", lambda: ((Plug,), {}))
    monkeypatch.setattr(instruments, "_idle", [])
    first, second = paredown.track("first"), paredown.track("second")
    first.__enter__()
    other = second.__enter__()
    time.sleep(0.05)
    first.__exit__(None, None, None)
    time.sleep(0.15)
    second.__exit__(None, None, None)
    assert other.readings["wall_energy"].value == pytest.approx(8.0)
    (part,) = other.record.shared
    assert part.amounts["wall_energy"] == pytest.approx(8.0 * part.wall_s / other.wall_s, rel=0.01)
    assert part.amounts["wall_energy"] < 4.0


def test_a_block_without_children_leaves_those_of_an_inner_one_to_it() -> None:
    with paredown.track("outer", children=False) as outer, paredown.track("inner") as inner:
        burn(0.05)
        subprocess.run([sys.executable, "-S", "-c", "sum(range(20 * 10**6))"], check=True)
    kept, _ = outermost([outer.record, inner.record])
    assert len(kept) == 2
    assert cpu_s(kept) == pytest.approx(inner.cpu_s, rel=0.2)  # the child once (twice is nearly double), the opening of a block besides


def test_many_blocks_beside_one_make_one_note() -> None:
    with paredown.track("outer") as outer:
        for number in range(6):
            with paredown.track(f"step {number}"):
                pass
    (note,) = outer.record.notes
    assert note.startswith("the blocks 'step 0', 'step 1', 'step 2' and 3 more were open at the same time; each counts the whole process")


def test_a_forked_childs_block_is_in_its_parents(tmp_path: Path) -> None:
    file = tmp_path / "took.jsonl"
    code = (
        "import os, paredown\n"
        "block = paredown.track('again')\n"
        f"with paredown.track('parent', to={str(file)!r}), block:\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        f"        with paredown.track('child', to={str(file)!r}), block: sum(range(10**6))\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "if os.fork() == 0:\n"
        f"    with paredown.track('after', to={str(file)!r}): pass\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    kept, said = outermost(read_records(file))
    assert [record.subject for record in kept] == ["parent", "after"]
    assert "'child'" in said


def test_what_is_open_in_other_threads_is_no_hindrance() -> None:
    def work() -> None:
        with paredown.track("thread") as took:
            burn(0.01)
        found.append(took.record)

    found: list[EnergyRecord] = []
    threads = [threading.Thread(target=work) for _ in range(8)]
    before_s = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept, _ = outermost(found)
    assert len({record.id for record in found}) == 8
    assert cpu_s(kept) <= (time.process_time() - before_s) * 1.01


def test_a_record_knows_its_process() -> None:
    with paredown.track() as took:
        pass
    origin = took.record.origin
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system does not tell")
    assert origin is not None
    assert origin.processes[0].startswith(f"{os.getpid()}@")
    assert origin.processes[1].startswith(f"{os.getppid()}@")
    assert origin.ended_s - origin.began_s == pytest.approx(took.wall_s, abs=0.01)
