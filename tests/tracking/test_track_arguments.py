"""What `track()` takes, and how it refuses the rest."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import paredown
from paredown.core.errors import UnknownName, UsageError


def burn(cpu_s: float) -> None:
    """Something to decorate."""


def test_what_cannot_be_tracked_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"no activity 'trainin'\. Did you mean 'training'\?"):
        paredown.track(activity="trainin")
    with pytest.raises(UsageError, match=r"to is 'a\.csv'; track appends JSON lines"):
        paredown.track(to="a.csv")
    with pytest.raises(UsageError, match="parentheses"):
        paredown.track(burn)
    for count in (0, -1, float("nan"), float("inf"), "3", True):
        with pytest.raises(UsageError, match=r"count is .*; it needs a number above 0"):
            paredown.track(count=count)


def test_the_count_may_become_known_inside() -> None:
    with paredown.track(unit="token") as took:
        burn(0.05)
        took.count = 500
        with pytest.raises(UsageError, match="count is 0; it needs a number above 0"):
            took.count = 0
    assert took.record.per_unit()["cpu_time"].value == pytest.approx(took.cpu_s / 500)


def test_a_count_may_be_a_number_of_numpy() -> None:
    with paredown.track(count=np.int64(4)) as took:
        took.count = np.float32(2.5)
    assert took.record.json()["count"] == 2.5


@pytest.mark.parametrize("pue", ["1.2", True, float("inf"), float("nan"), 0.9])
def test_a_pue_is_a_finite_number_of_1_or_more(pue: object) -> None:
    with pytest.raises(UsageError, match=rf"pue is {pue!r}; .*\n  Write 1 or more"):
        paredown.track(grid="NO", pue=pue)  # type: ignore[arg-type]


def test_a_class_or_a_static_method_is_not_decorated() -> None:
    with pytest.raises(UsageError, match=r"cannot decorate int, a class\.\n  Decorate its functions"):
        paredown.track()(int)
    for kind in (staticmethod, classmethod):
        with pytest.raises(UsageError, match=rf"cannot decorate .*burn, a {kind.__name__}"):
            paredown.track()(kind(burn))


def test_generators_are_refused() -> None:
    def count() -> object:
        yield 1

    async def wait() -> object:
        yield 1

    for function in (count, wait):
        with pytest.raises(UsageError, match=rf"cannot decorate .*{function.__name__}, a generator"):
            paredown.track()(function)


def test_a_name_that_is_no_text_for_utf_8_is_written_too(tmp_path: Path) -> None:
    with paredown.track(os.fsdecode(b"a\xff"), to=tmp_path / "took.jsonl"):
        pass
    assert json.loads((tmp_path / "took.jsonl").read_text("utf-8"))["subject"] == "a\udcff"
