import json
import math
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paredown.core.errors import CannotWrite, Damaged, UsageError
from paredown.study import ledger as ledger_module
from paredown.study import schema
from paredown.study.ledger import Ledger, Spent


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path):
    with Ledger.open(path) as ledger:
        yield ledger


@pytest.fixture
def every_beat(monkeypatch):
    """Heartbeats are written at once."""
    monkeypatch.setattr(ledger_module, "BEAT_S", 0.0)


def raw(path: Path, *statements: str) -> list[tuple]:
    """Run SQL by hand."""
    with closing(sqlite3.connect(path)) as file, file:
        return [row for statement in statements for row in file.execute(statement).fetchall()]


def fail(ledger: Ledger, kind: str, key: str, act=lambda span: None) -> None:
    """Work that begins, acts and then raises."""
    with ledger.span(kind, key) as span:
        act(span)
        _ = 1 / 0


def test_a_fact_is_found_again_after_reopening(path):
    with Ledger.open(path) as ledger:
        assert ledger.find("build", "a") is None
        made = ledger.once("build", "a", lambda span: {"digest": "d", "rows": (1, 2)})
    with Ledger.open(path) as ledger:
        assert ledger.find("build", "a") == made
        assert made.value == {"digest": "d", "rows": [1, 2]}
        assert [entry.id for entry in ledger.spans("done")] == [made.span_id]


def test_what_is_recorded_is_not_done_again(ledger):
    def work(span):
        calls.append(span.id)
        return len(calls)

    calls: list[int] = []
    assert [ledger.once("measure", key, work).value for key in "abab"] == [1, 2, 1, 2]
    assert len(calls) == len(ledger.spans()) == 2


def test_facts_come_in_the_order_of_their_ids_and_by_kind(ledger):
    for kind, key in [("build", "z"), ("note", "n"), ("build", "a")]:
        ledger.add(kind, key, key)
    assert [(record.id, record.key, record.span_id) for record in ledger.records("build")] == [(1, "z", None), (3, "a", None)]


def test_a_repeated_fact_is_refused_before_its_work_begins(ledger):
    ledger.add("build", "a", 1)
    said = "build a is recorded already, as record 1"
    with pytest.raises(ValueError, match=said):
        ledger.add("build", "a", 2)
    with pytest.raises(ValueError, match=said), ledger.span("build", "a"):
        pytest.fail("the work began")
    assert ledger.spans() == []
    assert [record.value for record in ledger.records("build")] == [1]


def test_of_two_that_do_the_same_work_the_first_is_recorded(ledger):
    def work(span):
        ledger.add("build", "a", "first")
        return "second"

    with pytest.raises(ValueError, match="build a is recorded already, as record 1"):
        ledger.once("build", "a", work)
    assert [record.value for record in ledger.records("build")] == ["first"]
    assert [entry.state for entry in ledger.spans()] == ["failed"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
                          lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6))  # fmt: skip
def test_values_come_back_exactly(ledger, value):
    key = str(len(ledger.records("measure")))
    made = ledger.add("measure", key, value)
    found = ledger.find("measure", key)
    assert found == made
    assert repr(found.value) == repr(value)


@pytest.mark.parametrize("value", [math.nan, {"a": [1.0, math.inf]}, np.float64("nan"), {"array": np.zeros(2)}, b"bytes"])
def test_a_value_that_json_cannot_hold_is_refused(ledger, value):
    with pytest.raises(ValueError, match="the value of measure m is not plain data with finite numbers"):
        ledger.once("measure", "m", lambda span: value)
    assert ledger.records("measure") == []
    assert ledger.spans()[0].state == "failed"


def test_a_numpy_double_is_a_float(ledger):
    assert ledger.add("measure", "m", np.float64(0.1)).value == 0.1


def test_finish_writes_the_fact_and_the_figures(ledger):
    with ledger.span("build", "a") as span:
        span.finish("digest", wall_s=2.5, cpu_s=4.0, energy_j=30.0)
    (entry,) = ledger.spans()
    assert (entry.state, entry.wall_s, entry.cpu_s, entry.energy_j, entry.reason) == ("done", 2.5, 4.0, 30.0, "")
    assert (entry.pid, entry.started <= entry.ended) == (os.getpid(), True)


