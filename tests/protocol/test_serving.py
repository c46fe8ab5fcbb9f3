"""A server under requests that arrive at random: the queue is in the latency, waiting is not in the CPU time, too much is said."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from paredown.core.reading import Missing, Reading
from paredown.protocol import subject
from paredown.protocol.bench import Bench, Side, Windows
from paredown.protocol.plan import Plan
from paredown.protocol.serving import load_of


class Slow:
    """Answers by sleeping, so that a load is known exactly."""

    def __init__(self, service_s: float) -> None:
        self.program = self
        self._service_s = service_s

    def predict(self, call: Any) -> None:
        time.sleep(self._service_s)


def served(service_s: float, seconds: float, rate: float, seed: int = 0) -> dict[str, Any]:
    from paredown.meters.cpu_time import CpuTime
    from paredown.meters.energy_model import EnergyModel
    from paredown.meters.latency import Latency

    state = {"model": Slow(service_s), "calls": [0, 1, 2], "batch": 1, "at": 0, "meters": [CpuTime(), EnergyModel(), Latency()]}
    return subject.serve_window(state, seconds=seconds, rate=rate, seed=seed)


def test_the_arrivals_are_those_of_the_seed_whatever_the_model() -> None:
    fast, slow = served(0.0, 0.3, 100), served(0.002, 0.3, 100)
    assert fast["arrived"] == slow["arrived"] == fast["items"] == len(fast["laps_s"])
    assert served(0.0, 0.3, 100, seed=1)["arrived"] != fast["arrived"] or served(0.0, 0.3, 100, seed=2)["arrived"] != fast["arrived"]
    assert fast["wall_s"] == pytest.approx(0.3, abs=0.1)


def test_a_waiting_server_takes_no_cpu_time_and_is_hardly_busy() -> None:
    found = served(0.0, 0.5, 20)
    cpu_s = found["readings"]["cpu_time"]["value"] * found["items"]
    assert cpu_s < 0.1 * found["wall_s"]
    assert found["readings"]["busy"]["value"] < 0.05
    # what the reserved CPUs draw while nothing arrives is the most of a request's energy
    assert found["readings"]["idle_energy"]["value"] > found["readings"]["energy"]["value"]


def test_a_latency_runs_from_the_arrival_so_that_the_queue_is_in_it() -> None:
    found = served(0.02, 0.6, 45, seed=3)
    assert found["busy_s"] >= 0.02 * found["items"]
    assert np.max(found["laps_s"]) > 0.04  # somebody waited behind another
    assert np.min(found["laps_s"]) >= 0.02


def test_more_than_it_can_answer_is_given_up_and_said() -> None:
    found = served(0.05, 0.3, 200)
    assert found["items"] < found["arrived"]
    assert found["wall_s"] < 3 * 0.3
    raw = [{"side": "a"} | found]
    load = load_of(Windows(sides={"a": [found["readings"]]}, raw=raw), "a", 200.0)
    assert load.overloaded
    assert load.most == pytest.approx(20, rel=0.2)
    late = load.readings["latency_p50"]
    assert isinstance(late, Missing)
    assert late.reason == f"200 requests arrive in a second and at most {load.most:.2g} are answered, so that the queue grows without end"
    assert isinstance(load.readings["cpu_time"], Reading)


def test_energy_with_idle_is_the_sum_and_missing_where_a_part_is() -> None:
    found = served(0.0, 0.3, 50)
    load = load_of(Windows(sides={"a": [found["readings"]]}, raw=[{"side": "a"} | found]), "a", 50.0)
    both, parts = load.energy_with_idle(), [load.readings[name] for name in ("energy", "idle_energy")]
    assert isinstance(both, Reading)
    assert both.value == pytest.approx(sum(part.value for part in parts))  # type: ignore[union-attr]
    assert load.json()["energy_with_idle"]["value"] == both.value
    del load.readings["idle_energy"]  # type: ignore[attr-defined]
    assert load.energy_with_idle() == Missing(quantity="energy", reason="not measured")


def test_both_sides_of_a_bench_get_the_same_arrivals(made: Any) -> None:
    with Bench(made.rows) as bench:
        sides = [Side(name="a", artifact=made.light), Side(name="b", artifact=made.heavy)]
        windows = bench.measure(sides, Plan(rounds=2, window_s=0.3, warm_s=0.02, rate=100.0))
    arrived = {side: {(window["round"], window["arrived"]) for window in windows.raw if window["side"] == side} for side in ("a", "b")}
    assert arrived["a"] == arrived["b"]  # a window taken again gets those of its round
    assert windows.series("a", "busy")
    assert windows.series("a", "cpu_time")[0] < windows.series("b", "cpu_time")[0]
