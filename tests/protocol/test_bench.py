"""Windows side by side: in turns, one at a time, and a model against itself comes out even."""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.core.errors import Damaged, LimitExceeded
from paredown.executors import processes
from paredown.protocol import bench as benches
from paredown.protocol.bench import Bench, Side, Windows
from paredown.protocol.gates import Code
from paredown.protocol.plan import CALLS, SCREENING, Plan
from paredown.stats.intervals import mean_interval
from paredown.stats.ratios import ratio

SHORT = Plan(rounds=4, window_s=0.08, warm_s=0.02)


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def of_three(made: Any, plan: Plan) -> tuple[Windows, list[tuple[int, int]]]:
    ticks: list[tuple[int, int]] = []
    with Bench(made.rows) as bench:
        sides = [Side(name="heavy", artifact=made.heavy), Side(name="light", artifact=made.light), Side(name="again", artifact=made.light)]
        return bench.measure(sides, plan, tick=lambda done, total: ticks.append((done, total))), ticks


@pytest.fixture(scope="module")
def measured(made: Any) -> tuple[Windows, list[tuple[int, int]]]:
    return of_three(made, SHORT)


def test_windows_are_interleaved_there_and_back(measured: tuple[Windows, list[tuple[int, int]]]) -> None:
    windows, ticks = measured
    # a refused window is taken again in its place
    turns = [side for (side, _), _ in groupby(windows.raw, key=lambda window: (window["side"], window["round"]))]
    assert turns == ["heavy", "light", "again", "again", "light", "heavy"] * 2
    assert ticks == [(done, 4) for done in range(1, 5)]
    assert {name: len(series) for name, series in windows.sides.items()} == {"heavy": 4, "light": 4, "again": 4}
    assert windows.wall_s >= 12 * 0.08
    assert all(len(times) == 1 and times[0] > 0 for times in windows.cold_s.values())
    assert windows.cold_s.keys() == windows.sides.keys()


def test_a_model_against_itself_is_even_and_a_heavy_one_is_not(made: Any) -> None:
    windows, _ = of_three(made, replace(SHORT, rounds=16))  # one window that another process disturbed is little among them
    even, _, _ = ratio(windows.series("light", "cpu_time"), windows.series("again", "cpu_time"))
    assert 0.7 < even < 1.3
    # two matrices of 1500 and more against two of 4
    assert ratio(windows.series("heavy", "cpu_time"), windows.series("light", "cpu_time"))[0] > 3


def test_windows_are_plain_data_and_back(measured: tuple[Windows, list[tuple[int, int]]]) -> None:
    import json

    windows, _ = measured
    again = Windows(**json.loads(json.dumps(windows.json())))
    assert again.series("heavy", "cpu_time") == windows.series("heavy", "cpu_time")
    assert again.json() == windows.json()


def test_who_is_not_in_its_window_stands_still(made: Any) -> None:
    with Bench(made.rows) as bench:
        still, busy = Side(name="still", artifact=made.heavy), Side(name="busy", artifact=made.light)
        bench.open(still)
        bench.open(busy)
        pids = {name: worker.pid for name, (worker, _) in bench._open.items()}
        time.sleep(0.05)
        assert {state_of(pid) for pid in pids.values()} == {"T"}
        before = {name: cpu_ticks(pid) for name, pid in pids.items()}
        bench.measure([busy], Plan(rounds=3, window_s=0.15, warm_s=0.02))
        after = {name: cpu_ticks(pid) for name, pid in pids.items()}
        assert after["still"] == before["still"]
        assert after["busy"] - before["busy"] > 0.05 * os.sysconf("SC_CLK_TCK")
        assert {name: worker.pid for name, (worker, _) in bench._open.items()} == pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())