def test_the_clock_of_a_span_is_its_own(ledger):
    with ledger.span("build", "a") as span:
        time.sleep(0.02)
        span.finish(1)
    (entry,) = ledger.spans()
    assert 0.02 <= entry.wall_s < 5
    assert (entry.cpu_s, entry.energy_j) == (None, None)


def test_an_exception_books_the_work_as_failed_and_goes_on(ledger):
    with pytest.raises(ZeroDivisionError):
        fail(ledger, "build", "a", lambda span: span.beat(cpu_s=3.0, energy_j=7.0))
    (entry,) = ledger.spans("failed")
    assert (entry.reason, entry.cpu_s, entry.energy_j) == ("ZeroDivisionError: division by zero", 3.0, 7.0)
    assert ledger.find("build", "a") is None


def test_an_interrupt_books_the_work_as_lost(ledger):
    with pytest.raises(KeyboardInterrupt), ledger.span("build", "a"):
        raise KeyboardInterrupt
    (entry,) = ledger.spans("lost")
    assert entry.reason == "interrupted by KeyboardInterrupt"


def test_an_exception_after_finish_keeps_the_fact(ledger):
    with pytest.raises(ZeroDivisionError):
        fail(ledger, "build", "a", lambda span: span.finish(1))
    assert (ledger.find("build", "a").value, ledger.spans()[0].state) == (1, "done")


def test_work_without_a_fact_is_done_and_can_come_again(ledger):
    for _ in range(2):
        with ledger.span("plan", "a"):
            pass
    assert [entry.state for entry in ledger.spans()] == ["done", "done"]
    assert ledger.find("plan", "a") is None


