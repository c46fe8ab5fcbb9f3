"""`track()`: what a block of Python takes, for `with` and as a decorator."""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from paredown.core.errors import CannotWrite, UnknownName, UsageError
from paredown.core.record import ACTIVITIES, EnergyRecord
from paredown.ground.files import writable
from paredown.tracking import open_blocks
from paredown.tracking.place import site_at
from paredown.tracking.usage import Plan, Usage, above_0

F = TypeVar("F", bound=Callable[..., Any])

_LATER = (
    ": its work is done later, whenever somebody asks for its values.\n"
    "  Write `with track(...):` around the loop, the `with` or the `await` that uses it."
)


@dataclass(frozen=True, kw_only=True)
class Track(AbstractContextManager[Usage]):
    """A block to be tracked, for `with` or as a decorator; made by `track()`."""

    plan: Plan
    to: Path | None
    _open: list[Usage] = field(default_factory=list, init=False, repr=False, compare=False)

    def __enter__(self) -> Usage:
        """Begin; returns what will hold the readings.

        Raises:
            UsageError: The block is open already.
            CannotWrite: `to` cannot be written.
        """
        self._open[:] = [took for took in self._open if took.ours]  # a forked child has not opened its parent's
        if self._open:
            raise UsageError(f"the block {self.plan.name!r} is open already.\n  Write `with track({self.plan.name!r}):` for each.")
        if self.to is not None:
            with writable(self.to):
                self.to.open("ab").close()
        return self._begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End, whatever ended it; an error inside goes through."""
        took = self._end(error)
        if self.to is not None and took is not None:
            try:
                _append(self.to, took.record)
            except CannotWrite:
                if error is None:
                    raise

    def _begin(self, earlier: Usage | None = None) -> Usage:
        took = Usage(self.plan, earlier)
        self._open.append(took)
        open_blocks.enter(took)
        return took

    def _end(self, error: BaseException | None = None) -> Usage | None:
        """What it took; None in a forked child, which leaves the block too, and it is not its own."""
        took = self._open.pop()
        if not took.ours:
            return None
        open_blocks.leave(took)
        took.end(error)
        return took

    def __call__(self, function: F) -> F:
        """Track each call; the last one's readings are `function.took`.

        A coroutine or a future that a call returns is waited for inside the block.

        Raises:
            UsageError: It is no function, a generator function, a class, or a method that is static or a property already; and at a call:
                it returned what does its work later.
        """
        kind = "class" if isinstance(function, type) else type(function).__name__
        name = getattr(function, "__qualname__", "what it was given")
        if isinstance(function, type | staticmethod) or not callable(function):
            raise UsageError(
                f"track cannot decorate {name}, a {kind}.\n"
                "  Decorate its functions, with @track(...) below @staticmethod, @classmethod or @property."
            )
        if _is(inspect.isgeneratorfunction, function) or _is(inspect.isasyncgenfunction, function):
            raise UsageError(f"track cannot decorate {name}, a generator{_LATER}")

        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            block = replace(self)
            took = call.took = block.__enter__()  # type: ignore[attr-defined]
            with ExitStack() as ending:
                ending.push(block)
                found = function(*given, **named)
                if hasattr(type(found), "add_done_callback"):
                    ending.pop_all()
                    found.add_done_callback(lambda done: block.__exit__(None, _error(done), None))
                elif inspect.iscoroutine(found):
                    ending.pop_all()
                    block._end()
                    return finish(block, took, found)
                elif _works_later(found):
                    raise UsageError(f"{name} returned a {type(found).__name__}{_LATER}")
            return found

        async def finish(block: Track, took: Usage, begun: Coroutine[Any, Any, Any]) -> Any:
            took = call.took = block._begin(took)  # type: ignore[attr-defined]
            with ExitStack() as ending:
                ending.push(block)
                return await begun

        @functools.wraps(function)
        async def wait(*given: Any, **named: Any) -> Any:
            with replace(self) as took:
                wait.took = took  # type: ignore[attr-defined]
                return await function(*given, **named)

        return wait if _is(inspect.iscoroutinefunction, function) else call  # type: ignore[return-value]


def _is(kind: Callable[[Any], bool], function: Any) -> bool:
    """Whether a function, or an object that is called like one, is of a kind."""
    return kind(function) or kind(type(function).__call__)


def _error(done: Any) -> BaseException | None:
    """What a future ended with; None where it does not say."""
    cancelled, ask = getattr(done, "cancelled", None), getattr(done, "exception", None)
    return None if ask is None or (cancelled is not None and cancelled()) else ask()


def _works_later(found: Any) -> bool:
    """True for what has not done its work when a call returns it: a generator, one that stands for a `with`, something to be awaited."""
    manager = isinstance(found, AbstractContextManager | AbstractAsyncContextManager)
    made = getattr(found, "gen", None) if manager else found  # as contextlib's decorators keep it
    return inspect.isgenerator(made) or inspect.isasyncgen(made) or inspect.isawaitable(found)


def track(
    name: str = "block",
    *,
    activity: str = "other",
    unit: str = "run",
    count: float = 1,
    grid: str | Path | None = None,
    pue: float | None = None,
    children: bool = True,
    to: str | Path | None = None,
) -> Track:
    """Count what a block of Python takes: `with track("train") as took: ...`, or `@track("train")` above a function.

    Counted is the whole process between enter and exit: all its threads, whoever started them, and the processes below it. Two blocks that
    are open at the same time, one in the other or in two threads, each count all of it; their records say what they have in common, and
    exports add that once. Hours follow UTC as it stood at enter, whoever sets the clock later. Hardware counters, where this machine has
    any that may be read, count the whole machine; the first block of a process looks for them, which takes some tenths of a second before
    it begins. Nothing is sent anywhere, and nothing written unless `to` says where.

    Args:
        name: What the block is called in the record.
        activity: training, fine-tuning, compression-search, validation, inference, idle or other.
        unit: What is counted, as "token"; the record says how much one of it takes.
        count: How many of them the block does; `took.count = ...` inside the block where it is known later.
        grid: Where the electricity comes from: a zone ("NO", "US-CA", "gcp:europe-west1"), an amount ("380 g/kWh"), or the file of an
            hourly series. Without it carbon is Missing; no place is guessed.
        pue: Energy of the building over energy of its machines, 1 or more.
        children: False leaves out the processes that this one started.
        to: A file ending in .jsonl that gets the record as one more line.

    Returns:
        A block, for `with` or as a decorator. `with` gives `took`, with energy_j, cpu_s, wall_s, readings and record; print it.

    Raises:
        UnknownName: There is no such activity, or no such zone.
        BadData: `grid` is a file that is no series.
        UsageError: `count` is not above 0; `pue` is below 1; `to` does not end in .jsonl; @track stands without its parentheses.
    """
    if not isinstance(name, str):
        raise UsageError(f"track got {name!r} for a name.\n  Write `@track()`, with parentheses.")
    if not isinstance(unit, str):
        raise UsageError(f'unit is {unit!r}; it is the name of what is counted.\n  Write `unit="token"`, and how many as `count`.')
    if activity not in ACTIVITIES:
        raise UnknownName("activity", activity, ACTIVITIES)
    file = None if to is None else Path(to).absolute()
    if file is not None and file.suffix != ".jsonl":
        raise UsageError(
            f"to is {str(to)!r}; track appends JSON lines, to a file ending in .jsonl.\n"
            f"  Name it `{file.stem}.jsonl`; `paredown export {file.stem}.jsonl --format csv` makes a table of it."
        )
    plan = Plan(name=name, activity=activity, unit=unit, count=above_0(count, unit), children=children, site=site_at(grid, pue))
    return Track(plan=plan, to=file)


def _append(file: Path, record: EnergyRecord) -> None:
    """One more line, whole also where several processes append to the file, and where one of them was killed before."""
    line = json.dumps(record.json(), ensure_ascii=False).encode(errors="backslashreplace")
    with writable(file), file.open("a+b") as opened:
        try:
            import fcntl
        except ImportError:  # not on Windows
            pass
        else:
            fcntl.flock(opened, fcntl.LOCK_EX)
        size_b = opened.seek(0, os.SEEK_END)
        if size_b:
            opened.seek(size_b - 1)
        cut = size_b and opened.read(1) != b"\n"
        opened.write((b"\n" if cut else b"") + line + b"\n")
