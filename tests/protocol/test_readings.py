"""From windows made by hand to readings, pooled percentiles and ratios."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paredown.core.quantity import COUNTED
from paredown.core.reading import How, Missing, Reading
from paredown.ground.digests import of_files
from paredown.protocol.bench import Windows
from paredown.protocol.readings import RATIOS, facts, of_windows, ratios
from paredown.stats.ratios import ratio


def measured(value: float, **more: Any) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None, "unit": "s", "how": "measured", **more}


def window(cpu_s: float, **more: Any) -> dict[str, Any]:
    return {"cpu_time": measured(cpu_s), **more}


def test_the_mean_over_windows_with_its_interval() -> None:
    found = of_windows(Windows(sides={"a": [window(4.0), window(5.0), window(9.0)]}), "a")["cpu_time"]
    assert isinstance(found, Reading)
    # t of 2 degrees of freedom at 97.5 % is 4.3027
    half = 4.3027 * np.std([4, 5, 9], ddof=1) / np.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((6.0, max(0.0, 6.0 - half), 6.0 + half), rel=1e-4)
    assert (found.n, found.how, found.unit) == (3, How.MEASURED, "s")


def test_a_time_is_never_below_zero_however_wide_the_interval() -> None:
    found = of_windows(Windows(sides={"a": [window(0.1), window(9.0)]}), "a")["cpu_time"]
    assert isinstance(found, Reading)
    assert found.low == 0.0


def test_memory_is_the_largest() -> None:
    sides = {"a": [{"peak_rss": {"value": size, "unit": "B", "how": "counted"}} for size in (5.0, 9.0, 7.0)]}
    found = of_windows(Windows(sides=sides), "a")["peak_rss"]
    assert isinstance(found, Reading)
    assert (found.value, found.low, found.high) == (9.0, 9.0, 9.0)


def test_an_estimate_carries_its_models_uncertainty() -> None:
    energy = {"value": 2.0, "low": 1.7, "high": 2.3, "unit": "J", "how": "estimated", "covers": ["cpu"], "source": "a table, 2024"}
    found = of_windows(Windows(sides={"a": [{"energy": energy}, {"energy": energy}]}), "a")["energy"]
    assert isinstance(found, Reading)
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 1.7, 2.3))
    assert (found.covers, found.source, found.how) == (("cpu",), "a table, 2024", How.ESTIMATED)


def above_idle(total_j: float, idle_j: float = 8.0, apart_j: float = 0.5) -> dict[str, Any]:
    """A window of a counter, less what the machine idles: between two watts."""
    ends = {"value": total_j - idle_j, "low": total_j - idle_j - apart_j, "high": total_j - idle_j + apart_j}
    return {"energy": {**ends, "unit": "J", "how": "counted", "covers": ["package-0"]}}


def test_a_counted_energy_and_its_ratio_hold_both_idle_powers() -> None:
    windows = Windows(sides={"a": [window(1.0, **above_idle(18.0))] * 4, "b": [window(1.0, **above_idle(10.0))] * 4})
    before, after = (of_windows(windows, side) for side in ("a", "b"))
    assert (after["energy"].value, after["energy"].low, after["energy"].high) == pytest.approx((2.0, 1.5, 2.5))
    found = ratios(windows, "a", "b", before, after)["energy"]
    assert isinstance(found, Reading)
    # 10 over 2, and 9.5 over 1.5 or 10.5 over 2.5 where idle is the one or the other
    assert (found.value, found.low, found.high) == pytest.approx((5.0, 10.5 / 2.5, 9.5 / 1.5))
    assert found.how == How.MEASURED


def test_what_is_missing_stays_missing_with_its_reason() -> None:
    gap = {"energy": {"missing": "no counter on this host"}}
    found = of_windows(Windows(sides={"a": [window(1.0, **gap), window(1.0, **gap)]}), "a")
    assert found["energy"] == Missing(quantity="energy", reason="no counter on this host")
    partly = {"energy": measured(1.0, unit="J")}
    found = of_windows(Windows(sides={"a": [window(1.0, **partly), window(1.0, **gap)]}), "a")
    assert found["energy"] == Missing(quantity="energy", reason="absent in some windows")


FEW = {f"latency_p{percent}": {"missing": "3 calls in the window; more are needed"} for percent in (95, 99)}


def test_percentiles_of_few_laps_are_pooled_over_all_windows() -> None:
    laps = [0.001 * number for number in np.random.default_rng(0).permutation(np.arange(1, 101))]
    p50 = {"latency_p50": measured(0.5)}
    found = of_windows(Windows(sides={"a": [window(1.0, **p50, **FEW)] * 2}, laps_s={"a": laps}), "a")
    # nearest rank: the 95th and the 99th of 100 laps
    assert {name: found[name].value for name in ("latency_p95", "latency_p99")} == pytest.approx(
        {"latency_p95": 0.095, "latency_p99": 0.099}
    )
    assert found["latency_p95"].n == 100
    # what single windows could say stays
    assert found["latency_p50"].value == 0.5
    few = of_windows(Windows(sides={"a": [window(1.0, **FEW)]}, laps_s={"a": laps[:50]}), "a")
    assert isinstance(few["latency_p95"], Reading)
    assert few["latency_p99"] == Missing(quantity="latency_p99", reason="50 calls in the window; 100 are needed")


def test_the_cold_start_is_a_reading() -> None:
    windows = Windows(sides={"a": [window(1.0)]}, cold_s={"a": [0.4]})
    assert of_windows(windows, "a")["cold_start"] == Reading(quantity="cold_start", value=0.4, how=How.MEASURED, n=1)
    assert "cold_start" not in of_windows(Windows(sides={"a": [window(1.0)]}), "a")


def test_facts_of_an_artifact(made: Any) -> None:
    found = facts(made.light)
    assert found["multiply_adds"].value == 36 * 4 + 4 * 4 + 4 * 3
    assert found["parameters"].value == 36 * 4 + 4 * 4 + 4 * 3
    on_disk = sum((made.light / name).stat().st_size for name in of_files(made.light))
    assert (made.light / "model.onnx").stat().st_size < found["size"].value <= on_disk


def sides(first: list[float], second: list[float]) -> Windows:
    return Windows(sides={"baseline": [window(value) for value in first], "candidate": [window(value) for value in second]})


def counts(**values: float) -> dict[str, Reading | Missing]:
    return {name: Reading(quantity=name, value=value, how=How.COUNTED) for name, value in values.items()}


def test_ratios_are_baseline_over_candidate() -> None:
    windows = sides([4.0, 4.4, 3.9], [1.0, 1.1, 0.9])
    found = ratios(windows, "baseline", "candidate", counts(size=90e6, parameters=10), counts(size=30e6, parameters=10))
    assert list(found) == [quantity for quantity in RATIOS if quantity not in COUNTED]
    cpu = found["cpu_time"]
    assert isinstance(cpu, Reading)
    assert (cpu.value, cpu.low, cpu.high) == pytest.approx(ratio([4.0, 4.4, 3.9], [1.0, 1.1, 0.9]))
    assert cpu.low < 4.0 < cpu.high
    assert (cpu.unit, cpu.n) == ("x", 3)
    assert [found[name].value for name in ("size", "parameters")] == [3.0, 1.0]
    assert found["energy"] == Missing(quantity="energy", reason="not measured")


def test_a_ratio_without_windows_takes_both_intervals_and_the_weaker_origin() -> None:
    before = {"cold_start": Reading(quantity="cold_start", value=4.0, low=3.0, high=5.0, how=How.MEASURED, n=5)}
    after = {"cold_start": Reading(quantity="cold_start", value=2.0, low=1.0, high=2.5, how=How.ESTIMATED, n=3)}
    found = ratios(sides([1.0, 1.0], [1.0, 1.0]), "baseline", "candidate", before, after)["cold_start"]
    assert isinstance(found, Reading)
    assert (found.value, found.low, found.high, found.how, found.n) == (2.0, 3.0 / 2.5, 5.0, How.ESTIMATED, 3)


def test_memory_is_compared_by_its_peaks() -> None:
    both = [{"peak_rss": {"value": size, "unit": "B", "how": "counted"}} for size in (8.0, 6.0)]
    windows = Windows(sides={"baseline": both, "candidate": both})
    found = ratios(windows, "baseline", "candidate", counts(peak_rss=8.0), counts(peak_rss=4.0))["peak_rss"]
    assert isinstance(found, Reading)
    assert found.value == 2.0


def test_what_is_missing_or_zero_gives_no_ratio() -> None:
    gap: dict[str, Reading | Missing] = {"size": Missing(quantity="size", reason="the file is gone")}
    windows = sides([1.0, 1.0], [1.0, 1.0])
    assert ratios(windows, "baseline", "candidate", counts(size=1.0), gap)["size"] == gap["size"]
    assert ratios(windows, "baseline", "candidate", gap, counts(size=1.0))["size"] == gap["size"]
    none = ratios(windows, "baseline", "candidate", counts(parameters=5.0), counts(parameters=0.0))["parameters"]
    assert none == Missing(quantity="parameters", reason="the candidate's value is 0")


def test_estimated_energy_follows_the_cpu_time_with_its_own_uncertainty() -> None:
    windows = sides([4.0, 4.1, 3.9], [1.0, 1.05, 0.95])
    estimate: dict[str, Reading | Missing] = {"energy": Reading(quantity="energy", value=1.0, how=How.ESTIMATED)}
    found = ratios(windows, "baseline", "candidate", estimate, estimate)
    cpu, energy = found["cpu_time"], found["energy"]
    assert isinstance(cpu, Reading)
    assert isinstance(energy, Reading)
    assert energy.value == pytest.approx(cpu.value, rel=0.2)
    assert energy.how == How.ESTIMATED
    assert energy.low <= cpu.low * 1.001
    assert energy.high >= cpu.high * 0.999
