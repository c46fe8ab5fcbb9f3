"""A wall meter's log that grows while we measure: the joules between two moments, or why there are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.core.meter import Window
from paredown.core.reading import How, Missing, Reading
from paredown.ground import clock as clocks
from paredown.ground.host import host
from paredown.meters import wall_log
from paredown.meters.wall_log import WallLog
from paredown.testing.contracts import check_meter

HERE = host()
BEGAN_S = 1_764_018_000.25


def power_w(at_s: float) -> float:
    """Rises by 2 W each second from 100 W when the window begins."""
    return 100 + 2 * (at_s - BEGAN_S)


@dataclass
class Plug:
    """A program that appends a line each second once its clock goes; nobody really waits."""

    path: Path
    header: str = "timestamp,watts"
    line: Callable[[float], str] = lambda at_s: f"{at_s:.3f},{power_w(at_s):.3f}"
    period_s: float = 1.0
    now_s: float = BEGAN_S
    writes: bool = True
    lost: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path.write_text(f"{self.header}\n")
        self.next_s = BEGAN_S - 10.25
        self.go(0)

    def go(self, seconds: float) -> None:
        self.now_s += seconds
        while self.next_s <= self.now_s and self.writes:
            if not any(low < self.next_s < high for low, high in self.lost):
                with self.path.open("a") as file:
                    file.write(self.line(self.next_s) + "\n")
            self.next_s += self.period_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Plug], Plug]:
    def follow(plug: Plug) -> Plug:
        monkeypatch.setattr(wall_log, "time", lambda: plug.now_s)
        monkeypatch.setattr(wall_log, "sleep", plug.go)
        return plug

    return follow


def measured(plug: Plug, seconds: float = 10.0, items: int = 1) -> Reading | Missing:
    meter = WallLog(plug.path)
    meter.start()
    plug.go(seconds)
    (found,) = meter.stop(Window(wall_s=seconds, items=items))
    return found


def value_j(found: Reading | Missing) -> float:
    assert isinstance(found, Reading), found
    return found.value


def why(found: Reading | Missing) -> str:
    assert isinstance(found, Missing), found
    return found.reason


def test_contract(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    assert check_meter(WallLog(clock(Plug(tmp_path / "log.csv")).path), Window(wall_s=0.1, items=3)) is None


def test_power_is_added_up_between_the_edges_and_not_between_the_samples(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv"))
    assert WallLog(plug.path).ready(HERE) is None
    found = measured(plug, 10.0, items=4)
    assert value_j(found) == pytest.approx((100 + 120) / 2 * 10 / 4, rel=1e-6)
    assert (found.how, found.covers, found.n) == (How.MEASURED, ("wall",), 4)
    assert found.source == "wall meter's log, column 'watts'"


@given(offset_s=st.floats(0, 1), seconds=st.floats(7, 60))
def test_the_joules_do_not_depend_on_where_the_samples_lie(
    tmp_path_factory: pytest.TempPathFactory, offset_s: float, seconds: float
) -> None:
    plug = Plug(tmp_path_factory.mktemp("plug") / "log.csv", line=lambda at_s: f"{at_s!r},{power_w(at_s)!r}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wall_log, "time", lambda: plug.now_s)
        patch.setattr(wall_log, "sleep", plug.go)
        plug.go(offset_s)
        wanted_j = seconds * (power_w(plug.now_s) + seconds)
        assert value_j(measured(plug, seconds)) == pytest.approx(wanted_j, rel=1e-6)


@pytest.mark.parametrize(
    ("header", "unit_j", "digits"),
    [("timestamp,energy_wh", 3600, 6), ("Time;Energy (J)", 1, 2), ("ts\tkWh", 3.6e6, 9), ("epoch_ms,joules", 1, 3)],
)
def test_summed_energy_is_the_difference(tmp_path: Path, clock: Callable[[Plug], Plug], header: str, unit_j: float, digits: int) -> None:
    sign = next(sign for sign in ",;\t" if sign in header)

    def line(at_s: float) -> str:
        energy_j = 5e6 + 150 * (at_s - BEGAN_S)
        number = f"{energy_j / unit_j:.{digits}f}"
        return f"{at_s * (1000 if 'ms' in header else 1):.3f}{sign}{number.replace('.', ',') if sign == ';' else number}"

    found = measured(clock(Plug(tmp_path / "log.csv", header, line)))
    assert value_j(found) == pytest.approx(1500.0, rel=1e-4)
    assert found.how == How.COUNTED


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S.%f+00:00", '"%Y-%m-%dT%H:%M:%S.%f+00:00"'])
def test_times_may_be_iso(tmp_path: Path, clock: Callable[[Plug], Plug], form: str) -> None:
    def line(at_s: float) -> str:
        return f"plug 1,{datetime.fromtimestamp(at_s, UTC).strftime(form)},50,{power_w(at_s):.3f}"

    plug = clock(Plug(tmp_path / "log.csv", "# made by a plug\n\nname,DateTime,Frequency (Hz),Power (W)", line))
    assert WallLog(plug.path).found() == (f"{plug.path} (Power (W))",)
    assert value_j(measured(plug)) == pytest.approx(1100.0, rel=1e-6)


def test_a_time_without_a_zone_is_this_machines(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv", line=lambda at_s: f"{datetime.fromtimestamp(at_s).isoformat()},{power_w(at_s):.3f}"))
    assert value_j(measured(plug)) == pytest.approx(1100.0, rel=1e-6)


def test_the_sample_after_the_window_is_waited_for(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv"))
    measured(plug, 10.0)
    assert plug.now_s == pytest.approx(BEGAN_S + 10.75, abs=0.06)


def test_a_line_that_is_half_written_waits_for_its_end(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv"))
    meter = WallLog(plug.path)
    meter.start()
    plug.go(10.0)
    with plug.path.open("a") as file:
        file.write(f"{plug.next_s:.3f},1")  # of 121.5
    plug.line, plug.next_s = lambda at_s: f"{power_w(at_s):.3f}"[1:], plug.next_s
    (found,) = meter.stop(Window(wall_s=10.0, items=1))
    assert value_j(found) == pytest.approx(1100.0, rel=1e-6)


def test_a_program_that_stops_writing_is_missing(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv"))
    meter = WallLog(plug.path)
    meter.start()
    plug.go(7.0)
    plug.writes = False
    plug.go(3.0)
    (found,) = meter.stop(Window(wall_s=10.0, items=1))
    assert why(found) == (
        "log.csv: its newest sample is 3.25 s older than the window's end, 15 s after it; "
        "the meter's program has to write each sample at once"
    )
    assert plug.now_s == pytest.approx(BEGAN_S + 25, abs=0.06)


def test_a_gap_is_missing(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv", lost=[(BEGAN_S + 3, BEGAN_S + 9)]))
    assert why(measured(plug, 20.0)) == "log.csv: no sample for 7 s; one comes every 1 s"


def test_a_window_of_few_samples_is_missing_at_once(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv"))
    assert why(measured(plug, 4.5)) == "log.csv: a window of 4.5 s is too short for a sample every 1 s; it needs 5 of them"
    assert plug.now_s == BEGAN_S + 4.5


def test_a_coarse_counter_is_missing(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv", "timestamp,kwh", lambda at_s: f"{at_s:.3f},{(at_s - BEGAN_S + 100) / 36000:.3f}"))
    assert "log.csv goes in steps of 3.6e+03 J; a window needs 20 of them and has 0" in why(measured(plug, 10.0))


def test_a_counter_that_begins_again_is_missing(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv", "timestamp,joules", lambda at_s: f"{at_s:.3f},{at_s * 100 % 500:.3f}"))
    assert why(measured(plug)) == "log.csv: the summed energy goes back in the window"


def test_times_that_go_back_are_missing(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv"))
    meter = WallLog(plug.path)
    meter.start()
    plug.go(4.0)
    plug.line = lambda at_s: f"{at_s - 2.5:.3f},100"
    plug.go(6.0)
    (found,) = meter.stop(Window(wall_s=10.0, items=1))
    assert why(found) == "log.csv: the times go back by 1.5 s"


def test_a_log_that_begins_later_is_missing(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv"))
    plug.path.write_text("timestamp,watts\n")
    assert why(measured(plug)) == "log.csv begins 0.75 s after the window"


@pytest.mark.parametrize("set_s", [3.0, 3600.0, -3.0])
def test_a_clock_that_is_set_in_the_window_leaves_no_number(tmp_path: Path, clock: Callable[[Plug], Plug], set_s: float) -> None:
    """The log's times follow the clock; a step as small as a few samples would pass for a change of the power."""
    plug = clock(Plug(tmp_path / "log.csv", period_s=2.0, line=lambda at_s: f"{at_s:.3f},{power_w(at_s):.3f}"))
    meter = WallLog(plug.path)
    meter.start()
    plug.go(60.0 + set_s)
    (found,) = meter.stop(Window(wall_s=60.0, items=1))
    assert why(found) == f"this machine's clock was set by {set_s:+.0f} s in the window, so that the times of the log do not fit it"


