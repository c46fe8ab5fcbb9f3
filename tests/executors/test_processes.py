"""Work in a process of its own: what happens in it costs the order, never the parent."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from paredown.core.errors import BadData, LimitExceeded, MissingExtra, Unfit, WorkerDied
from paredown.executors import processes
from paredown.executors.processes import Limits, Watch, Worker


@pytest.fixture
def worker(verbs: Path, tmp_path: Path) -> Iterator[Worker]:
    with Worker(path=(verbs,), log=tmp_path / "logs" / "worker.txt", environment={"PARE_TEST": "7"}) as started:
        yield started


def test_orders_go_there_and_answers_come_back(worker: Worker) -> None:
    assert worker.pid == 0
    assert worker.order("pare_verbs:add", a=[1, "ä\n"], b=[None, 2.5]).value == [1, "ä\n", None, 2.5]
    first = worker.pid
    assert first not in (0, os.getpid())
    assert worker.order("pare_verbs:remember", word="kept").value == "kept"
    assert worker.order("pare_verbs:remember").value == "kept"
    assert worker.order("pare_verbs:variable", name="PARE_TEST").value == "7"
    assert worker.pid == first


def test_the_answer_says_what_it_took(worker: Worker) -> None:
    spun = worker.order("pare_verbs:spin", seconds=0.3)
    slept = worker.order("pare_verbs:wait", seconds=0.3)
    assert spun.cpu_s >= 0.3 > slept.cpu_s
    assert min(spun.wall_s, slept.wall_s) >= 0.3


def test_what_a_verb_prints_goes_to_the_log(worker: Worker, tmp_path: Path) -> None:
    assert worker.order("pare_verbs:talk").value == "heard"
    assert worker.order("pare_verbs:add", a=1, b=2).value == 3
    log = (tmp_path / "logs" / "worker.txt").read_text()
    assert [line for line in ("from python", "from the file descriptor", "from a child", "from stderr") if line not in log] == []


def test_progress_and_ticks_reach_the_parent(worker: Worker) -> None:
    steps: list[tuple[int, int]] = []
    ticks: list[tuple[float, float]] = []
    watch = Watch(tick=lambda wall_s, cpu_s: ticks.append((wall_s, cpu_s)), progress=lambda done, total: steps.append((done, total)))
    assert worker.order("pare_verbs:count", watch=watch, to=50).value == 50
    assert steps[-1] == (50, 50)
    assert steps == sorted(steps)
    # 50 calls in half a second are thinned to about five a second
    assert len(steps) < 20
    worker.order("pare_verbs:spin", watch=watch, seconds=0.5)
    assert ticks
    assert ticks[-1][1] > 0


def test_an_answer_right_behind_its_progress_is_heard(worker: Worker) -> None:
    for _ in range(20):
        steps: list[tuple[int, int]] = []
        watch = Watch(progress=lambda done, total, steps=steps: steps.append((done, total)))
        assert worker.order("pare_verbs:burst", Limits(wall_s=5), watch).value == "at once"
        assert steps == [(1, 1), (2, 2)]


@pytest.mark.parametrize(("kind", "found"), [("Unfit", Unfit), ("BadData", BadData), ("LimitExceeded", LimitExceeded)])
def test_an_error_of_the_tree_comes_back_as_its_class_with_its_text(worker: Worker, kind: str, found: type[Exception]) -> None:
    with pytest.raises(found, match=r"^line one: 3 of 4\.\n  line two ä$") as caught:
        worker.order("pare_verbs:fail", name=kind, message="line one: 3 of 4.\n  line two ä")
    assert type(caught.value) is found
    pid = worker.pid
    assert worker.order("pare_verbs:add", a=1, b=2).value == 3
    assert worker.pid == pid


def test_an_error_whose_class_takes_more_arguments_comes_back_too(worker: Worker) -> None:
    with pytest.raises(MissingExtra, match=r"this verb needs the package torch, .*\n  Run `pip install 'paredown\[compress\]'`\."):
        worker.order("pare_verbs:lack")


def test_a_bug_comes_back_with_its_trace(worker: Worker) -> None:
    with pytest.raises(WorkerDied, match=r"(?s)^KeyError: 'no such key'\nTraceback .*in bug") as caught:
        worker.order("pare_verbs:bug")
    assert "pare_verbs.py" in str(caught.value)
    with pytest.raises(WorkerDied, match="AttributeError: module 'pare_verbs' has no attribute 'nothing'"):
        worker.order("pare_verbs:nothing")
    with pytest.raises(LimitExceeded, match="the work ran out of memory"):
        worker.order("pare_verbs:no_memory")


def still_works(worker: Worker, before: int) -> None:
    assert worker.order("pare_verbs:add", a=1, b=2).value == 3
    assert worker.pid != before


def test_a_time_limit_ends_the_work(worker: Worker) -> None:
    worker.start()
    pid, began = worker.pid, time.perf_counter()
    with pytest.raises(LimitExceeded, match=r"took more than the 0\.3 s that one trial may take; raise `search: \{trial: \{time: "):
        worker.order("pare_verbs:wait", Limits(wall_s=0.3), seconds=30)
    assert time.perf_counter() - began < 10
    assert not Path(f"/proc/{pid}").exists()
    still_works(worker, pid)


def test_a_memory_limit_ends_the_work(worker: Worker) -> None:
    worker.start()
    pid = worker.pid
    said = r"took 0\.[2-4]\d GB of memory; one trial may take 0\.20 GB\. Raise `search: \{trial: \{memory: "
    with pytest.raises(LimitExceeded, match=said):
        worker.order("pare_verbs:fill", Limits(memory_b=200e6), megabytes=400)
    still_works(worker, pid)


def test_limits_that_are_kept_change_nothing(worker: Worker) -> None:
    assert worker.order("pare_verbs:add", Limits(wall_s=60, memory_b=4e9), a=1, b=2).value == 3


@pytest.mark.parametrize(
    ("verb", "arguments", "message"),
    [
        ("leave", {"code": 3}, r"ended with exit code 3: last words\."),
        ("shoot", {"name": "SIGKILL"}, r"was ended by SIGKILL; the machine ran out of memory, most likely\."),
        ("shoot", {"name": "SIGTERM"}, r"was ended by SIGTERM\."),
        ("segfault", {}, r"was ended by SIGSEGV\."),
    ],
)
def test_a_crash_costs_the_order_and_says_how_it_ended(worker: Worker, verb: str, arguments: dict[str, object], message: str) -> None:
    worker.start()
    pid = worker.pid
    with pytest.raises(WorkerDied, match=message):
        worker.order(f"pare_verbs:{verb}", **arguments)  # type: ignore[arg-type]
    still_works(worker, pid)


def test_a_worker_killed_between_orders_is_replaced(worker: Worker) -> None:
    worker.start()
    pid = worker.pid
    os.kill(pid, signal.SIGKILL)
    gone(pid)
    still_works(worker, pid)


def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "ctypes.py").write_text("raise SystemExit('no ctypes here')\n")
    with Worker(path=(tmp_path,), log=tmp_path / "log.txt") as worker, pytest.raises(WorkerDied, match="exit code 1: no ctypes here"):
        worker.start()


def test_an_interrupted_order_does_not_answer_the_next_one(worker: Worker) -> None:
    def interrupt(wall_s: float, cpu_s: float) -> None:
        raise KeyboardInterrupt

    worker.start()
    pid = worker.pid
    with pytest.raises(KeyboardInterrupt):
        worker.order("pare_verbs:wait", watch=Watch(tick=interrupt), seconds=30)
    assert worker.order("pare_verbs:add", a="x" * 3_000_000, b="y").value == "x" * 3_000_000 + "y"
    assert worker.pid != pid
    assert state_of(pid) == ""


def state_of(pid: int) -> str:
    """R, S, T (stopped), Z, or empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def gone(pid: int) -> None:
    until = time.monotonic() + 10
    while state_of(pid) not in ("", "Z"):
        assert time.monotonic() < until, f"process {pid} still runs"
        time.sleep(0.02)


