"""What `track()` takes as a count, a PUE, a function and a name."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import paredown
from paredown.core.errors import UsageError


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
        with pytest.raises(UsageError, match=rf"cannot decorate len, a {kind.__name__}"):
            paredown.track()(kind(len))


def test_a_name_that_is_no_text_for_utf_8_is_written_too(tmp_path: Path) -> None:
    with paredown.track(os.fsdecode(b"a\xff"), to=tmp_path / "took.jsonl"):
        pass
    assert json.loads((tmp_path / "took.jsonl").read_text("utf-8"))["subject"] == "a\udcff"
