"""Counters round real windows of a real artifact: what they add while it answers, divided by what it answered."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paredown.core.reading import How
from paredown.meters import wall_log
from paredown.meters.powercap import Powercap
from paredown.protocol import subject
from paredown.protocol.bench import Bench, Side
from paredown.protocol.plan import Plan
from paredown.protocol.readings import of_windows

if sys.platform != "linux":
    pytest.skip("stopped processes and /sys are Linux's", allow_module_level=True)


class Plug:
    """A wall meter's program: a sample for each 20 ms, written late where the machine is busy but true of its own moment."""

    def __init__(self, path: Path) -> None:
        self.path, self.over = path, threading.Event()
        self.changes = [(0.0, 80.0)]

    def draw(self, power_w: float) -> None:
        self.changes.append((time.time(), power_w))

    def write(self) -> None:
        next_s = time.time()
        with self.path.open("w") as file:
            file.write("time,Power (W)\n")
            while not self.over.wait(0.02):
                while next_s < time.time():
                    power_w = [power_w for since_s, power_w in self.changes if since_s <= next_s][-1]
                    file.write(f"{next_s:.4f},{power_w}\n")
                    next_s += 0.02
                file.flush()


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plug]:
    made = Plug(tmp_path / "plug.csv")
    monkeypatch.setenv(wall_log.VARIABLE, str(made.path))
    writer = threading.Thread(target=made.write)
    writer.start()
    time.sleep(0.3)
    yield made
    made.over.set()
    writer.join()


class Drawing(Bench):
    """While one of its processes works, the machine draws 80 W at the plug, else 50 W."""

    plug: Plug

    def _order(self, name: str, verb: str, **arguments: Any) -> dict[str, Any]:
        self.plug.draw(80.0)
        try:
            return super()._order(name, verb, **arguments)
        finally:
            self.plug.draw(50.0)


PLAN = Plan(rounds=2, window_s=0.6, warm_s=0.05)


def test_a_wall_meters_log_is_read_by_the_processes_under_measurement(made: Any, plug: Plug) -> None:
    with Bench(made.rows) as bench:
        windows = bench.measure([Side(name="one", artifact=made.light)], PLAN)
    for window in windows.raw:
        found = window["readings"]["wall_energy"]
        assert found["value"] == pytest.approx(80.0 * window["wall_s"] / window["items"], rel=1e-3)
        assert found["how"] == "measured"
        # the wait for the sample after the window is in nobody's CPU time
        assert window["readings"]["cpu_time"]["value"] * window["items"] < window["wall_s"] * 1.3
    assert windows.uncounted == ""
    assert of_windows(windows, "one")["energy"].how == How.ESTIMATED


def test_energy_above_idle_is_counted_where_idle_was_looked_at(made: Any, plug: Plug) -> None:
    plug.draw(50.0)
    with Drawing(made.rows) as bench:
        bench.plug = plug
        sides = [Side(name=name, artifact=made.light) for name in ("one", "two")]
        windows = bench.measure(sides, replace(PLAN, rounds=3, idle_s=0.4))
    assert windows.uncounted == ""
    for name in ("one", "two"):
        work = [window for window in windows.raw if window["side"] == name]
        wall_s, items = (sum(window[key] for window in work) for key in ("wall_s", "items"))
        found = of_windows(windows, name)["energy"]
        assert found.value == pytest.approx(30.0 * wall_s / items, rel=0.25)  # the edges lie between two samples
        assert (found.how, found.covers) == (How.MEASURED, ("wall",))
        assert found.source.startswith("wall_energy above idle of 5")
        assert all(window["readings"]["energy"]["how"] == "estimated" for window in work)
    assert windows.json()["uncounted"] == ""


def test_energy_stays_estimated_where_idle_is_not_the_same_before_and_after(made: Any, plug: Plug) -> None:
    plug.draw(60.0)  # and 50 W from the first window on
    with Drawing(made.rows) as bench:
        bench.plug = plug
        windows = bench.measure([Side(name="one", artifact=made.light)], replace(PLAN, rounds=3, idle_s=0.4))
    drifted = r"idle: wall_energy idled at 6\d(\.\d)? W before and at 5\d(\.\d)? W after; 5% apart is allowed\.$"
    assert re.match(drifted, windows.uncounted)
    assert of_windows(windows, "one")["energy"].how == How.ESTIMATED


def test_windows_too_short_for_the_counter_say_how_long_would_do(made: Any, plug: Plug) -> None:
    with Bench(made.rows) as bench:
        windows = bench.measure([Side(name="one", artifact=made.light)], Plan(rounds=5, window_s=0.05, warm_s=0.05, idle_s=0.1))
    assert "is too short for a sample every 0.02" in windows.uncounted
    assert re.search(r"it needs 5 of them; 1(\.\d)? s of windows would be long enough$", windows.uncounted)


def test_windows_grow_to_what_a_counter_can_tell_where_enough_of_them_remain() -> None:
    plan = Plan(rounds=200, window_s=0.1)
    grown = plan.fitted(0.001, least_s=1.5)
    assert (grown.rounds, grown.window_s) == (13, pytest.approx(20 / 13))
    assert plan.fitted(0.001, least_s=2.5) == plan.fitted(0.001)


def test_a_processors_counter_is_read_round_the_calls(made: Any, tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0")
    (zone / "energy_uj").write_text("1000000")
    state: dict[str, Any] = {}
    subject.open_artifact(state, artifact=str(made.light), rows=str(made.rows))
    state["meters"] = [Powercap(tmp_path)]
    answers = state["model"].program.predict

    def costly(rows: Any) -> Any:
        """Each call takes 3 mJ."""
        (zone / "energy_uj").write_text(str(int((zone / "energy_uj").read_text()) + 3000))
        return answers(rows)

    state["model"].program = type("Costly", (), {"predict": staticmethod(costly)})
    try:
        readings = subject.window(state, seconds=0.05)["readings"]
    finally:
        subject.close(state)
    assert readings["package_energy"]["value"] == pytest.approx(0.003, rel=1e-12)
    assert readings["package_energy"]["how"] == "counted"
    assert readings["dram_energy"] == {"missing": "this machine has no dram counter"}