PARENT = """
import sys, time
from pathlib import Path
from paredown.executors import processes
from paredown.executors.processes import Worker
worker = Worker(path=(Path(sys.argv[1]),))
worker.start()
if sys.argv[2] == "stopped":
    worker.pause()
print(worker.pid, flush=True)
if sys.argv[2] == "busy":
    worker.order("pare_verbs:wait", seconds=60)
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["idle", "busy", "stopped"])
def test_a_worker_dies_with_its_parent(verbs: Path, how: str) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(verbs), how], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.1)
        assert (state_of(pid) == "T") is (how == "stopped")
        parent.kill()
        parent.wait()
        gone(pid)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_paused_worker_stands_still_and_goes_on(worker: Worker) -> None:
    worker.start()
    worker.pause()
    time.sleep(0.05)
    assert state_of(worker.pid) == "T"
    worker.go()
    assert worker.order("pare_verbs:add", a=1, b=2).value == 3
    worker.pause()
    pid = worker.pid
    worker.kill()
    assert (worker.pid, state_of(pid)) == (0, "")


def test_work_that_by_its_progress_will_run_far_over_its_time_is_ended_early(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_SEEN_S", 0.3)
    worker.start()
    began = time.perf_counter()
    said = r"would take about \d{3,} s, more than the 30 s that the budget leaves for it; raise `search: \{budget: \.\.\.\}`\."
    with pytest.raises(LimitExceeded, match=said) as caught:
        worker.order("pare_verbs:count", Limits(wall_s=1800).within(30.0), to=1_000_000)
    assert caught.value.needed_s is not None
    assert caught.value.needed_s > 1000
    assert time.perf_counter() - began < 25
    assert worker.order("pare_verbs:count", Limits(wall_s=1800), to=60).value == 60


def test_the_end_of_work_is_foretold_from_its_own_pace_and_anew_for_each_part_of_it() -> None:
    pace = processes._Pace()
    assert pace.whole_s() is None
    for wall_s, done in ((10.0, 100), (12.0, 200), (14.0, 300)):
        pace.learn(wall_s, done, 1000)
    assert pace.whole_s() == 14.0 + 700 * 4 / 200
    pace.learn(20.0, 1, 50)
    assert pace.whole_s() is None


def test_the_tighter_of_two_limits_holds_and_says_whose_it_is() -> None:
    assert Limits(wall_s=10).within(math.inf) == Limits(wall_s=10)
    assert Limits().within(math.inf) == Limits()
    assert Limits(wall_s=10, memory_b=5).within(3) == Limits(wall_s=3, memory_b=5, by_budget=True)
    assert Limits().within(-1) == Limits(wall_s=0, by_budget=True)
    assert "the 10 s that one trial may take" in str(Limits(wall_s=10).exceeded())
