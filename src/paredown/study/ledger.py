"""What a study knows: facts that are recorded once, and the work they cost."""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from paredown.core.errors import UsageError
from paredown.core.trial import Spent
from paredown.ground.clock import SteadyClock
from paredown.ground.host import boot_id
from paredown.ground.untrusted import parse_json
from paredown.study.schema import check, create, damaged, explained, make_engine, records, spans

BEAT_S = 1.0
_FIGURES = ("wall_s", "cpu_s", "energy_j")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A fact.

    Args:
        id: Rises with every record; a fact keeps its number for ever.
        kind: "baseline", "encode", "build", "pack", "predict", "measure", "floor", "trial", "test_read", "policy", "job" (by the digest of
            its job.lock.yaml), "refused" or "note".
        key: Digest over all that the fact depends on.
        value: Plain data, as after a round trip through JSON.
        span_id: The work it came from; None for a fact that cost nothing.
        created: UTC time, ISO 8601.
    """

    id: int
    kind: str
    key: str
    value: Any
    span_id: int | None
    created: str


@dataclass(frozen=True, kw_only=True)
class SpanEntry:
    """One piece of work as the ledger holds it.

    Args:
        started, ended: UTC time, ISO 8601; for lost work `ended` is its last sign of life.
        state: "running", "done", "failed" or "lost".
        pid, host, boot_id: The process that did it.
        wall_s, cpu_s, energy_j: Its own share: what spans inside it booked is not in it. None was not metered.
        reason: Why it failed or was lost, else empty.
    """

    id: int
    kind: str
    key: str
    started: str
    ended: str | None
    state: str
    pid: int
    host: str
    boot_id: str
    wall_s: float
    cpu_s: float | None
    energy_j: float | None
    reason: str


class Span:
    """A piece of work in progress; made by `Ledger.span`."""

    def __init__(self, ledger: Ledger, kind: str, key: str, outer: Span | None, since: datetime | None) -> None:
        self.kind, self.key, self.since = kind, key, since
        self.id = 0
        self._ledger, self._outer = ledger, outer
        self._began = self._written = time.monotonic()
        self._clock = SteadyClock()
        self._cpu_s: float | None = None
        self._energy_j: float | None = None
        self._inner = [0.0, 0.0, 0.0]
        self._closed = self._inner_open = False

    def beat(self, wall_s: float | None = None, cpu_s: float | None = None, energy_j: float | None = None) -> None:
        """Say that the work goes on and what it has cost so far; written at most about once a second, so that it is cheap to call.

        Args:
            wall_s: Seconds since the span began; None is what its own clock says.
            cpu_s: CPU seconds since it began, inner spans included; None keeps what was said before.
            energy_j: Joules since it began, inner spans included; None keeps what was said before.
        """
        self._keep(cpu_s, energy_j)
        if time.monotonic() - self._written >= BEAT_S and not self._inner_open:
            with self._ledger._write() as file:
                self._save(file, wall_s)

    def finish(self, value: Any, wall_s: float | None = None, cpu_s: float | None = None, energy_j: float | None = None) -> Record:
        """Record the fact and close the span, both or neither.

        Args:
            value: Plain data; floats come back exactly.
            wall_s, cpu_s, energy_j: As in `beat`.

        Raises:
            ValueError: The value holds NaN or infinity, or is not plain data; the fact is recorded already.
        """
        self._keep(cpu_s, energy_j)
        text = _dumps(self.kind, self.key, value)
        with self._closing("done", wall_s=wall_s) as file:
            return _insert(file, self.kind, self.key, text, self.id)

    def _keep(self, cpu_s: float | None, energy_j: float | None) -> None:
        self._cpu_s = self._cpu_s if cpu_s is None else cpu_s
        self._energy_j = self._energy_j if energy_j is None else energy_j

    def _begin(self, file: sa.Connection) -> None:
        if self._outer:
            self._outer._save(file)
            self._outer._inner_open = True
        process = {"pid": os.getpid(), "host": socket.gethostname(), "boot_id": boot_id()}
        row = {
            "kind": self.kind,
            "key": self.key,
            "started": _utc(self._clock.began_s) if self.since is None else _text(self.since),
            "state": "running",
            "wall_s": 0.0,
            "reason": "",
        } | process
        self.id = _number(file.execute(sa.insert(spans).values(row)))

    def _save(self, file: sa.Connection, wall_s: float | None = None, **row: str) -> tuple[float | None, ...]:
        """Write the span's own share so far; returns its totals."""
        self._written = time.monotonic()
        totals = (self._written - self._began if wall_s is None else wall_s, self._cpu_s, self._energy_j)
        own = [None if total is None else max(0.0, total - inner) for total, inner in zip(totals, self._inner, strict=True)]
        file.execute(sa.update(spans).where(spans.c.id == self.id).values(dict(zip(_FIGURES, own, strict=True)) | row))
        return totals

    @contextmanager
    def _closing(self, state: str, reason: str = "", wall_s: float | None = None) -> Iterator[sa.Connection]:
        """A transaction that closes the span; once it is in the file, the whole is taken off the span around it."""
        with self._ledger._write() as file:
            yield file
            totals = self._save(file, wall_s, state=state, reason=reason, ended=_utc(self._clock.utc_s()))
        self._closed = True
        if self._outer:
            self._outer._inner_open = False
            booked = [max(inner, total or 0.0) for inner, total in zip(self._inner, totals, strict=True)]
            self._outer._inner = [before + more for before, more in zip(self._outer._inner, booked, strict=True)]


