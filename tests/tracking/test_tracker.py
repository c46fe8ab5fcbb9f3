"""`track()` says what a block took: known work is known, errors go through, and what is outside of the block is not in it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

import paredown
from paredown.core.errors import CannotWrite, UsageError
from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.record import record_from_json
from paredown.meters.powercap import Powercap
from paredown.tracking import instruments, open_blocks, usage

BURN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass"


def burn(cpu_s: float) -> None:
    """Keep one thread busy for so many CPU seconds of its own."""
    end = time.thread_time() + cpu_s
    while time.thread_time() < end:
        pass


def test_a_block_is_charged_the_cpu_time_that_it_burns() -> None:
    burn(0.05)
    with paredown.track("work") as took:
        burn(0.3)
    burn(0.05)
    assert took.cpu_s == pytest.approx(0.3, rel=0.05)
    assert took.record.subject == "work"
    assert took.wall_s >= 0.29
    assert took.energy_j == pytest.approx(sum(took.record.hourly_j.values()))


def test_sleep_takes_wall_time_and_no_cpu_time() -> None:
    with paredown.track() as took:
        time.sleep(0.3)
    assert took.cpu_s < 0.05
    assert took.wall_s == pytest.approx(0.3, rel=0.5)
    assert took.wall_s >= 0.3


def test_without_counters_energy_is_the_estimate_of_the_work_and_of_the_idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with_meters(monkeypatch, package_energy="no counter here")
    with paredown.track() as took:
        burn(0.1)
    machine, curve = instruments.machine()
    energy, idle = took.readings["energy"], took.readings["idle_energy"]
    assert energy.value == pytest.approx(curve.active_w.value * took.cpu_s)
    assert idle.value == pytest.approx(curve.idle_w.value * machine.cores * took.wall_s)
    assert took.energy_j == pytest.approx(energy.value + idle.value)
    assert took.readings["package_energy"] == Missing(quantity="package_energy", reason="no counter here")
    assert energy.how is How.ESTIMATED


def with_meters(monkeypatch: pytest.MonkeyPatch, *meters: type[Meter], **why: str) -> None:
    """A machine with these counters."""
    monkeypatch.setattr(instruments, "_usable", lambda: (meters, why))
    monkeypatch.setattr(instruments, "_idle", [])


class Plug(Meter):
    """A counter that gains 7 J per window."""

    quantities = ("wall_energy",)
    open = 0

    def ready(self, host: object) -> str | None:
        return None

    def start(self) -> None:
        Plug.open += 1

    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        Plug.open -= 1
        return (Reading(quantity="wall_energy", value=7.0, how=How.COUNTED, covers=("plug",)),)


def test_a_counter_is_read_at_the_edges_and_between_only_where_it_is_asked_and_time_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    with_meters(monkeypatch, Plug)
    with paredown.track() as took:
        assert Plug.open == 1
        assert "wall_energy" not in took.readings
        monkeypatch.setattr(usage, "_LEAST_S", 0.0)
        assert took.readings["wall_energy"].value == 7.0
        monkeypatch.setattr(usage, "_LEAST_S", 10.0)
        assert took.readings["wall_energy"].value == 7.0
        assert Plug.open == 1
    assert Plug.open == 0
    assert took.readings["wall_energy"].value == 14.0
    assert took.readings["wall_energy"].how is How.COUNTED
    assert took.energy_j == pytest.approx(14.0)
    assert "idle_energy" not in took.readings
    assert not took.record.estimators
    assert "whole machine" in took.record.boundary


def test_a_counter_that_fails_once_leaves_no_partial_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    class Worn(Plug):
        def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
            super().stop(window)
            return (Missing(quantity="wall_energy", reason="unplugged"),)

    with_meters(monkeypatch, Worn)
    monkeypatch.setattr(usage, "_LEAST_S", 0.0)
    with paredown.track() as took:
        took.cut()
        monkeypatch.setattr(Worn, "stop", Plug.stop)
    assert took.readings["wall_energy"] == Missing(quantity="wall_energy", reason="unplugged")
    assert took.energy_j > 0


def test_a_last_piece_that_is_too_short_for_its_counter_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Plug):
        def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
            found = super().stop(window)
            return found if window.wall_s > 0.05 else (Missing(quantity="wall_energy", reason="window too short"),)

    with_meters(monkeypatch, Slow)
    monkeypatch.setattr(usage, "_LEAST_S", 0.05)
    with paredown.track() as took:
        time.sleep(0.06)
        took.cut()
    assert took.readings["wall_energy"].value == 7.0
    assert "wall_energy: the last" in took.record.notes[0]


def test_two_blocks_never_share_a_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    with_meters(monkeypatch, Plug)
    with paredown.track() as one, paredown.track() as other:
        assert one._meters[0] is not other._meters[0]
    with paredown.track() as third:
        assert third._meters[0] in (one._meters[0], other._meters[0])


def test_the_processors_own_counters_are_read_to_the_microjoule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Simulated(Powercap):
        def __init__(self) -> None:
            super().__init__(tmp_path)

    counters = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "dram"}
    for folder, name in counters.items():
        zone = tmp_path / "sys/class/powercap" / folder
        zone.mkdir(parents=True)
        for file, text in (("name", name), ("energy_uj", "262143328000"), ("max_energy_range_uj", "262143328850")):
            (zone / file).write_text(text)
    with_meters(monkeypatch, Simulated)
    with paredown.track(grid="360 g/kWh") as took:
        time.sleep(0.1)
        for folder, energy_uj in zip(counters, (2_999_150, 499_150)):
            (tmp_path / "sys/class/powercap" / folder / "energy_uj").write_text(str(energy_uj))
    package, memory = took.readings["package_energy"], took.readings["dram_energy"]
    assert (package.value, memory.value) == pytest.approx((3.0, 0.5), abs=2e-6)
    assert (package.how, memory.how) == (How.COUNTED, How.COUNTED)
    assert took.energy_j == pytest.approx(3.5, abs=4e-6)
    assert sum(took.record.hourly_j.values()) == pytest.approx(took.energy_j)
    assert took.readings["carbon"].value == pytest.approx(3.5 / 1e4, rel=1e-5)
    assert took.readings["energy"].how is How.ESTIMATED
    assert "package_energy and dram_energy: counted for the whole machine" in took.record.boundary


def fails() -> None:
    burn(0.02)
    raise ZeroDivisionError


def test_an_error_goes_through_and_leaves_the_record(tmp_path: Path) -> None:
    file = tmp_path / "took.jsonl"
    with pytest.raises(ZeroDivisionError), paredown.track("fails", to=file) as took:
        fails()
    assert took.cpu_s >= 0.02
    assert "the block was left by ZeroDivisionError" in took.record.notes
    assert json.loads(file.read_text())["subject"] == "fails"


def test_a_decorated_function_leaves_the_readings_of_its_last_call() -> None:
    @paredown.track("add", unit="sum")
    def add(one: int, two: int) -> int:
        """Sum."""
        burn(0.02 * one)
        return one + two

    assert (add(1, 2), add(3, two=4)) == (3, 7)
    assert (add.__name__, add.__doc__) == ("add", "Sum.")
    assert add.took.cpu_s == pytest.approx(0.06, rel=0.3)
    assert (add.took.record.subject, add.took.record.unit) == ("add", "sum")


def test_a_decorated_function_may_call_itself() -> None:
    @paredown.track("down")
    def down(left: int) -> int:
        return left and down(left - 1)

    assert down(3) == 0


def test_a_coroutine_is_tracked_until_it_is_done() -> None:
    @paredown.track("waits")
    async def work() -> str:
        await asyncio.sleep(0.05)
        return "done"

    assert asyncio.run(work()) == "done"
    assert work.took.wall_s >= 0.05


def test_nested_blocks_each_count_their_own_whole_and_say_so() -> None:
    with paredown.track("outer") as outer:
        burn(0.05)
        with paredown.track("inner") as inner:
            burn(0.1)
    assert inner.cpu_s == pytest.approx(0.1, rel=0.1)
    assert outer.cpu_s == pytest.approx(0.15, rel=0.1)
    assert "the block 'inner' was open at the same time" in outer.record.notes[0]
    assert "the block 'outer' was open at the same time" in inner.record.notes[0]


def test_one_block_cannot_be_open_twice() -> None:
    block = paredown.track("twice")
    with block, pytest.raises(UsageError, match="the block 'twice' is open already"), block:
        pass
    with block:
        pass


def test_threads_of_the_process_are_counted() -> None:
    with paredown.track() as took:
        threads = [threading.Thread(target=burn, args=(0.1,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert took.cpu_s == pytest.approx(0.2, rel=0.1)


def test_children_are_counted_whether_waited_for_or_running() -> None:
    before = subprocess.Popen(
        [sys.executable, "-c", "input()\n" + BURN.format(0.2) + "\nprint(1, flush=True)\ninput()"], stdin=-1, stdout=-1
    )
    time.sleep(0.3)
    with paredown.track() as took, paredown.track(children=False) as alone:
        subprocess.run([sys.executable, "-S", "-c", BURN.format(0.3)], check=True)
        waited_s = took.cpu_s
        before.stdin.write(b"\n")
        before.stdin.flush()
        before.stdout.readline()
    before.communicate(b"\n")
    assert waited_s == pytest.approx(0.3, abs=0.08)
    assert took.cpu_s - waited_s == pytest.approx(0.2, abs=0.08)
    assert alone.cpu_s < 0.1


def test_a_forked_child_leaves_nothing_of_the_block(tmp_path: Path) -> None:
    file = tmp_path / "took.jsonl"
    code = (
        "import os, paredown\n"
        f"with paredown.track('parent', to={str(file)!r}) as took:\n"
        "    child = os.fork()\n"
        "    if child:\n"
        "        os.waitpid(child, 0)\n"
        "if not child:\n"
        f"    with paredown.track('child', to={str(file)!r}) as own: pass\n"
        "    assert not own.record.notes, own.record.notes\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [item["subject"] for item in records] == ["child", "parent"]
    assert all(item["readings"]["cpu_time"]["value"] >= 0 for item in records)


def _line(file: str) -> None:
    for _ in range(20):
        with paredown.track("x" * 3000, to=file):
            pass


def test_processes_append_whole_lines_to_one_file(tmp_path: Path) -> None:
    file = tmp_path / "took.jsonl"
    file.write_text('{"cut off by a kil')
    with get_context("spawn").Pool(2) as pool:
        pool.map(_line, [str(file)] * 2)
    first, *lines = file.read_text().splitlines()
    assert first == '{"cut off by a kil'
    assert len(lines) == 40
    assert {record_from_json(json.loads(line)).subject for line in lines} == {"x" * 3000}


def test_a_file_that_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    begun = []
    with pytest.raises(CannotWrite, match=r"cannot write .*none/a\.jsonl"), paredown.track(to=tmp_path / "none" / "a.jsonl"):
        begun.append(1)
    assert not begun


def test_the_record_survives_its_json_and_prints_in_words() -> None:
    with paredown.track("train", activity="training", unit="token", count=100) as took:
        burn(0.05)
    data = json.loads(json.dumps(took.record.json()))
    assert record_from_json(data).json() == took.record.json()
    text = str(took)
    assert text.startswith("train: ")
    for part in ("cpu time", "measured", "estimated", "per token", "carbon", "missing: no place", "From the block's start"):
        assert part in text


def test_a_long_block_is_cut_at_the_edges_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an edge every 0.1 s and an hour of 0.2 s, work and pause of one block land in their own hours."""
    monkeypatch.setattr(open_blocks, "CUT_S", 0.1)
    monkeypatch.setattr(open_blocks, "_clock", None)
    monkeypatch.setattr("paredown.ground.hours.HOUR_S", 0.2)
    monkeypatch.setattr("paredown.ground.hours._named", lambda at_s: f"{at_s:.1f}")
    with_meters(monkeypatch)
    time.sleep(0.2 - time.time() % 0.2)
    with paredown.track() as took:
        burn(0.18)
        worked = time.time()
        time.sleep(0.8)
    by_hour = {float(hour): part.cpu_s for hour, part in took._hours.items()}
    assert len(by_hour) >= 4
    assert sum(by_hour.values()) == pytest.approx(took.cpu_s)
    assert sum(cpu_s for began, cpu_s in by_hour.items() if began > worked + 0.2) < 0.1 * took.cpu_s
    assert sum(took.record.hourly_j.values()) == pytest.approx(took.energy_j)


def test_tracking_imports_nothing_heavy() -> None:
    code = "import sys, paredown\nwith paredown.track(): pass\nprint(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**os.environ}).stdout.split()
    assert set(found) & {"numpy", "torch", "pydantic", "sqlalchemy", "rich", "asyncio"} == set()
