from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.protocol.gates import CpuTicks, close_gate, open_gate, steal_share


def stat(root: Path, *, user: int = 0, idle: int = 0, steal: int = 0, guest: int = 0) -> None:
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/stat").write_text(f"cpu  {1000 + user} 0 0 {5000 + idle} 0 0 0 {10 + steal} {guest} 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")


def window(root: Path, **ticks: int) -> tuple[str, ...]:
    stat(root)
    mark = open_gate(root)
    stat(root, **ticks)
    return close_gate(mark)


def test_steal_above_two_percent_closes_the_gate_with_both_numbers(tmp_path: Path) -> None:
    assert window(tmp_path, user=90, steal=10) == ("the hypervisor took 10.0% of the CPU time; 2.0% is allowed.",)


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
    assert reason.startswith("other processes pushed this one aside 1")
    assert reason.endswith("times a second; 100 are allowed.")
    assert close_gate(crowded, max_steal=1.0) == ()
    assert close_gate(crowded, max_steal=1.0, max_switches=1e9) == ()


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_the_share_is_between_zero_and_one(ran: int, stolen: int) -> None:
    share = steal_share(CpuTicks(wanted=7, stolen=3), CpuTicks(wanted=7 + ran + stolen, stolen=3 + stolen))
    assert share == (stolen / (ran + stolen) if ran + stolen else 0)