def test_heartbeats_are_written_about_once_a_second(ledger, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(ledger_module.time, "monotonic", lambda: clock[0])
    seen = []
    with ledger.span("build", "a") as span:
        for second in (0.4, 0.9, 1.1, 1.5, 2.2):
            clock[0] = 100.0 + second
            span.beat(cpu_s=second)
            seen.append(ledger.spans()[0].cpu_s)
    assert seen == [None, None, 1.1, 1.1, 2.2]


def test_work_of_a_dead_process_is_booked_with_its_last_heartbeat(path, ledger, every_beat):
    span = ledger.span("build", "a")
    span.__enter__().beat(wall_s=90.0, cpu_s=150.0, energy_j=2000.0)
    with Ledger.open(path) as later:
        (lost,) = later.book_lost()
        assert (lost.state, lost.wall_s, lost.cpu_s, lost.energy_j) == ("lost", 90.0, 150.0, 2000.0)
        assert lost.reason == f"process {os.getpid()} on {lost.host} ended without closing it"
        gap = sa.func.julianday(lost.ended) - sa.func.julianday(lost.started)
        with later._read() as file:
            assert file.execute(sa.select(gap * 86400)).scalar() == pytest.approx(90.0, abs=1e-3)
        assert later.book_lost() == []
        assert later.spent(since_baseline=False) == Spent(wall_s=90.0, cpu_s=150.0, energy_j=2000.0, unmetered_s=0.0)


def test_the_sum_holds_all_closed_work_by_kind(ledger):
    for number, kind in enumerate(["build", "build", "measure"]):
        with ledger.span(kind, str(number)) as span:
            span.finish(0, wall_s=10.0, cpu_s=20.0, energy_j=2.0**number)
    with pytest.raises(ZeroDivisionError):
        fail(ledger, "build", "x", lambda span: span.beat(energy_j=100.0))
    with ledger.span("build", "still running"):
        assert ledger.spent(["build"], since_baseline=False).energy_j == 1 + 2 + 100
        assert ledger.spent(["measure"], since_baseline=False) == Spent(wall_s=10.0, cpu_s=20.0, energy_j=4.0, unmetered_s=0.0)
        assert ledger.spent(since_baseline=False).energy_j == 107


def test_work_without_an_energy_figure_is_told_apart(ledger):
    for key, energy_j in [("a", None), ("b", 0.0)]:
        with ledger.span("build", key) as span:
            span.finish(0, wall_s=10.0, energy_j=energy_j)
    assert ledger.spent(since_baseline=False) == Spent(wall_s=20.0, cpu_s=0.0, energy_j=0.0, unmetered_s=10.0)


@pytest.mark.parametrize("how", ["made", "given"])
def test_the_search_pays_only_for_what_comes_after_the_baseline(ledger, how):
    with pytest.raises(ZeroDivisionError):
        fail(ledger, "baseline", "b")
    if how == "made":
        ledger.once("baseline", "b", lambda span: span.beat(energy_j=1000.0))
    else:
        ledger.add("baseline", "b", "as given")
    assert ledger.spent() == Spent(wall_s=0.0, cpu_s=0.0, energy_j=0.0, unmetered_s=0.0)
    time.sleep(0.003)
    with ledger.span("build", "a") as span:
        span.finish(0, wall_s=1.0, cpu_s=2.0, energy_j=3.0)
    assert ledger.spent() == Spent(wall_s=1.0, cpu_s=2.0, energy_j=3.0, unmetered_s=0.0)


def test_without_a_baseline_the_search_has_spent_nothing(ledger):
    with ledger.span("build", "a") as span:
        span.finish(0, energy_j=3.0)
    assert ledger.spent().energy_j == 0.0


def test_nested_work_is_counted_once(ledger):
    with ledger.span("trial", "t") as trial:
        with ledger.span("build", "a") as build:
            with ledger.span("pack", "p") as pack:
                pack.finish(0, wall_s=2.0, cpu_s=2.0, energy_j=5.0)
            build.finish(0, wall_s=10.0, cpu_s=15.0, energy_j=50.0)
        with pytest.raises(ZeroDivisionError):
            fail(ledger, "measure", "m", lambda span: span.beat(cpu_s=4.0, energy_j=20.0))
        trial.finish(0, wall_s=16.0, cpu_s=21.0, energy_j=90.0)
    assert [(entry.kind, entry.cpu_s, entry.energy_j) for entry in ledger.spans()] == [
        ("trial", 2.0, 20.0),
        ("build", 13.0, 45.0),
        ("pack", 2.0, 5.0),
        ("measure", 4.0, 20.0),
    ]
    spent = ledger.spent(since_baseline=False)
    assert (spent.cpu_s, spent.energy_j, spent.unmetered_s) == (21.0, 90.0, 0.0)
    assert spent.wall_s == pytest.approx(16.0)


def test_a_trial_that_meters_nothing_itself_keeps_the_sum_of_its_parts(ledger):
    with ledger.span("trial", "t"):
        for key in "ab":
            with ledger.span("build", key) as build:
                build.finish(0, cpu_s=15.0, energy_j=50.0)
    assert ledger.spent(since_baseline=False).energy_j == 100.0


def test_lost_nested_work_is_counted_once(path, ledger, every_beat, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(ledger_module.time, "monotonic", lambda: clock[0])
    outer, inner = ledger.span("trial", "t"), ledger.span("build", "a")
    trial = outer.__enter__()
    clock[0] += 30.0
    build = inner.__enter__()
    clock[0] += 5.0
    build.beat()
    trial.beat()
    with Ledger.open(path) as later:
        assert [entry.wall_s for entry in later.book_lost()] == [30.0, 5.0]


def test_a_thread_writes_beside_another(ledger):
    def work(name: str) -> None:
        for number in range(10):
            ledger.once("build", f"{name}{number}", lambda span: 0)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [record.id for record in ledger.records("build")] == list(range(1, 21))


def test_reading_goes_on_while_another_writes(path, ledger):
    with ledger._write() as file, Ledger.open(path, read_only=True) as reader:
        file.execute(sa.insert(schema.records).values(kind="note", key="n", value="1", created=""))
        assert reader.records("note") == []
    with Ledger.open(path, read_only=True) as reader:
        assert [record.value for record in reader.records("note")] == [1]
        with pytest.raises(UsageError, match="attempt to write a readonly database"):
            reader.add("note", "m", 1)


def test_there_is_nothing_to_read(path):
    with pytest.raises(UsageError, match=r"no ledger at .*ledger\.sqlite"):
        Ledger.open(path, read_only=True)
    assert not path.exists()


def test_a_record_that_is_not_json_is_damage(path, ledger):
    ledger.add("note", "n", 1)
    raw(path, "UPDATE records SET value = '{'")
    with pytest.raises(Damaged, match="record 1 is not JSON"):
        ledger.find("note", "n")


def test_a_full_disk_is_named_and_nothing_is_half_written(path, ledger):
    with ledger._read() as file:
        file.exec_driver_sql("PRAGMA max_page_count = 1")
    with (
        pytest.raises(CannotWrite, match=r"cannot use .*ledger\.sqlite: database or disk is full") as caught,
        ledger.span("build", "a") as span,
    ):
        span.finish("x" * 100_000)
    assert ledger.find("build", "a") is None
    assert ledger.spans()[0].state == "failed"
    assert not getattr(caught.value, "__notes__", [])


def test_work_that_cannot_be_booked_tells_so_beside_its_own_error(path, ledger):
    with pytest.raises(ZeroDivisionError) as caught:
        fail(ledger, "build", "a", lambda span: raw(path, "DROP TABLE records", "DROP TABLE spans"))
    assert "The ledger could not book this: " in caught.value.__notes__[0]
    assert "no such table: spans" in caught.value.__notes__[0]


def test_work_whose_end_cannot_be_booked_does_not_pass_in_silence(path, ledger):
    with pytest.raises(sa.exc.OperationalError, match="no such table: spans"), ledger.span("plan", "a"):
        raw(path, "DROP TABLE records", "DROP TABLE spans")


WRITER = """
import sys
from pathlib import Path
from paredown.study import ledger as module
from paredown.study.ledger import Ledger
from paredown.study.lock import StudyLock
module.BEAT_S = 0.0
folder = Path(sys.argv[1])
with StudyLock(folder), Ledger.open(folder / "ledger.sqlite") as ledger:
    ledger.book_lost()
    print("open", flush=True)
    number = 0
    while True:
        def work(span):
            print("began", number, flush=True)
            span.beat(cpu_s=1.0, energy_j=2.0)
            return {"number": number, "third": number / 3}
        record = ledger.once("build", str(number), work)
        print("done", number, record.id, flush=True)
        number += 1
"""


def test_kill_9_loses_no_fact_repeats_none_and_leaves_its_work_to_be_booked(tmp_path):
    chance = random.Random(5)
    began: list[int] = []
    done: dict[int, int] = {}
    lost = 0
    for _ in range(8):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            time.sleep(chance.uniform(0.0, 0.15))
            process.kill()
            lines = [line.split() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        began += [int(words[1]) for words in lines if words[0] == "began"]
        for _, number, record in (words for words in lines if words[0] == "done"):
            assert done.setdefault(int(number), int(record)) == int(record)
        with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            facts = {record.value["number"]: record for record in ledger.records("build")}
            assert sorted(facts) == list(range(len(facts)))
            assert all(record.value["third"] == number / 3 and record.key == str(number) for number, record in facts.items())
            assert {number: facts[number].id for number in done} == done
            running = ledger.spans("running")
            assert len(running) <= 1
            assert all(int(entry.key) not in facts and entry.pid == process.pid for entry in running)
            assert [entry.id for entry in ledger.book_lost()] == [entry.id for entry in running]
            lost += len(running)
            finished = ledger.spans("done")
            assert [entry.id for entry in finished] == [facts[number].span_id for number in sorted(facts)]
            assert len(finished) + len(ledger.spans("lost")) == len(ledger.spans())
    assert len(done) > 8
    assert len(began) - len(set(began)) <= lost


def test_json_of_the_ledger_is_readable_by_hand(path, ledger):
    ledger.add("note", "n", {"name": "på norsk", "loss": 0.1})
    assert json.loads(raw(path, "SELECT value FROM records")[0][0]) == {"name": "på norsk", "loss": 0.1}
