"""What a decorated call returns is looked at: awaited inside the block, or refused in words."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import paredown
from paredown.core.errors import UsageError
from paredown.exports.records import read_records


async def work() -> str:
    await asyncio.sleep(0.05)
    return "done"


class Calls:
    async def __call__(self) -> str:
        return await work()


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*given: Any) -> Any:
        time.sleep(0.02)
        return function(*given)

    return call


WAITED = {"async def": work, "decorated": plain(work), "object": Calls(), "partial": functools.partial(work), "lambda": lambda: work()}


@pytest.mark.parametrize("function", WAITED.values(), ids=WAITED)
def test_what_is_awaited_is_in_the_block(function: Callable[..., Any], tmp_path: Path) -> None:
    tracked = paredown.track("waits", to=tmp_path / "took.jsonl")(function)
    assert asyncio.run(tracked()) == "done"
    assert tracked.took.wall_s >= 0.05 + 0.02 * (function is WAITED["decorated"])
    (record,) = read_records(tmp_path / "took.jsonl")
    assert record.wall_s == tracked.took.wall_s


def test_an_error_in_what_is_awaited_ends_the_block_and_is_said() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    tracked = paredown.track()(plain(fails))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(tracked())
    assert "the block was left by ZeroDivisionError" in tracked.took.record.notes


def test_a_future_is_given_back_as_it_is_and_ends_the_block_when_it_is_done(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:

        @paredown.track(to=tmp_path / "took.jsonl")
        def submit() -> Future[None]:
            return pool.submit(time.sleep, 0.05)

        assert submit().result() is None
    assert read_records(tmp_path / "took.jsonl")[0].wall_s >= 0.05

    async def main() -> bool:
        @paredown.track(to=tmp_path / "tasks.jsonl")
        def start() -> asyncio.Task[str]:
            return asyncio.create_task(work())

        task = start()
        await asyncio.sleep(0)
        return task.cancel()

    assert asyncio.run(main())
    assert len(read_records(tmp_path / "tasks.jsonl")) == 1


def values() -> Iterator[int]:
    yield 1


async def later() -> AsyncIterator[int]:
    yield 1


class Awaited:
    def __await__(self) -> Iterator[None]:
        yield


LATER = {
    "generator": lambda: values(),
    "async_generator": lambda: later(),
    "_GeneratorContextManager": contextlib.contextmanager(values),
    "_AsyncGeneratorContextManager": contextlib.asynccontextmanager(later),
    "Awaited": lambda: Awaited(),
}


@pytest.mark.parametrize("kind", LATER)
def test_what_does_its_work_later_is_refused_when_it_is_returned(kind: str) -> None:
    tracked = paredown.track()(LATER[kind])
    with pytest.raises(UsageError, match=rf"returned a {kind}: its work is done later.*\n  Write `with track\(\.\.\.\):` around the loop"):
        tracked()


def test_what_is_called_and_done_is_given_back_as_it_is(tmp_path: Path) -> None:
    opened = paredown.track()(lambda: (tmp_path / "a").open("w"))()
    with opened:
        assert opened.write("a") == 1


@pytest.mark.parametrize("kind", [property, functools.cached_property, functools.partialmethod, classmethod, staticmethod])
def test_what_is_no_function_is_refused(kind: Callable[[Any], Any]) -> None:
    with pytest.raises(UsageError, match=rf"cannot decorate .*, a {kind.__name__}\.\n  Decorate its functions, with @track.* below"):
        paredown.track()(kind(values))


def test_a_property_is_tracked_below_its_decorator() -> None:
    class Table:
        @property
        @paredown.track("rows")
        def rows(self) -> int:
            return 3

    assert Table().rows == 3


def test_generator_functions_in_any_dress_are_refused() -> None:
    class Calls:
        def __call__(self) -> Iterator[int]:
            yield 1

    for function in (functools.partial(values), functools.partial(later), Calls()):
        with pytest.raises(UsageError, match=r"track cannot decorate .*, a generator: its work is done later"):
            paredown.track()(function)
