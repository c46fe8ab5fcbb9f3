"""What a block's record says when clocks are set, instruments fail and names are odd."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import paredown
from paredown.core.errors import UsageError
from paredown.core.record import record_from_json
from paredown.ground import clock, registry


def burn(cpu_s: float) -> None:
    """Keep one thread busy."""
    end = time.thread_time() + cpu_s
    while time.thread_time() < end:
        pass


@pytest.mark.parametrize("moved_s", [5 * 3600, -5 * 3600, 56 * 365 * 24 * 3600])
def test_a_clock_that_is_set_inside_spreads_nothing_and_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, moved_s: float) -> None:
    """From 1970 before a time server answers, hours ahead, and back."""
    real, file = time.time, tmp_path / "took.jsonl"
    monkeypatch.setattr(time, "time", lambda: real() - max(0.0, moved_s))
    hour = time.strftime("%Y-%m-%dT%H", time.gmtime(time.time()))
    with paredown.track("set", to=file) as took:
        burn(0.01)
        monkeypatch.setattr(time, "time", lambda: real() + moved_s - max(0.0, moved_s))
        took.cut()
        burn(0.01)
    record = took.record
    assert record.hourly_j.keys() <= {hour, time.strftime("%Y-%m-%dT%H", time.gmtime(real() - max(0.0, moved_s)))}
    assert record.started.startswith(hour[:10])
    assert sum(record.hourly_j.values()) == pytest.approx(took.energy_j)
    assert f"the machine's clock was set by {moved_s:+d} s meanwhile" in record.notes[0]
    assert file.stat().st_size < 20_000


def test_a_machine_that_slept_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    steady = clock.steady_s
    with paredown.track() as took:
        monkeypatch.setattr(clock, "steady_s", lambda: steady() + 7200)
    assert took.wall_s < 60
    assert any("the machine slept for 7200 s meanwhile, which is not in the wall time" in note for note in took.record.notes)


@pytest.mark.parametrize("content", [None, "", "time,watts\n2020-01-01T00:00:00Z,5\n"])
def test_a_wall_meter_that_is_named_and_fails_is_told_on_every_face(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    log = tmp_path / f"log{content is None}{len(content or '')}.csv"
    if content is not None:
        log.write_text(content)
    monkeypatch.setenv("PAREDOWN_WALL_LOG", str(log))
    with paredown.track("train", activity="training", grid="NO") as took:
        pass
    (note,) = took.record.notes
    assert note.startswith("wall_energy could not be had: ")
    assert str(log) in note
    assert note in str(took)
    for name, unit in registry.units("exports").items():
        assert name == "json" or str(log) in unit.load()().text([took.record])


def test_a_wall_log_that_is_cut_inside_the_block_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("time,watts\n" + "".join(f"{time.time() - 10 + at},5\n" for at in range(10)))
    monkeypatch.setenv("PAREDOWN_WALL_LOG", str(log))
    with paredown.track() as took:
        log.write_text("")
    assert "wall_energy could not be had" in took.record.notes[0]
    assert "replaced or cut" in str(took)
    assert "idle_energy" in took.readings


@pytest.mark.parametrize("name", ["a\udcff", "a\nevil 5", "\x1b[31mred", "a\u2028b"])
def test_an_odd_name_is_kept_and_never_shown_as_it_is(tmp_path: Path, name: str) -> None:
    with paredown.track(name, unit=name, count=2, to=tmp_path / "took.jsonl") as took:
        pass
    assert record_from_json(json.loads((tmp_path / "took.jsonl").read_text("utf-8"))).subject == name
    shown = str(took)
    assert shown.encode()
    assert name not in shown
    assert shown.startswith(name.encode("unicode_escape").decode())


def test_a_unit_is_a_text() -> None:
    with pytest.raises(UsageError, match=r'unit is 3; it is the name of what is counted\.\n  Write `unit="token"`'):
        paredown.track(unit=3)  # type: ignore[arg-type]
