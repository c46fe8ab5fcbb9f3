from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.core.meter import Fact, Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host
from paredown.ground import registry
from paredown.impact.energy import Curve, Span
from paredown.meters.complexity import Complexity
from paredown.meters.cpu_time import CpuTime
from paredown.meters.energy_model import EnergyModel
from paredown.meters.latency import Latency
from paredown.meters.memory import Memory
from paredown.meters.size import Size
from paredown.meters.throughput import Throughput
from paredown.testing.contracts import check_fact, check_meter

EMPTY = Window(wall_s=0.1, items=0)


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


@pytest.mark.parametrize("unit", registry.working("meters"), ids=lambda unit: unit.name())
def test_every_unit_keeps_the_contract(unit: type[Meter] | type[Fact], tmp_path: Path) -> None:
    if issubclass(unit, Meter):
        reason = check_meter(unit())
        assert reason is None or unit().found() is not None  # only what needs hardware may be without it
    else:
        check_fact(unit(), artifact(tmp_path, [graph("main", 10, 100)], model__onnx=b"x"))


def test_cpu_time_is_per_item_and_leaves_sleep_out() -> None:
    meter = CpuTime()
    meter.start()
    spin(0.1)
    time.sleep(0.1)
    (reading,) = meter.stop(Window(wall_s=0.2, items=10))
    assert isinstance(reading, Reading)
    assert 0.010 <= reading.value < 0.015
    assert (reading.how, reading.n, reading.unit) == (How.MEASURED, 10, "s")


def test_cpu_time_counts_children_when_asked_for() -> None:
    pytest.importorskip("resource")
    meter = CpuTime(children=True)
    meter.start()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    (reading,) = meter.stop(Window(wall_s=0.5, items=1))
    assert isinstance(reading, Reading)
    assert reading.value > 0.3


def test_energy_is_cpu_seconds_times_active_watts_per_item() -> None:
    curve = Curve(name="flat", idle_w=Span(value=9, low=9, high=9), active_w=Span(value=2.0, low=1.0, high=3.0), source="s", note="n")
    meter = EnergyModel(curve)
    meter.start()
    spin(0.1)
    (reading,) = meter.stop(Window(wall_s=0.1, items=10))
    assert isinstance(reading, Reading)
    assert 0.020 <= reading.value < 0.030
    assert (reading.low, reading.high) == pytest.approx((reading.value * 0.5 * 0.85, reading.value * 1.5 * 1.15))
    assert (reading.how, reading.n) == (How.ESTIMATED, 10)


@pytest.mark.parametrize("meter", [CpuTime(), EnergyModel()])
def test_a_window_without_an_answer_has_no_cost_per_item(meter: Meter) -> None:
    meter.start()
    assert meter.stop(EMPTY) == (Missing(quantity=meter.quantities[0], reason="no inference was answered in the window"),)


@given(st.lists(st.floats(1e-6, 1e3), min_size=100, max_size=400))
def test_percentiles_are_those_of_the_inverted_distribution(laps_s: list[float]) -> None:
    found = Latency().stop(Window(wall_s=sum(laps_s), items=len(laps_s), laps_s=laps_s))
    assert [reading.value for reading in found if isinstance(reading, Reading)] == list(
        np.percentile(laps_s, [50, 95, 99], method="inverted_cdf")
    )


def test_percentiles_of_one_to_hundred_are_themselves() -> None:
    found = Latency().stop(Window(wall_s=1.0, items=100, laps_s=[float(lap) for lap in range(100, 0, -1)]))
    assert [(reading.quantity, reading.value) for reading in found if isinstance(reading, Reading)] == [
        ("latency_p50", 50.0),
        ("latency_p95", 95.0),
        ("latency_p99", 99.0),
    ]


@pytest.mark.parametrize(("laps", "missing"), [(0, "50 95 99"), (1, "95 99"), (19, "95 99"), (20, "99"), (99, "99"), (100, "")])
def test_a_percentile_that_would_only_be_the_slowest_lap_is_missing(laps: int, missing: str) -> None:
    found = Latency().stop(Window(wall_s=1.0, items=laps, laps_s=[0.01] * laps))
    gone = [reading for reading in found if isinstance(reading, Missing)]
    assert [reading.quantity for reading in gone] == [f"latency_p{percent}" for percent in missing.split()]
    assert all(reading.reason.startswith(f"{laps} calls in the window") for reading in gone)


def test_throughput_counts_items_not_calls() -> None:
    (reading,) = Throughput().stop(Window(wall_s=2.0, items=64, laps_s=(1.0, 1.0)))
    assert isinstance(reading, Reading)
    assert (reading.value, reading.unit) == (32.0, "1/s")
    assert Throughput().stop(Window(wall_s=0.0, items=64)) == (Missing(quantity="throughput", reason="the window lasted 0 s"),)


