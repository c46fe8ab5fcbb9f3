"""What commands print."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from paredown.cli import screen
from paredown.core.finding import Outcome
from paredown.core.reading import How, Missing, Reading


def test_plain_makes_json_of_our_nouns() -> None:
    value = {
        "reading": Reading(quantity="size", value=12.0, how=How.COUNTED),
        "missing": Missing(quantity="energy", reason="no counter here"),
        "outcome": Outcome.PASS,
        "path": Path("runs") / "digits",
        "array": np.array([[1, 2], [3, 4]]),
        "number": np.float32(0.5),
        "nan": float("nan"),
        "tuple": (1, None, True),
    }
    assert screen.plain(value) == {
        "reading": {"value": 12.0, "low": None, "high": None, "unit": "B", "how": "counted"},
        "missing": {"missing": "no counter here"},
        "outcome": "pass",
        "path": "runs/digits",
        "array": [[1, 2], [3, 4]],
        "number": 0.5,
        "nan": None,
        "tuple": [1, None, True],
    }


def test_dump_is_one_document_in_any_script(capsys: pytest.CaptureFixture[str]) -> None:
    screen.dump({"label": "かな"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"label": "かな"}
    assert "かな" in out


def test_a_table_in_a_pipe_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "word " * 100
    screen.table([("a", "1", long), ("[bold]b", "22", "x")], ("name", "n", "what"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "name     n   what"
    assert lines[1] == f"a        1   {long.rstrip()}"
    assert lines[2] == "[bold]b  22  x"


def test_notes_go_beside_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    screen.say("answer")
    screen.note("advice")
    assert capsys.readouterr() == ("answer\n", "advice\n")
