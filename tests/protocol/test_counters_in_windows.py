"""Counters round real windows of a real artifact: what they add while it answers, divided by what it answered."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paredown.meters import wall_log
from paredown.meters.powercap import Powercap
from paredown.protocol import subject
from paredown.protocol.bench import Bench, Plan, Side

if sys.platform != "linux":
    pytest.skip("stopped processes and /sys are Linux's", allow_module_level=True)


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Path]:
    """A wall meter's program: 80 W, a sample each 20 ms."""
    path, over = tmp_path / "plug.csv", threading.Event()
    path.write_text("time,Power (W)\n")

    def write() -> None:
        with path.open("a") as file:
            while not over.wait(0.02):
                file.write(f"{time.time():.4f},80.0\n")
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.3)
    yield path
    over.set()
    writer.join()


def test_a_wall_meters_log_is_read_by_the_processes_under_measurement(made: Any, plug: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(wall_log.VARIABLE, str(plug))
    with Bench(made.rows) as bench:
        windows = bench.measure([Side(name="one", artifact=made.light)], Plan(rounds=2, window_s=0.5, warm_s=0.05, warm_most=2))
    for window in windows.raw:
        found = window["readings"]["wall_energy"]
        assert found["value"] == pytest.approx(80.0 * window["wall_s"] / window["items"], rel=1e-3)
        assert found["how"] == "measured"
        # the wait for the sample after the window is in nobody's CPU time
        assert window["readings"]["cpu_time"]["value"] * window["items"] < window["wall_s"] * 1.3


def test_a_processors_counter_is_read_round_the_calls(made: Any, tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0")
    (zone / "energy_uj").write_text("1000000")
    state: dict[str, Any] = {}
    subject.open_artifact(state, artifact=str(made.light), rows=str(made.rows))
    state["meters"] = [Powercap(tmp_path)]
    answers = state["model"].program.answers

    def costly(rows: Any) -> Any:
        """Each call takes 3 mJ."""
        (zone / "energy_uj").write_text(str(int((zone / "energy_uj").read_text()) + 3000))
        return answers(rows)

    state["model"].program = type("Costly", (), {"answers": staticmethod(costly)})
    try:
        readings = subject.window(state, seconds=0.05)["readings"]
    finally:
        subject.close(state)
    assert readings["package_energy"]["value"] == pytest.approx(0.003, rel=1e-12)
    assert readings["package_energy"]["how"] == "counted"
    assert readings["dram_energy"] == {"missing": "this machine has no dram counter"}
