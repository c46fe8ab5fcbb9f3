"""Work ahead of its use: in order, with its errors, and no longer than somebody asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from paredown.rows.ahead import ahead


def test_items_come_in_order_from_a_thread_that_ends() -> None:
    names = list[str]()

    def work() -> Iterator[int]:
        for number in range(20):
            names.append(threading.current_thread().name)
            yield number

    assert list(ahead(work())) == list(range(20))
    assert set(names) == {"ahead"}
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_an_error_in_the_work_is_raised_where_it_is_used() -> None:
    def work() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    found = ahead(work())
    assert next(found) == 1
    with pytest.raises(ValueError, match="no more"):
        next(found)


def test_who_stops_asking_stops_the_work() -> None:
    made = list[int]()
    found = ahead((made.append(number) or number for number in range(1000)), depth=1)
    assert next(found) == 0
    found.close()
    assert len(made) < 10
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]
