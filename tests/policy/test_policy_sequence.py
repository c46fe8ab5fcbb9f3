"""The fixed sequence, and a small form of the simulation in benchmarks/."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from paredown.policy.sequence import fixed_sequence


@pytest.mark.parametrize(
    ("good", "chosen", "tested"), [("abc", "c", "abc"), ("ab", "b", "abc"), ("ac", "a", "ab"), ("bc", None, "a"), ("", None, "a")]
)
def test_it_stops_at_the_first_miss_and_ships_the_last_that_passed(good: str, chosen: str | None, tested: str) -> None:
    asked: list[str] = []

    def passes(one: str) -> bool:
        asked.append(one)
        return one in good

    assert fixed_sequence("abc", passes) == (chosen, list(tested))
    assert asked == list(tested)


def test_without_finalists_nothing_is_tested() -> None:
    assert fixed_sequence([], lambda _: True) == (None, [])


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "simulate_release.py"
    spec = importlib.util.spec_from_file_location("simulate_release", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["simulate_release"] = module
    spec.loader.exec_module(module)
    return module


def test_at_the_limit_few_are_released_and_without_a_drop_most(simulation: ModuleType) -> None:
    limit = simulation.Case(margin=0.02, flips=0.04, drop=0.02, rows=900)
    assert simulation.released(limit, 300, seed=1) <= 24  # 5 % are 15; above 24 has a chance of 1 % at 5 %
    none = simulation.Case(margin=0.01, flips=0.02, drop=0.0, rows=5000)
    assert none.provable
    assert simulation.released(none, 60, seed=2) >= 54


def test_it_prints_both_tables_and_the_bound(simulation: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulation.main(["--studies", "10", "--seed", "0"]) in (0, 1)
    out = capsys.readouterr().out
    assert out.count("margin 1%, flips 8%") == 2
    assert "95 % bound" in out
    assert "not this margin" in out