def test_a_machine_that_slept_in_the_window_leaves_no_number(
    tmp_path: Path, clock: Callable[[Plug], Plug], monkeypatch: pytest.MonkeyPatch
) -> None:
    plug = clock(Plug(tmp_path / "log.csv"))
    steady = clocks.steady_s
    meter = WallLog(plug.path)
    meter.start()
    plug.go(60.0)
    monkeypatch.setattr(clocks, "steady_s", lambda: steady() + 60)
    (found,) = meter.stop(Window(wall_s=10.0, items=1))
    assert why(found) == "this machine slept for 60 s in the window"


@pytest.mark.parametrize("cut", [True, False])
def test_a_log_that_is_replaced_is_missing(tmp_path: Path, clock: Callable[[Plug], Plug], cut: bool) -> None:
    plug = clock(Plug(tmp_path / "log.csv"))
    meter = WallLog(plug.path)
    meter.start()
    if cut:
        plug.path.write_text("")
    else:
        (tmp_path / "new.csv").write_text(plug.path.read_text())
        (tmp_path / "new.csv").replace(plug.path)
    (found,) = meter.stop(Window(wall_s=10.0, items=1))
    assert why(found) == f"{plug.path} cannot be read any more (it was replaced or cut while it was read)"


def test_a_line_of_a_failing_sensor_is_no_zero(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    plug = clock(Plug(tmp_path / "log.csv"))
    meter = WallLog(plug.path)
    meter.start()
    plug.go(3.0)
    with plug.path.open("a") as file:
        file.write("ERR\n1764018003.9,\n,,,\n")
    plug.go(7.0)
    (found,) = meter.stop(Window(wall_s=10.0, items=1))
    assert value_j(found) == pytest.approx(1100.0, rel=1e-6)


def test_no_answer_in_the_window_is_missing(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    assert why(measured(clock(Plug(tmp_path / "log.csv")), items=0)) == "no inference was answered in the window"


def test_what_is_not_ready_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Callable[[Plug], Plug]) -> None:
    monkeypatch.delenv(wall_log.VARIABLE, raising=False)
    assert WallLog().ready(HERE) == "no wall meter's log. Set PAREDOWN_WALL_LOG to the CSV file that the meter's program writes."
    assert WallLog().found() == ()
    meter = WallLog()
    meter.start()
    (found,) = meter.stop(Window(wall_s=1.0, items=1))
    assert why(found) == "PAREDOWN_WALL_LOG names no log"
    path = tmp_path / "log.csv"
    monkeypatch.setenv(wall_log.VARIABLE, str(path))
    assert WallLog().ready(HERE) == f"{path} cannot be read (No such file or directory)."
    path.write_text("# soon\n")
    assert WallLog().ready(HERE) == f"{path} has no header yet."
    path.write_text("time,volts,energy\n1,230,5\n")
    reason = WallLog().ready(HERE)
    assert reason is not None
    assert reason.startswith(f"{path} has the columns time, volts, energy; it needs a time (timestamp, time, ")
    assert reason.endswith("and watts (watts, watt, w, power_w, power_watts, active_power_w, power, apower, power_kw) or summed energy "
                           "(joules, energy_j, j, wh, energy_wh, total_wh, kwh, energy_kwh).")  # fmt: skip
    path.write_text("time,watts\n")
    assert WallLog().ready(HERE) == f"{path} holds no sample yet."
    path.write_text("time,watts\n24.11.2026 21:00,5\n")
    said = "has the line '24.11.2026 21:00,5', in which no time (ISO 8601, or seconds since 1970) and number stand."
    assert WallLog().ready(HERE) == f"{path} {said}"
    plug = clock(Plug(path))
    assert WallLog().ready(HERE) is None
    plug.now_s += 3600
    reason = WallLog().ready(HERE)
    assert reason is not None
    assert reason.startswith(f"the newest sample of {path} is 3600 s old. Start the meter's program, and have it write UTC;")
    plug.now_s -= 7300
    assert "3700 s ahead of this machine" in str(WallLog().ready(HERE))


@pytest.mark.parametrize("odd", ["inf,100", "nan,100", "{},nan", "{},inf", "{},0,9", "{},"])
def test_a_line_without_a_finite_time_and_number_is_no_sample(tmp_path: Path, clock: Callable[[Plug], Plug], odd: str) -> None:
    def line(at_s: float) -> str:
        return odd.format(at_s) if BEGAN_S + 3 < at_s < BEGAN_S + 4 else f"{at_s},100.0"

    found = measured(clock(Plug(tmp_path / "log.csv", line=line)))
    assert isinstance(found, Reading)
    assert found.value == pytest.approx(1000)


def test_a_power_below_0_is_no_consumption(tmp_path: Path, clock: Callable[[Plug], Plug]) -> None:
    found = measured(clock(Plug(tmp_path / "log.csv", line=lambda at_s: f"{at_s},{-5 if at_s > BEGAN_S + 4 else 100}")))
    assert found == Missing(quantity="wall_energy", reason="log.csv: a power of -5 W is below 0")
