from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.protocol.gates import Code, CpuTicks, blind, close_gate, code_of, frequency_hz, open_gate, steal_share


def stat(root: Path, *, user: int = 0, idle: int = 0, steal: int = 0, guest: int = 0) -> None:
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/stat").write_text(f"cpu  {1000 + user} 0 0 {5000 + idle} 0 0 0 {10 + steal} {guest} 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")


def window(root: Path, **ticks: int) -> tuple[str, ...]:
    stat(root)
    mark = open_gate(root)
    stat(root, **ticks)
    return close_gate(mark)


def test_steal_above_two_percent_closes_the_gate_with_both_numbers(tmp_path: Path) -> None:
    assert window(tmp_path, user=90, steal=10) == ("steal: the hypervisor took 10.0% of the CPU time; 2.0% is allowed.",)


def test_steal_at_the_limit_passes(tmp_path: Path) -> None:
    assert window(tmp_path, user=98, steal=2) == ()


def test_idle_cores_do_not_hide_what_one_core_lost(tmp_path: Path) -> None:
    assert window(tmp_path, user=90, steal=10, idle=6300) != ()


def test_one_tick_may_be_rounding_whatever_share_of_a_short_window_it_is(tmp_path: Path) -> None:
    assert window(tmp_path, user=19, steal=1) == ()
    assert window(tmp_path, user=18, steal=2) != ()


def test_the_time_of_guests_is_not_counted_twice(tmp_path: Path) -> None:
    stat(tmp_path, user=100, guest=100)
    mark = open_gate(tmp_path)
    assert mark.ticks == CpuTicks(wanted=1110, stolen=10)


def test_a_limit_of_ones_own(tmp_path: Path) -> None:
    stat(tmp_path)
    mark = open_gate(tmp_path)
    stat(tmp_path, user=90, steal=10)
    assert close_gate(mark, max_steal=0.2) == ()


