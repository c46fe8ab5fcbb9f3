"""A builder that works in this process, with a recorder in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from paredown.builder.build import Builder
from paredown.builder.build_spec import BuildSpec
from paredown.core.candidate import Candidate
from paredown.core.rows import Rows
from paredown.executors.booked import Booked
from paredown.executors.inline import Inline
from paredown.rows.rowfile import write_rows
from paredown.testing import tiny


@dataclass
class Fact:
    id: int
    value: Any


@dataclass
class Ledger:
    """Facts by kind and key, numbered as they are made."""

    facts: dict[tuple[str, str], Fact] = field(default_factory=dict)

    def find(self, kind: str, key: str) -> Fact | None:
        return self.facts.get((kind, key))

    @contextmanager
    def span(self, kind: str, key: str) -> Iterator[Any]:
        ledger = self

        class Span:
            def beat(self, *_: float) -> None: ...

            def finish(self, value: Any, *_: float) -> Fact:
                assert (kind, key) not in ledger.facts
                return ledger.facts.setdefault((kind, key), Fact(len(ledger.facts) + 1, value))

        yield Span()


@dataclass
class Counted(Inline):
    """Counts the verbs that are really carried out."""

    verbs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def order(self, verb: str, *rest: Any, **arguments: Any) -> Any:
        self.verbs.append(verb.partition(":")[2])
        return super().order(verb, *rest, **arguments)


@dataclass(frozen=True)
class Bench:
    """A builder with its parts."""

    builder: Builder
    ledger: Ledger
    worker: Counted
    build_spec: BuildSpec
    folder: Path

    def artifact(self, digest: str) -> Path:
        return Path(self.build_spec.artifacts) / digest


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    """(form of the teacher, entries of Builder) -> a bench in `tmp_path`."""

    def make(form: str = "torch", network: str = "mlp", **entries: Any) -> Bench:
        teacher: Candidate = tiny.candidate(form, tmp_path, network)
        files = {}
        for split, rows in {"train": tiny.rows(), "calibration": tiny.rows(48, 1)}.items():
            files[split] = str(tmp_path / f"{split}.npz")
            write_rows(rows, Path(files[split]))
        write_rows(Rows(inputs=tiny.rows(4, 9).inputs, labels=None), tmp_path / "probe.npz")
        shape = [tiny.SIDE, tiny.SIDE]
        build_spec = BuildSpec(
            name="tiny",
            task="image-classification",
            encode={"kind": "image", "input": "input", "shape": shape, "scale": 1 / 16, "mean": 0.0, "std": 1.0, "layout": "nchw"},
            decode={"kind": "softmax", "output": "logits", "classes": 3},
            labels=["top", "middle", "bottom"],
            store=str(tmp_path / "store"),
            artifacts=str(tmp_path / "artifacts"),
            data=files,
            seed=0,
            threads=1,
            isa="avx2",
            probe=str(tmp_path / "probe.npz"),
            teacher=asdict(teacher),
        )
        ledger, worker = Ledger(), Counted()
        booked = Booked(recorder=ledger, worker=worker, joules=lambda cpu_s: cpu_s)
        return Bench(Builder(build_spec=build_spec, booked=booked, **entries), ledger, worker, build_spec, tmp_path)

    return make
