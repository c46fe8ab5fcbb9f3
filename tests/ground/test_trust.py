"""Whose functions may be named: what was built here, what the user names, and nobody's where nobody is trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from paredown.ground import trust


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv(trust.VARIABLE, raising=False)


def test_a_word_holds_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trust.trusted() == frozenset()
    assert trust.environment() == {}
    with trust.trusting(["net:Net"]), trust.trusting(["a.b:c"]):
        assert trust.trusted() == {"net:Net", "a.b:c"}
        assert trust.environment() == {trust.VARIABLE: "a.b:c,net:Net"}
    assert trust.trusted() == frozenset()
    monkeypatch.setenv(trust.VARIABLE, "net:Net,")
    assert trust.trusted() == {"net:Net"}
    assert trust.environment() == {trust.VARIABLE: "net:Net"}


def test_what_was_built_here_is_remembered_with_its_arguments(tmp_path: Path) -> None:
    assert not trust.is_remembered("net:Net", {"width": 3})
    trust.remember("net:Net", {"width": 3})
    assert trust.is_remembered("net:Net", {"width": 3})
    assert not trust.is_remembered("net:Net", {"width": 4})
    assert not trust.is_remembered("os:system", {"width": 3})
    with trust.trusting_nobody():
        assert not trust.is_remembered("net:Net", {"width": 3})
        with trust.trusting(["net:Net"]):
            assert trust.trusted() == frozenset()


def test_where_nothing_can_be_kept_nothing_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    trust.remember("net:Net", {})
    assert not trust.is_remembered("net:Net", {})