def test_peak_memory_reads_kibibytes(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/status").write_text("Name:\tpython\nVmPeak:\t  999999 kB\nVmHWM:\t   12345 kB\nVmRSS:\t   10000 kB\n")
    (reading,) = Memory(tmp_path).stop(EMPTY)
    assert isinstance(reading, Reading)
    assert (reading.value, reading.unit) == (12345 * 1024, "B")


def test_peak_memory_without_proc_is_of_the_same_size_as_with(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    (kernel,), (fallback,) = Memory().stop(EMPTY), Memory(tmp_path).stop(EMPTY)
    assert isinstance(kernel, Reading)
    assert isinstance(fallback, Reading)
    assert fallback.value == pytest.approx(kernel.value, rel=0.5)


PEAK = """
from paredown.core.meter import Window
from paredown.meters.memory import Memory
print(Memory().stop(Window(wall_s=1, items=1))[0].value)
{more}
print(Memory().stop(Window(wall_s=1, items=1))[0].value)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
def test_peak_memory_is_the_programs_own_and_stays_after_memory_is_freed() -> None:
    ballast = np.ones(300 << 20, dtype=np.uint8)  # the process that starts it is heavy
    more = "ballast = bytearray(b'x') * (100 << 20); del ballast"
    out = subprocess.run([sys.executable, "-c", PEAK.format(more=more)], check=True, capture_output=True, text=True).stdout.split()
    before_b, after_b = map(int, out)
    assert before_b < 200 << 20 < ballast.nbytes
    assert 100 << 20 <= after_b - before_b + (8 << 20) < 120 << 20


def test_memory_says_where_it_cannot_be_read() -> None:
    windows = Host(cores=1, isa="generic", cpu={}, memory_b=1, system="windows")
    assert Memory().ready(windows) == "windows keeps no resident peak that can be read here; peak_rss stays missing."


def artifact(folder: Path, graphs: list[dict[str, Any]], **files: bytes) -> Path:
    names = {name.replace("__", "."): content for name, content in files.items()}
    for name, content in names.items():
        (folder / name).write_bytes(content)
    (folder / "artifact.json").write_text(json.dumps({"format": 1, "files": dict.fromkeys(names, ""), "graphs": graphs}))
    return folder


def test_size_is_the_manifest_and_what_it_lists_without_what_people_read(tmp_path: Path) -> None:
    folder = artifact(tmp_path, [], model__onnx=b"x" * 1000, labels__json=b"y" * 24, README__md=b"z" * 5000)
    (folder / "stray.bin").write_bytes(b"w" * 9000)
    (reading,) = Size().facts(folder)
    assert isinstance(reading, Reading)
    manifest = (folder / "artifact.json").stat().st_size
    assert (reading.value, reading.unit, reading.n) == (1024 + manifest, "B", 3)


def test_size_is_missing_when_a_listed_file_is_not_there(tmp_path: Path) -> None:
    folder = artifact(tmp_path, [], model__onnx=b"x")
    (folder / "model.onnx").unlink()
    assert Size().facts(folder) == (Missing(quantity="size", reason="artifact.json lists model.onnx, which is not there"),)


def graph(name: str, parameters: int | None, multiply_adds: int | None) -> dict[str, Any]:
    return {"name": name, "parameters": parameters, "multiply_adds": multiply_adds}


def test_counts_of_one_graph(tmp_path: Path) -> None:
    parameters, multiply_adds = Complexity().facts(artifact(tmp_path, [graph("main", 60_000, 3_000_000)]))
    assert isinstance(parameters, Reading)
    assert isinstance(multiply_adds, Reading)
    assert (parameters.value, multiply_adds.value) == (60_000, 3_000_000)


def test_counts_that_were_not_made_are_missing_and_not_zero(tmp_path: Path) -> None:
    found = Complexity().facts(artifact(tmp_path, [graph("first", 10, None), graph("second", None, 5)]))
    assert found == (
        Missing(quantity="parameters", reason="not counted for second: sizes are unknown, or it has no layers"),
        Missing(quantity="multiply_adds", reason="not counted for first: sizes are unknown, or it has no layers"),
    )


def test_a_cascade_has_a_sum_of_parameters_but_no_fixed_number_of_multiply_adds(tmp_path: Path) -> None:
    parameters, multiply_adds = Complexity().facts(artifact(tmp_path, [graph("first", 10, 100), graph("second", 20, 900)]))
    assert isinstance(parameters, Reading)
    assert parameters.value == 30
    reason = "between 100 and 1000: it depends on how many inputs the first of 2 graphs answers"
    assert multiply_adds == Missing(quantity="multiply_adds", reason=reason)