@pytest.mark.parametrize("text", [None, "intr 5\n", "cpu 1 2 3\n"])
def test_a_kernel_that_does_not_count_steal_closes_no_gate(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/stat").write_text(text)
    mark = open_gate(tmp_path)
    assert mark.ticks is None
    assert close_gate(mark) == ()


def test_being_pushed_aside_closes_the_gate_only_when_a_limit_is_given() -> None:
    pytest.importorskip("resource")
    mark = open_gate()
    crowded = replace(mark, switches=mark.switches - 10_000, clock_s=mark.clock_s - 10)
    (reason,) = close_gate(crowded, max_steal=1.0, max_switches=100)
    assert reason.startswith("switches: other processes pushed this one aside 1")
    assert reason.endswith("times a second; 100 are allowed.")
    assert close_gate(crowded, max_steal=1.0) == ()
    assert close_gate(crowded, max_steal=1.0, max_switches=1e9) == ()


def cpus(root: Path, name: str, values: list[int | str]) -> None:
    for number, value in enumerate(values):
        file = root / f"sys/devices/system/cpu/cpu{number}" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")


def test_heat_that_slows_a_processor_closes_the_gate(tmp_path: Path) -> None:
    cpus(tmp_path, "thermal_throttle/core_throttle_count", [7, 0])
    cpus(tmp_path, "thermal_throttle/package_throttle_count", [40, 40])
    mark = open_gate(tmp_path)
    assert close_gate(mark) == ()
    cpus(tmp_path, "thermal_throttle/core_throttle_count", [7, 3])
    cpus(tmp_path, "thermal_throttle/package_throttle_count", [41, 41])
    assert close_gate(mark) == ("heat: heat slowed processors down, 5 times by their counts; none is allowed.",)


def test_a_clock_more_than_a_tenth_below_the_steady_one_closes_the_gate(tmp_path: Path) -> None:
    cpus(tmp_path, "cpufreq/scaling_cur_freq", [3_500_000, 800_000, "<unknown>"])
    steady_hz = frequency_hz(tmp_path)
    assert steady_hz == 3.5e9
    mark = open_gate(tmp_path, steady_hz)
    cpus(tmp_path, "cpufreq/scaling_cur_freq", [3_150_000, 3_000_000, "<unknown>"])
    assert close_gate(mark) == ()
    cpus(tmp_path, "cpufreq/scaling_cur_freq", [2_800_000, 800_000, "<unknown>"])
    assert close_gate(mark) == ("frequency: the clock fell by 20.0% to 2.80 GHz; 10.0% is allowed.",)
    assert close_gate(open_gate(tmp_path)) == ()


def test_the_kernels_mean_is_preferred_to_its_last_word(tmp_path: Path) -> None:
    cpus(tmp_path, "cpufreq/scaling_cur_freq", [3_500_000])
    cpus(tmp_path, "cpufreq/cpuinfo_avg_freq", [3_400_000])
    assert frequency_hz(tmp_path) == 3.4e9


def test_a_kernel_that_says_nothing_of_heat_and_clock_closes_no_gate(tmp_path: Path) -> None:
    assert frequency_hz(tmp_path) is None
    mark = open_gate(tmp_path, steady_hz=3e9)
    assert mark.throttles is None
    assert close_gate(mark) == ()
    cpus(tmp_path, "thermal_throttle/core_throttle_count", [7])
    assert close_gate(mark) == ()


def test_every_reason_has_its_code(tmp_path: Path) -> None:
    stat(tmp_path)
    cpus(tmp_path, "thermal_throttle/core_throttle_count", [0])
    cpus(tmp_path, "cpufreq/scaling_cur_freq", [1_000_000])
    mark = open_gate(tmp_path, steady_hz=3e9)
    stat(tmp_path, user=90, steal=10)
    cpus(tmp_path, "thermal_throttle/core_throttle_count", [1])
    assert [code_of(reason) for reason in close_gate(mark)] == [Code.STEAL, Code.HEAT, Code.FREQUENCY]


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_the_share_is_between_zero_and_one(ran: int, stolen: int) -> None:
    share = steal_share(CpuTicks(wanted=7, stolen=3), CpuTicks(wanted=7 + ran + stolen, stolen=3 + stolen))
    assert share == (stolen / (ran + stolen) if ran + stolen else 0)


def threads(root: Path, **times: tuple[float, float]) -> None:
    """/proc/7/task/*/schedstat by thread: seconds on a core, seconds in the run queue."""
    for name, (ran_s, waited_s) in times.items():
        file = root / "proc/7/task" / name.strip("t") / "schedstat"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{int(ran_s * 1e9)} {int(waited_s * 1e9)} 12\n")


def test_threads_that_wait_for_a_core_close_the_gate_with_both_numbers(tmp_path: Path) -> None:
    threads(tmp_path, t7=(1.0, 3.0), t8=(0.5, 0.0))
    mark = open_gate(tmp_path, pid=7)
    threads(tmp_path, t7=(1.06, 3.02), t8=(0.53, 0.01))
    (reason,) = close_gate(mark)
    assert reason == "waiting: its threads waited for a core 25.0% of the time they wanted one; 5.0% is allowed."
    assert code_of(reason) is Code.WAITING


def test_a_little_waiting_passes_and_so_does_what_any_waking_thread_waits(tmp_path: Path) -> None:
    threads(tmp_path, t7=(1.0, 3.0), t8=(0.5, 0.5))
    mark = open_gate(tmp_path, pid=7)
    threads(tmp_path, t7=(1.095, 3.005), t8=(0.5, 0.5))
    assert close_gate(mark) == ()
    threads(tmp_path, t7=(1.0, 3.0009), t8=(0.5, 0.5))
    assert close_gate(mark) == ()


def test_threads_that_begin_or_end_during_a_window_are_no_trouble(tmp_path: Path) -> None:
    threads(tmp_path, t7=(1.0, 3.0), t8=(9.0, 9.0))
    mark = open_gate(tmp_path, pid=7)
    (tmp_path / "proc/7/task/8/schedstat").unlink()
    threads(tmp_path, t7=(1.05, 3.0), t9=(0.01, 0.04))
    (reason,) = close_gate(mark)
    assert reason.startswith("waiting: its threads waited for a core 40.0% of the time")


def test_a_kernel_that_keeps_no_times_of_threads_closes_no_gate_and_says_so(tmp_path: Path) -> None:
    mark = open_gate(tmp_path, pid=7)
    assert mark.threads is None
    assert close_gate(mark) == ()
    assert blind(tmp_path) == {Code.WAITING: "this kernel keeps no time that threads wait for a core (/proc/PID/schedstat)"}
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/schedstat").write_text("1 2 3\n")
    assert blind(tmp_path) == {}