def test_a_disturbed_window_is_taken_again_once(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter([("steal",), (), ("steal",), ("steal",), ()])
    monkeypatch.setattr(benches, "close_gate", lambda mark: next(said))
    with Bench(made.rows) as bench:
        windows = bench.measure([Side(name="a", artifact=made.light)], Plan(rounds=3, window_s=0.02, warm_s=0.01))
    assert [(window["round"], window["reasons"]) for window in windows.raw] == [
        (0, ["steal"]),
        (0, []),
        (1, ["steal"]),
        (1, ["steal"]),
        (2, []),
    ]
    assert len(windows.sides["a"]) == 3


def test_a_measurement_ends_within_its_time_with_fewer_windows_and_says_so(made: Any) -> None:
    sides = [Side(name="a", artifact=made.light), Side(name="b", artifact=made.light)]
    with Bench(made.rows) as bench:
        bench.measure(sides, Plan(rounds=2, window_s=0.02, warm_s=0.01))
        windows = bench.measure(sides, Plan(rounds=100_000, window_s=0.02, warm_s=0.01), within_s=3.0)
    rounds = len(windows.sides["a"])
    assert 2 <= rounds == len(windows.sides["b"]) < 100
    assert set(bench.sitting_s) == {made.light}


def test_a_measurement_that_cannot_end_in_time_is_not_made(made: Any) -> None:
    with (
        Bench(made.rows) as bench,
        pytest.raises(LimitExceeded, match=r"measuring needs about \d+ s and has 0 s\.\n  Raise `search: \{bud"),
    ):
        bench.measure([Side(name="a", artifact=made.light)], Plan(rounds=20, window_s=0.5, warm_s=0.01, sittings=9), within_s=0.05)


def test_of_a_measurement_that_was_slower_than_planned_the_whole_sittings_are_kept() -> None:
    plan = Plan(rounds=80, window_s=0.1, sittings=8)
    assert benches._ended(plan, 37, 3, 9.0) == replace(plan, rounds=30, sittings=3)
    assert benches._ended(Plan(rounds=80, window_s=0.1), 37, 0, 9.0) == Plan(rounds=37, window_s=0.1)
    with pytest.raises(LimitExceeded, match=r"measuring needs about 72 s and has 9 s"):
        benches._ended(plan, 15, 1, 9.0)


def test_no_order_takes_longer_than_the_budget_leaves(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_TICK_S", 0.001)  # an engine may be open within one look of the usual length
    with Bench(made.rows) as bench:
        bench.left_s = lambda: 0.01
        with pytest.raises(LimitExceeded, match=r"took more than the 0\.01 s that the budget leaves for it; raise `search: \{budget: "):
            bench.open(Side(name="a", artifact=made.light))


def test_a_side_is_disturbed_where_its_window_was_also_when_taken_again() -> None:
    raw = [
        {"side": side, "round": at, "reasons": reasons}
        for side, at, reasons in [
            ("a", 0, ["waiting: 9 %"]),
            ("a", 0, []),
            ("a", 1, ["waiting: 9 %", "heat: 1"]),
            ("b", 0, ["of an older kind"]),
        ]
    ]
    windows = Windows(sides={"a": [], "b": []}, raw=raw)
    assert [windows.disturbed(side, Code.WAITING) for side in ("a", "b", "c")] == [0.5, 0, 0]


def test_few_laps_of_all_windows_are_kept_together(made: Any) -> None:
    with Bench(made.rows, batch=64) as bench:
        windows = bench.measure([Side(name="a", artifact=made.heavy)], Plan(rounds=3, window_s=0.05, warm_s=0.01))
    kept = {window["round"]: len(window["laps_s"]) for window in windows.raw}  # of one that was taken again, the last
    assert len(windows.laps_s["a"]) == sum(kept.values()) > 3


def test_sweep_graph_time_and_cold_start(made: Any) -> None:
    with Bench(made.rows) as bench:
        found = bench.sweep(made.heavy, [1, 2])
        assert list(found) == [1, 2]
        assert all(0 < seconds < 0.1 for seconds in found.values())
        bench.open(Side(name="a", artifact=made.heavy))
        inside = bench.graph_time("a", 0.05)
        assert inside is not None
        assert 0 < inside < 2 * found[1]
        bench.open(Side(name="pair", artifact=made.pair))
        assert bench.graph_time("pair", 0.05) is None
        cold = bench.cold_start(Side(name="a", artifact=made.light), 2)
        assert len(cold) == 2
        assert all(0.02 < seconds < 30 for seconds in cold)
        spent = bench.take_cpu_s()
        assert spent > 0.1
        assert bench.take_cpu_s() == 0.0


def test_an_artifact_that_does_not_open_is_said(made: Any, tmp_path: Path) -> None:
    with Bench(made.rows) as bench, pytest.raises(Damaged, match="is not an artifact"):
        bench.open(Side(name="a", artifact=tmp_path))


def test_a_series_is_whole_or_empty() -> None:
    windows = Windows(
        sides={"a": [{"energy": {"value": 1.0}, "cpu_time": {"value": 2.0}}, {"energy": {"missing": "none"}, "cpu_time": {"value": 3.0}}]}
    )
    assert windows.series("a", "cpu_time") == [2.0, 3.0]
    assert windows.series("a", "energy") == []
    assert windows.series("a", "size") == []


def test_the_mean_has_a_student_interval() -> None:
    values = [1.0, 2.0, 4.0, 7.0]
    mean, low, high = mean_interval(values)
    # t of 3 degrees of freedom at 97.5 %, from a table
    half = 3.1824 * np.std(values, ddof=1) / math.sqrt(4)
    assert (mean, low, high) == pytest.approx((3.5, 3.5 - half, 3.5 + half), rel=1e-4)
    assert mean_interval([2.0]) == (2.0, 2.0, 2.0)


def test_screening_is_what_the_design_says() -> None:
    assert (SCREENING.rounds, SCREENING.window_s, SCREENING.sittings) == (20, 0.1, 1)


def test_several_sittings_start_the_processes_anew(made: Any) -> None:
    sides, pids = [Side(name="a", artifact=made.light), Side(name="b", artifact=made.light)], set()
    with Bench(made.rows) as bench:
        plan = Plan(rounds=6, window_s=0.05, warm_s=0.01, sittings=3)
        windows = bench.measure(sides, plan, tick=lambda done, total: pids.update(worker.pid for worker, _ in bench._open.values()))
    assert len(pids) == 6
    assert windows.sittings == 3
    by_round = {window["round"]: window["sitting"] for window in windows.raw if window["side"] == "a"}  # one taken again is of its round
    assert [*by_round.values()] == [0, 0, 1, 1, 2, 2]
    assert {name: len(times) for name, times in windows.cold_s.items()} == {"a": 3, "b": 3}
    assert windows.steady["a"]["state"] in ("steady", "level", "moving")
    assert windows.steady["a"]["wall_s"] > 0


def test_a_plan_fits_slow_calls_and_slow_starts() -> None:
    plan = Plan(rounds=200, window_s=0.1, sittings=12)
    assert plan.fitted(1e-4, 1.0) == Plan(rounds=200, window_s=0.1, sittings=6)  # a third of 20 s
    assert plan.fitted(1e-4, 30.0).sittings == 5
    slow = plan.fitted(0.5)
    assert (slow.rounds, slow.window_s) == (40, 0.5)
    slower = plan.fitted(5.0)
    assert (slower.rounds, slower.window_s) == (10, 5.0 * CALLS / 10)
    assert Plan(rounds=3, window_s=0.1).fitted(1.0).rounds == 3
    assert Plan(rounds=10, window_s=2.0, rate=5.0).fitted(3.0) == Plan(rounds=10, window_s=2.0, rate=5.0)


def test_the_windows_of_a_round_ask_the_same_rows(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, list[tuple[int, int]]] = {"a": [], "b": []}
    real = Bench._order

    def spy(self: Bench, name: str, verb: str, **arguments: Any) -> dict[str, Any]:
        if "calls" in arguments:
            asked[name].append((arguments["first"], arguments["calls"]))
        return real(self, name, verb, **arguments)

    monkeypatch.setattr(Bench, "_order", spy)
    monkeypatch.setattr(benches, "close_gate", lambda mark: ())
    with Bench(made.rows) as bench:
        bench.measure([Side(name="a", artifact=made.light), Side(name="b", artifact=made.heavy)], SHORT)
    assert asked["a"] == asked["b"]
    assert len({first for first, _ in asked["a"]}) == 4


def test_a_window_without_an_end_is_not_waited_for(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benches, "_LATE", 1)
    with Bench(made.rows) as bench:
        bench.open(Side(name="a", artifact=made.light))
        bench._patience_s["a"] = -60.0
        with pytest.raises(LimitExceeded, match=r"light does not come to the end of a window within -59 s\."):
            bench._order("a", "window", seconds=1.0)


def test_what_does_not_open_within_its_time_is_not_waited_for(made: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "asleep.py").write_text("import time\n\n\ndef open_artifact(state, **_):\n    time.sleep(60)\n")
    monkeypatch.setattr(benches, "_SUBJECT", "asleep")
    monkeypatch.setattr(benches, "_OPEN_S", 0.2)
    with (
        Bench(made.rows, path=(tmp_path,)) as bench,
        pytest.raises(LimitExceeded, match=r"light has not opened and answered once within 0 s and \d+\.\d GB\."),
    ):
        bench.open(Side(name="a", artifact=made.light))
