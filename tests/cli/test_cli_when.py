"""`paredown when` and `run --wait-for-low-carbon`: what is said, what is refused, and a wait with a clock of its own."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from paredown.planning import when as timing
from tiny_cli import leave
from tiny_study import ONE_RECIPE, TinyStudy, shorten, write_tiny_job

START = datetime(2023, 1, 1, tzinfo=UTC)
AT = "2023-02-01T02:00Z"


def series(folder: Path, name: str, level: float = 200, swing: float = 100, days: int = 40, start: datetime = START) -> Path:
    """A sunny grid: least at noon UTC."""
    path = folder / f"{name}.csv"
    rows = (
        f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%MZ},{level + swing * math.cos(math.pi * (start.hour + hour) / 12)}"
        for hour in range(24 * days)
    )
    path.write_text("time,g_per_kwh\n" + "\n".join(rows) + "\n", "utf-8")
    return path


def test_the_answer_names_the_time_the_saving_and_how_good_the_rule_was(tmp_path: Path, capfd, monkeypatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    code, out, _ = leave(capfd, "when", "--series", series(tmp_path, "sunny"), "--duration", "4h", "--at", AT)
    assert code == 0
    assert "4 h of work (as given), to end within 24 h from Wed 1 Feb 02:00 UTC" in out
    assert "sunny: wait 8 h, start at Wed 1 Feb 10:00 UTC" in out
    assert re.search(r"now +260 g CO2e/kWh expected over the job, average", out)
    assert re.search(r"then +110 g CO2e/kWh expected, 59 % less", out)
    assert re.search(r"it came +258 g CO2e/kWh when started at once, 105 as chosen: 59 % less", out)
    assert "100 % of what a perfect forecast would have" in out
    bars, marks = (line[13:] for line in out.splitlines()[-6:] if "ahead" in line or line.strip().startswith("^"))
    assert bars[8:12].count("▁") >= 2
    assert marks.rstrip() == " " * 8 + "^^^^"


def test_places_are_compared_and_json_holds_all(tmp_path: Path, capfd) -> None:
    files = [word for name, level in (("high", 400), ("low", 130)) for word in ("--series", series(tmp_path, name, level))]
    words = ("when", *files, "--duration", "3h", "--deadline", "12h", "--interruptible", "--piece", "30min", "--at", AT)
    code, out, _ = leave(capfd, *words)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[:3]] == ["place", "high", "low"]
    found = json.loads(leave(capfd, *words, "--json")[1])
    assert (found["best"], found["duration_s"], len(found["choices"])) == ("low", 10800, 2)
    low = found["choices"][1]
    assert low["pieces"] == [["2023-02-01T11:00Z", "2023-02-01T14:00Z"]]
    assert low["start"] == "2023-02-01T11:00Z"
    assert low["saving"] == pytest.approx(1 - low["then_g_per_kwh"] / low["now_g_per_kwh"])
    assert low["ahead"]["2023-02-01T12:00Z"] == pytest.approx(30)


def test_a_forecast_with_a_hole_is_shown_with_it_and_used_behind_it(tmp_path: Path, capfd, monkeypatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    values = [300] * 5 + [None] * 6 + [270] * 4 + [130] * 9
    rows = (f"2023-02-01T{hour:02}:00Z,{value}" for hour, value in enumerate(values) if value)
    (tmp_path / "holed.csv").write_text("time,forecast\n" + "\n".join(rows) + "\n", "utf-8")
    code, out, _ = leave(capfd, "when", "--series", tmp_path / "holed.csv", "--duration", "3h", "--at", "2023-02-01T00:00Z")
    assert code == 0
    assert "holed: wait 15 h, start at Wed 1 Feb 15:00 UTC" in out
    assert re.search(r"then +130 g CO2e/kWh expected, 57 % less", out)
    assert re.search(r"ahead +█████······▇▇▇▇▁▁▁▁▁▁▁▁▁  130 to 300", out)
    assert "6 h of the forecast are missing, the first from 2023-02-01T05:00Z; no work is planned into them." in out


def test_a_signal_that_nobody_says_is_not_called_average(tmp_path: Path, capfd) -> None:
    points = [{"Location": "west", "Time": f"2023-02-01T{hour:02}:00Z", "Rating": 300 - 9 * hour} for hour in range(24)]
    ahead = {"location": "west", "forecastData": [{"timestamp": one["Time"], "value": one["Rating"]} for one in points]}
    (tmp_path / "sdk.json").write_text(json.dumps(ahead))
    words = ("when", "--series", tmp_path / "sdk.json", "--duration", "3h", "--at", "2023-02-01T00:00Z")
    assert "expected over the job, whether average or marginal is not said" in leave(capfd, *words)[1]
    code, _, err = leave(capfd, *words, "--series", series(tmp_path, "sunny"))
    assert "west (unknown) and sunny (average) cannot be compared: the signals differ" in err
    assert code == 2


def test_a_flat_grid_is_not_worth_waiting_for(tmp_path: Path, capfd) -> None:
    code, out, _ = leave(capfd, "when", "--series", series(tmp_path, "flat", swing=1), "--duration", "4h", "--at", AT)
    assert code == 0
    assert "flat: start now; waiting is expected to save 0.76 %, and below 3 % it is not worth it" in out


def test_what_came_may_be_worse_than_what_was_expected(tmp_path: Path, capfd) -> None:
    path = series(tmp_path, "turned")
    head, *rows = path.read_text("utf-8").splitlines()
    after = [f"{row.partition(',')[0]},{400 - float(row.partition(',')[2])}" for row in rows if row >= AT]
    path.write_text("\n".join([head, *(row for row in rows if row < AT), *after]) + "\n", "utf-8")
    code, out, _ = leave(capfd, "when", "--series", path, "--duration", "4h", "--at", AT)
    assert code == 0
    assert re.search(r"it came +142 g CO2e/kWh when started at once, 295 as chosen: 110 % more", out)


def test_a_grid_at_0_is_shown_without_a_share(tmp_path: Path, capfd) -> None:
    path = series(tmp_path, "free", level=0, swing=0)
    path.write_text(path.read_text("utf-8").replace("g_per_kwh", "marginal_g_per_kwh"), "utf-8")
    code, out, _ = leave(capfd, "when", "--series", path, "--duration", "4h", "--at", AT)
    assert code == 0
    assert "it came    0 g CO2e/kWh when started at once\n" in out


def test_a_deadline_without_a_choice_and_a_long_one(tmp_path: Path, capfd) -> None:
    words = ("when", "--series", series(tmp_path, "sunny"), "--at", AT, "--duration", "100h", "--deadline")
    assert "nothing could have been saved in the year before: the deadline leaves no choice" in leave(capfd, *words, "100h")[1]
    assert "hour by hour from Wed 1 Feb" in leave(capfd, *words, "120h")[1]
    assert ", the first 72 of 120" in leave(capfd, *words, "120h")[1]


def test_a_job_gives_its_series_and_its_length(tmp_path: Path, capfd) -> None:
    series(tmp_path, "sunny")
    job = write_tiny_job(tmp_path, search="{budget: 2 h}")
    job.write_text(job.read_text().replace("deploy: {", "deploy: {grid: {series: sunny.csv, signal: marginal}, "))
    code, out, _ = leave(capfd, "when", job, "--at", AT)
    assert code == 0
    assert "expected over the job, marginal" in out
    assert "2 h of work (the search budget of the job)" in out


def test_the_last_run_says_how_long_a_job_takes(tiny_study: TinyStudy, tmp_path: Path) -> None:
    from paredown.study.jobfile import read_job

    took_s = json.loads((tiny_study.folder / "result.json").read_text())["search"]["wall_s"]
    found = timing.when(read_job(tiny_study.job), [series(tmp_path, "sunny")], deadline="24h", at=AT, study=tiny_study.folder)
    assert (found.duration_s, found.duration_from) == (took_s, "what the last run of the study took")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--duration", "4h"), r"no intensity series is known\.\n  Give `--series FILE`, or write `deploy: \{grid: \{series: FILE\}\}`"),
        (("--series", "FILE"), r"how long the job takes is not known\.\n  Give `--duration 2h`"),
        (("--series", "FILE", "--duration", "4"), r"--duration is '4'; it needs a unit"),
        (("--series", "FILE", "--duration", "4h", "--deadline", "soon"), r"--deadline is 'soon'; it needs a number with its unit"),
        (("--series", "FILE", "--duration", "4h", "--deadline", "2h"), r"a job of 4 h does not end within a deadline of 2 h"),
        (("--series", "FILE", "--duration", "4h", "--at", "2023-02-01T02:00"), r"--at is '2023-02-01T02:00'; it does not say its offset"),
        (("--series", "FILE", "--duration", "4h", "--at", "noon"), r"--at is 'noon'; it is no time"),
        (
            ("--series", "FILE", "--duration", "4h"),
            r"FILE ends at 2023-02-10T00:00Z; .* or try a time within the series with `--at`|sunny\.csv",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_said(words: tuple[str, ...], said: str, tmp_path: Path, capfd) -> None:
    file = str(series(tmp_path, "sunny"))
    code, _, err = leave(capfd, "when", *(file if word == "FILE" else word for word in words))
    assert code == 2
    assert re.search(said, err), err


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self, now: datetime) -> None:
        self.now_s = now.timestamp()
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now_s

    def sleep(self, time_s: float) -> None:
        self.slept.append(time_s)
        self.now_s += time_s


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Clock]:
    """A job with a sunny grid up to now, which is two in the morning; time passes only by sleeping."""
    monkeypatch.setenv("TZ", "UTC")
    series(tmp_path, "sunny", days=31)
    job = write_tiny_job(tmp_path, search=ONE_RECIPE[:-1] + ", budget: 2 h}")
    job.write_text(job.read_text().replace("deploy: {", "deploy: {grid: {series: sunny.csv}, "))
    clock = Clock(START + timedelta(days=31, hours=2))
    monkeypatch.setattr(timing, "time", clock)
    return job, clock


def test_a_run_waits_for_its_time_and_the_study_says_so(waiting: tuple[Path, Clock], tmp_path: Path, capfd, monkeypatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    job, clock = waiting
    began_s = clock.now_s
    code, _, err = leave(capfd, "run", job, "--study", tmp_path / "study", "--wait-for-low-carbon", "12h")
    assert code == 0
    assert clock.now_s - began_s == 9 * 3600
    assert max(clock.slept) <= timing.PATIENCE_S
    assert "waiting until Wed 1 Feb 11:00 UTC" in err
    notes = json.loads((tmp_path / "study" / "result.json").read_text())["notes"]
    assert any(note.startswith("Waited 9 h for low carbon: sunny, 280 g CO2e/kWh when started at once, 100 then") for note in notes), notes


@pytest.mark.parametrize(("set_s", "waited"), [(5 * 3600, "4 h"), (-5 * 3600, "9 h")])
def test_a_clock_that_is_set_while_waiting_holds_nothing_up_and_is_said(
    waiting: tuple[Path, Clock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_s: float, waited: str
) -> None:
    _, clock = waiting
    found = timing.when(None, [series(tmp_path, "sunny", days=31)], duration="2h", deadline="12h")
    sleep = clock.sleep

    def jump(time_s: float) -> None:
        sleep(time_s)
        if len(clock.slept) == 1:
            clock.now_s += set_s

    monkeypatch.setattr(clock, "sleep", jump)
    said = timing.wait(found.best, lambda what, done, total: None)
    assert said.startswith(f"Waited {waited} for low carbon")
    assert said.endswith(f"This machine's clock was set by {set_s:+d} s meanwhile.")


def test_nothing_is_waited_for_on_a_flat_grid(waiting: tuple[Path, Clock], tmp_path: Path) -> None:
    _, clock = waiting
    found = timing.when(None, [series(tmp_path, "flat", swing=1, days=31)], duration="4h", deadline="24h")
    said = timing.wait(found.best, lambda what, done, total: None)
    assert said.startswith("Started without waiting for low carbon, because nothing much lower was expected: flat, 200 g CO2e/kWh")
    assert clock.slept == []


def test_ctrl_c_while_waiting_loses_nothing_and_says_how_to_go_on(waiting: tuple[Path, Clock], tmp_path: Path, capfd, monkeypatch) -> None:
    job, clock = waiting

    def pressed(time_s: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(clock, "sleep", pressed)
    code, out, err = leave(capfd, "run", job, "--study", tmp_path / "study", "--wait-for-low-carbon")
    assert (code, out) == (130, "")
    assert f"go on with `paredown run {job} --study {tmp_path / 'study'} --wait-for-low-carbon 24h`" in err
    assert not (tmp_path / "study").exists()
