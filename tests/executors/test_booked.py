"""A fact is worked out once, and what it cost is written with it; `Inline` carries out the same verbs here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from paredown.core.errors import LimitExceeded, Unfit, WorkerDied
from paredown.executors.booked import Booked
from paredown.executors.inline import Inline
from paredown.executors.processes import Limits, Watch, Worker
from paredown.ground.digests import of_file


@dataclass
class Fact:
    id: int
    value: Any


@dataclass
class Notes:
    """A recorder in memory."""

    facts: dict[tuple[str, str], Fact] = field(default_factory=dict)
    costs: list[tuple[str, float, float, float]] = field(default_factory=list)
    beats: list[tuple[float, float, float]] = field(default_factory=list)
    open: int = 0

    def find(self, kind: str, key: str) -> Fact | None:
        return self.facts.get((kind, key))

    @contextmanager
    def span(self, kind: str, key: str) -> Iterator[Any]:
        notes = self

        class Span:
            def beat(self, wall_s: float, cpu_s: float, energy_j: float) -> None:
                notes.beats.append((wall_s, cpu_s, energy_j))

            def finish(self, value: Any, wall_s: float, cpu_s: float, energy_j: float) -> Fact:
                notes.costs.append((kind, wall_s, cpu_s, energy_j))
                return notes.facts.setdefault((kind, key), Fact(len(notes.facts) + 1, value))

        self.open += 1
        try:
            yield Span()
        finally:
            self.open -= 1


@pytest.fixture
def inline(verbs: Path, monkeypatch: pytest.MonkeyPatch) -> Inline:
    monkeypatch.syspath_prepend(str(verbs))
    return Inline()


def test_what_is_known_is_not_worked_out_again(inline: Inline) -> None:
    notes = Notes()
    booked = Booked(recorder=notes, worker=inline, joules=lambda cpu_s: 10 * cpu_s)
    assert booked.order("build", "k", "pare_verbs:add", a=1, b=2) == 3
    assert booked.order("build", "k", "pare_verbs:fail", name="Unfit", message="never asked") == 3
    assert booked.order("pack", "k", "pare_verbs:add", a=5, b=2) == 7
    assert [fact.id for fact in notes.facts.values()] == [1, 2]


def test_the_cost_of_work_is_booked_with_its_result(verbs: Path) -> None:
    notes, steps = Notes(), []
    with Worker(path=(verbs,)) as worker:
        booked = Booked(recorder=notes, worker=worker, joules=lambda cpu_s: 10 * cpu_s, progress=lambda *step: steps.append(step))
        booked.order("build", "a", "pare_verbs:spin", seconds=0.5)
        booked.order("build", "b", "pare_verbs:count", to=3)
    (kind, wall_s, cpu_s, energy_j), _ = notes.costs
    assert kind == "build"
    assert wall_s >= 0.5
    assert cpu_s >= 0.5
    assert energy_j == pytest.approx(10 * cpu_s)
    assert notes.beats
    assert all(joules == pytest.approx(10 * spent) for _, spent, joules in notes.beats)
    assert steps[-1] == ("build", 3, 3)


def test_what_work_reads_is_told_before_its_fact_is_recorded(tmp_path: Path) -> None:
    """A helper that is imported by a worked-out name, and a file that code opens; whether the work succeeds or not."""
    job = tmp_path / "job"
    (job / "runs").mkdir(parents=True)
    (job / "pare_reader.py").write_text(
        "import importlib\nfrom pathlib import Path\n\n\ndef build(state, helper, fails):\n"
        "    made = importlib.import_module(helper).made()\n    if fails:\n        raise ValueError(made)\n    return made\n"
    )
    (job / "pare_helper.py").write_text(
        "from pathlib import Path\n\n\ndef made():\n    return Path(__file__).with_name('config.yaml').read_text()\n"
    )
    (job / "config.yaml").write_text("wide")
    (job / "runs" / "graph.onnx").write_text("ours")
    notes, told = Notes(), []
    with Worker(path=(job,), apart=job / "runs") as worker:
        booked = Booked(
            recorder=notes, worker=worker, joules=lambda cpu_s: cpu_s, read=lambda found: told.append((len(notes.facts), dict(found)))
        )
        with pytest.raises(WorkerDied, match="wide"):
            booked.order("build", "k", "pare_reader:build", helper="pare_helper", fails=True)
        assert booked.order("build", "k", "pare_reader:build", helper="pare_helper", fails=False) == "wide"
    names = ["config.yaml", "pare_helper.py", "pare_reader.py"]
    assert told == [(0, {str(job / name): of_file(job / name) for name in names}), (0, {})]


def test_a_failure_records_no_fact(verbs: Path) -> None:
    notes = Notes()
    with Worker(path=(verbs,)) as worker:
        booked = Booked(recorder=notes, worker=worker, joules=lambda cpu_s: cpu_s)
        with pytest.raises(Unfit, match="it does not apply"):
            booked.order("build", "k", "pare_verbs:fail", name="Unfit", message="it does not apply.")
        with pytest.raises(WorkerDied, match="exit code 4"):
            booked.order("build", "k", "pare_verbs:leave", code=4)
        with pytest.raises(LimitExceeded, match=r"the 0\.2 s that one trial"):
            booked.order("build", "k", "pare_verbs:wait", Limits(wall_s=0.2), seconds=30)
        assert (notes.facts, notes.open) == ({}, 0)
        assert booked.order("build", "k", "pare_verbs:add", a=1, b=1) == 2


def test_inline_keeps_state_and_raises_errors_as_they_are(inline: Inline) -> None:
    steps: list[tuple[int, int]] = []
    assert inline.order("pare_verbs:count", watch=Watch(progress=lambda *step: steps.append(step)), to=2).value == 2  # type: ignore[arg-type]
    assert steps == [(1, 2), (2, 2)]
    inline.order("pare_verbs:remember", word="kept")
    assert inline.order("pare_verbs:remember").value == "kept"
    inline.kill()
    assert inline.order("pare_verbs:remember").value is None
    with pytest.raises(KeyError, match="no such key"):
        inline.order("pare_verbs:bug")
    spun = inline.order("pare_verbs:spin", seconds=0.1)
    assert spun.cpu_s >= 0.1
    assert spun.wall_s >= 0.1