class Ledger:
    """A study's SQLite file: opened by `Ledger.open`, written by one process, the one that holds the study's lock."""

    def __init__(self, path: Path, engine: sa.Engine) -> None:
        self.path = path
        self._engine, self._writer = engine, engine.execution_options(write=True)
        self._inside = threading.local()

    @classmethod
    def open(cls, path: Path, read_only: bool = False) -> Self:
        """Open a ledger, or make a new one where there is none; an older schema is migrated step by step.

        Args:
            path: The file; its folder exists.
            read_only: True to look at a study that another run may hold; then an older schema is refused.

        Raises:
            Damaged: The file is not a whole ledger.
            UsageError: The schema is not one that this version reads; the file cannot be opened or written.
        """
        if not path.exists():
            if read_only:
                raise UsageError(f"no ledger at {path}.\n  `paredown run JOB` makes one.")
            create(path)
        ledger = cls(path, make_engine(path, read_only))
        try:
            check(path, ledger._engine, read_only)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        """Close the file; the ledger cannot be used any more."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, kind: str, key: str) -> Record | None:
        """The fact, or None when it is not recorded."""
        with self._read() as file:
            row = file.execute(sa.select(records).where(records.c.kind == kind, records.c.key == key)).first()
        return None if row is None else self._record(row)

    def records(self, kind: str) -> list[Record]:
        """All facts of one kind, oldest first."""
        with self._read() as file:
            rows = file.execute(sa.select(records).where(records.c.kind == kind).order_by(records.c.id)).all()
        return [self._record(row) for row in rows]

    def add(self, kind: str, key: str, value: Any) -> Record:
        """Record a fact that cost nothing.

        Raises:
            ValueError: As in `Span.finish`.
        """
        text = _dumps(kind, key, value)
        with self._write() as file:
            return _insert(file, kind, key, text, None)

    @contextmanager
    def span(self, kind: str, key: str, since: datetime | None = None) -> Iterator[Span]:
        """One piece of work. `finish` inside records its fact; without it the span ends as done and nothing is recorded.

        An exception inside books the work as failed with its reason, an interrupt as lost; both go on. Death of the process leaves it
        running, and `book_lost` books it later. Spans of one thread may stand inside each other; each stores only its own share.

        Args:
            kind, key: The fact's name.
            since: When what it books began, where that was before now, beside other spans.

        Raises:
            ValueError: The fact is recorded already.
        """
        outer: Span | None = getattr(self._inside, "span", None)
        span = Span(self, kind, key, outer, since)
        with self._write() as file:
            _refuse_known(file, kind, key)
            span._begin(file)
        self._inside.span = span
        try:
            yield span
        except BaseException as error:
            if not span._closed:
                failed = isinstance(error, Exception)
                reason = f"{type(error).__name__}: {error}" if failed else f"interrupted by {type(error).__name__}"
                self._end(span, "failed" if failed else "lost", reason, error)
            raise
        else:
            if not span._closed:
                self._end(span, "done", "", None)
        finally:
            self._inside.span = outer

    def once(self, kind: str, key: str, work: Callable[[Span], Any]) -> Record:
        """The recorded fact; when there is none, do the work under a span and record what it returns."""
        found = self.find(kind, key)
        if found is not None:
            return found
        with self.span(kind, key) as span:
            return span.finish(work(span))

    def spans(self, state: str | None = None, since_baseline: bool = False) -> list[SpanEntry]:
        """All work, or all of one state, oldest first; `since_baseline` as in `spent`."""
        query = sa.select(spans).order_by(spans.c.id)
        with self._read() as file:
            query = query.where(spans.c.id > _last_before_search(file)) if since_baseline else query
            rows = file.execute(query if state is None else query.where(spans.c.state == state)).all()
        return [SpanEntry(**row._mapping) for row in rows]

    def book_lost(self) -> list[SpanEntry]:
        """Book work that nobody does any more as lost, with the figures of its last heartbeat; only under the study's lock.

        Returns:
            What was booked now.
        """
        ids = []
        for entry in self.spans("running"):
            ended = datetime.fromisoformat(entry.started) + timedelta(seconds=entry.wall_s)
            reason = f"process {entry.pid} on {entry.host} ended without closing it"
            row = {"state": "lost", "ended": ended.isoformat(timespec="milliseconds"), "reason": reason}
            with self._write() as file:
                file.execute(sa.update(spans).where(spans.c.id == entry.id).values(row))
            ids.append(entry.id)
        return [entry for entry in self.spans("lost") if entry.id in ids]

    def spent(self, kinds: Sequence[str] | None = None, since_baseline: bool = True) -> Spent:
        """What closed work has cost, failed and lost work included.

        Args:
            kinds: Kinds of spans to count; None is all. A span's share does not hold that of the spans inside it.
            since_baseline: True counts only work begun after the first "baseline" fact; without such a fact that is nothing.
        """
        c = spans.c
        unmetered_s = sa.case((c.energy_j.is_(None), c.wall_s), else_=0.0)
        sums = [sa.func.total(column) for column in (c.wall_s, c.cpu_s, c.energy_j, unmetered_s)]
        query = sa.select(*sums).where(c.state != "running")
        if kinds is not None:
            query = query.where(c.kind.in_(kinds))
        with self._read() as file:
            wall_s, cpu_s, energy_j, rest_s = file.execute(query.where(c.id > _last_before_search(file)) if since_baseline else query).one()
        return Spent(wall_s=wall_s, cpu_s=cpu_s, energy_j=energy_j, unmetered_s=rest_s)

    def _record(self, row: sa.Row[Any]) -> Record:
        try:
            return Record(**row._asdict() | {"value": parse_json(row.value)})
        except (ValueError, TypeError, AttributeError) as error:
            raise damaged(self.path, f"record {row.id} {error if isinstance(error, ValueError) else 'is not JSON'}") from error

    def _end(self, span: Span, state: str, reason: str, cause: BaseException | None) -> None:
        try:
            with span._closing(state, reason):
                pass
        except Exception as error:
            if cause is None:
                raise
            cause.add_note(f"The ledger could not book this: {error}")

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with explained(self.path, reading=True), self._engine.connect() as file:
            yield file

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with explained(self.path), self._writer.begin() as file:
            yield file


def _refuse_known(file: sa.Connection, kind: str, key: str) -> None:
    known = file.execute(sa.select(records.c.id).where(records.c.kind == kind, records.c.key == key)).scalar()
    if known is not None:
        raise ValueError(f"{kind} {key} is recorded already, as record {known}; a fact is never repeated.")


def _last_before_search(file: sa.Connection) -> float:
    """The id of the span that made the baseline; infinity while there is none."""
    baseline = file.execute(sa.select(records).where(records.c.kind == "baseline").order_by(records.c.id)).first()
    if baseline is None:
        return math.inf
    if baseline.span_id is not None:
        return float(baseline.span_id)
    return file.execute(sa.select(sa.func.max(spans.c.id)).where(spans.c.started <= baseline.created)).scalar() or 0.0


def _number(done: sa.CursorResult[Any]) -> int:
    key = done.inserted_primary_key
    assert key is not None
    return int(key[0])


def _insert(file: sa.Connection, kind: str, key: str, text: str, span_id: int | None) -> Record:
    _refuse_known(file, kind, key)
    row = {"kind": kind, "key": key, "value": text, "span_id": span_id, "created": _now()}
    number = _number(file.execute(sa.insert(records).values(row)))
    return Record(**row | {"id": number, "value": json.loads(text)})


def _dumps(kind: str, key: str, value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (ValueError, TypeError) as error:
        raise ValueError(f"the value of {kind} {key} is not plain data with finite numbers: {error}") from error


def _now() -> str:
    return _text(datetime.now(UTC))


def _utc(moment_s: float) -> str:
    return _text(datetime.fromtimestamp(moment_s, UTC))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
