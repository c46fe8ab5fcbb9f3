"""The result on a line and in a notebook's cell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paredown.report.cell import cell, line

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", ["pass", "infeasible", "inconclusive"])
def test_verdict_ratios_and_link(name: str) -> None:
    result = json.loads((HERE / f"{name}.json").read_text())
    shown = cell(result, "runs/a&b/report.html")
    assert line(result).startswith(f"{name}: ")
    assert f"<strong>{name.capitalize()}</strong>" in shown
    assert '<a href="runs/a&amp;b/report.html">' in shown
    assert shown.count("<li>") >= 2


def test_a_result_without_anything_is_shown_too() -> None:
    assert line({}) == "unknown"
    assert "No verdict" in cell({}, "report.html")


def test_a_users_text_cannot_become_markup() -> None:
    assert "<script>" not in cell({"name": "<script>", "verdict": "pass"}, "report.html")
