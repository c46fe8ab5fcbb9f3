"""CPU time below a process, on a made-up /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import paredown
from paredown.tracking.process_tree import Spent, TreeTime, processes, tree_time


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


BURN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\n"


def tree(waited_s: float = 0.0, reaped: bool = True, **running: Spent) -> TreeTime:
    """A reading with processes that run, by name."""
    known = {(name, "1"): spent for name, spent in running.items()}
    return TreeTime(own_s=0.0, children_s=waited_s + sum(spent.all_s for spent in known.values()), running=known, reaped=reaped)


def spent(own_s: float, waited_s: float = 0.0, above: str = "") -> Spent:
    return Spent(own_s=own_s, waited_s=waited_s, above=(above, "1") if above else None)


def test_a_child_that_was_waited_for_is_counted_once() -> None:
    before, after = tree(1.0, a=spent(5.0), b=spent(2.0)), tree(7.5, b=spent(2.5))
    assert after.below_s(before) == (pytest.approx(2.0), ())


def test_what_goes_with_an_orphan_is_not_taken_from_another_child() -> None:
    """b was a's child, a was waited for, nobody waited for b; c took 1 s meanwhile."""
    before = tree(0.0, a=spent(0.1), b=spent(5.0, above="a"))
    below_s, said = tree(1.1).below_s(before)
    assert below_s == pytest.approx(1.0)
    assert "nobody waited for it" in said[0]
    assert "lower bound" in said[0]


def test_a_grandchild_that_may_have_been_waited_for_makes_a_lower_bound() -> None:
    before = tree(0.0, a=spent(0.1), b=spent(2.0, above="a"))
    below_s, said = tree(3.1).below_s(before)
    assert below_s == pytest.approx(1.0)
    assert "ended together with those that had started them: where nobody waited for them, the CPU time is a lower bound" in said[0]


def test_where_nobody_waits_the_time_of_others_stays() -> None:
    below_s, said = tree(reaped=False, b=spent(1.0)).below_s(tree(a=spent(5.0)))
    assert below_s == 1.0
    assert ["nobody waited for it" in text or "SIGCHLD is ignored" in text for text in said] == [True, True]


def test_an_orphan_that_still_runs_is_followed(tmp_path: Path) -> None:
    process(tmp_path, "self", (0, 0, 0, 0), "20 ")
    process(tmp_path, "20", (10, 0, 0, 0), "21 ")
    process(tmp_path, "21", (500, 0, 0, 0))
    before = tree_time(root=tmp_path)
    (tmp_path / "proc" / "self" / "task" / "1" / "children").write_text("")
    (tmp_path / "proc" / "20" / "stat").unlink()
    stat = tmp_path / "proc" / "21" / "stat"
    stat.write_text(stat.read_text().replace(" 500 ", " 700 "))
    after = tree_time(root=tmp_path, known=before.running)
    assert [key[0] for key in after.running] == ["21"]
    below_s, said = after.below_s(before)
    assert below_s == pytest.approx(2.0)
    assert "nobody waited for it" in said[0], "its parent has ended, and not by our wait"


def test_a_worker_orphaned_in_the_block_takes_nothing_from_the_others() -> None:
    """The worker had 0.4 s before; its parent is killed inside, then it ends, and another child takes 0.2 s."""
    worker = BURN.format(0.4) + "print(os.getpid(), flush=True)\ntime.sleep(60)"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-S",
            "-c",
            f"import os, subprocess, sys, time\nsubprocess.run([sys.executable, '-S', '-c', {'import os;' + worker!r}])",
        ],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    with paredown.track() as took:
        parent.kill()
        parent.wait()
        os.kill(pid, 9)
        subprocess.run([sys.executable, "-S", "-c", BURN.format(0.2)], check=True)
    parent.stdout.close()
    assert took.cpu_s == pytest.approx(0.22, abs=0.06)
    assert Path(f"/proc/{pid}").exists() or any("lower bound" in note for note in took.record.notes)  # a zombie's time is known


def test_with_sigchld_ignored_the_running_child_is_counted_and_the_rest_said() -> None:
    first, second = (BURN.format(cpu_s) + "print(1, flush=True); input()" for cpu_s in (0.3, 0.2))
    code = (
        "import signal, subprocess, sys, paredown\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        f"before = subprocess.Popen([sys.executable, '-S', '-c', {first!r}], stdin=-1, stdout=-1)\n"
        "before.stdout.readline()\n"
        "with paredown.track() as took:\n"
        "    before.communicate(b'x')\n"
        f"    child = subprocess.Popen([sys.executable, '-S', '-c', {second!r}], stdin=-1, stdout=-1)\n"
        "    child.stdout.readline()\n"
        "child.communicate(b'x')\n"
        "print(took.cpu_s, took.record.notes)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds, _, notes = ran.stdout.partition(" ")
    assert float(seconds) == pytest.approx(0.22, abs=0.06)
    assert "SIGCHLD is ignored" in notes
    assert "nobody waited for it" in notes


def test_the_processes_above_are_known() -> None:
    code = "from paredown.tracking.process_tree import processes\nprint(*processes())"
    below = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert tuple(below[1:]) == processes()
