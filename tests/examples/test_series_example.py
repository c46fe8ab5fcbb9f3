"""The example of a series, on made-up hours."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from example_jobs import LOOSE, cut
from paredown.running.story import run
from tiny_study import shorten

BEIJING = "PRSA_data_2010.1.1-2014.12.31.csv"


def made_up_hours(first: datetime, count: int) -> list[str]:
    """Lines as in the file of Beijing; dust that comes and goes over days, some hours not measured."""
    draw, lines = np.random.default_rng(0), ["No,year,month,day,hour,pm2.5,DEWP,TEMP,PRES,cbwd,Iws,Is,Ir"]
    for at in range(count):
        dust = "NA" if at % 97 == 0 else round(90 + 60 * np.sin(at / 15) + 5 * draw.normal())
        weather = [
            *draw.integers(-20, 20, 2),
            1000 + draw.integers(0, 30),
            draw.choice(["NW", "NE", "SE", "cv"]),
            round(draw.random(), 2),
            0,
            0,
        ]
        when = first + timedelta(hours=at)
        lines.append(",".join(map(str, [at + 1, when.year, when.month, when.day, when.hour, dust, *weather])))
    return lines


@pytest.mark.slow
def test_the_series_runs_to_a_pass_and_answers_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    (tmp_path / "data").mkdir()
    lines = made_up_hours(datetime(2013, 5, 20), 6000)
    (tmp_path / "data" / BEIJING).write_text("\n".join(lines) + "\n")
    job = cut("beijing_pm25", tmp_path, LOOSE)
    result = run(replace(job, policy=replace(job.policy, minimize="cpu_time")), tmp_path / "study")  # another engine is all that is tried
    assert result.verdict == "pass"
    assert result.chosen is not None
    assert result.chosen["runtime"] == "onnxruntime"
    notes = " ".join(result.data["notes"])
    assert "On validation the last known value has mae " in notes
    (tmp_path / "rows.csv").write_text("\n".join([lines[0], *lines[-50:]]) + "\n")
    done = subprocess.run(
        [sys.executable, tmp_path / "study" / "artifact" / "predict.py", tmp_path / "rows.csv"], capture_output=True, text=True, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [len(answer) for answer in answers] == [3, 3, 3]  # 50 rows hold three windows of 48
    with result.load() as model:
        assert model.labels == ["pm2.5 +1", "pm2.5 +6", "pm2.5 +24"]
