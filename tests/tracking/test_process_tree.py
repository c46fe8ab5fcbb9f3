"""CPU time below a process, on a made-up /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from paredown.tracking.process_tree import TreeTime, tree_time


def process(root: Path, pid: str, ticks: tuple[int, int, int, int], children: str = "") -> None:
    folder = root / "proc" / pid
    (folder / "task" / "1").mkdir(parents=True)
    (folder / "task" / "1" / "children").write_text(children)
    (folder / "stat").write_text(f"{pid} (a (odd) name) S 1 1 1 0 -1 0 0 0 0 0 {' '.join(map(str, ticks))} 20 0 1 0\n")


def test_running_children_and_theirs_are_in(tmp_path: Path) -> None:
    process(tmp_path, "self", (9, 9, 9, 9), "20 30 ")
    process(tmp_path, "20", (100, 20, 3, 4), "21 ")
    process(tmp_path, "21", (1000, 0, 0, 0))
    plain = tree_time(root=tmp_path / "nothing")
    found = tree_time(root=tmp_path)
    assert found.children_s - plain.children_s == pytest.approx(11.27)
    assert (found.seen, plain.seen) == (True, False)


def test_children_can_be_left_out(tmp_path: Path) -> None:
    process(tmp_path, "self", (0, 0, 0, 0), "20 ")
    process(tmp_path, "20", (100, 0, 0, 0))
    assert tree_time(children=False, root=tmp_path).children_s == 0


def test_this_process_can_be_left_out() -> None:
    assert tree_time(own=False).own_s == 0.0
    assert tree_time().own_s > 0.0


def test_a_child_that_sleeps_or_has_ended_is_seen_and_left_to_whoever_waits_for_it() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "t = sum(range(10**6))"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    dead = tree_time()
    assert child.wait() == 0
    waited = tree_time()
    assert dead.seen
    assert dead.children_s == pytest.approx(waited.children_s, abs=0.025)


def test_a_kernel_that_lists_no_children_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "proc" / "self" / "task" / "1").mkdir(parents=True)
    assert tree_time(root=tmp_path).seen is False


def test_time_that_went_with_a_child_is_not_taken_from_the_rest() -> None:
    assert TreeTime(own_s=3.0, children_s=1.0).since(TreeTime(own_s=1.0, children_s=5.0)) == 2.0
