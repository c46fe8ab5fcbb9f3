"""`paredown export` on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import paredown
from tiny_cli import leave

ROOT = Path(__file__).parents[1]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "digits").mkdir()
    shutil.copy(ROOT / "report" / "digits.json", tmp_path / "digits" / "result.json")
    return tmp_path / "digits"


def test_a_study_goes_to_standard_output(study: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for out in ((), ("--out", "-")):
        code, text, err = leave(capfd, "export", str(study), "--format", "prometheus", *out)
        assert code == 0
        assert err.startswith("result.json is not covered by evidence: ")
        assert 'paredown_inference_energy_joules_total{model="digits chosen",kind="estimated",tier="T4"}' in text


def test_tracked_blocks_become_a_table(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with paredown.track("train", to=tmp_path / "took.jsonl"):
        pass
    code, text, err = leave(capfd, "export", str(tmp_path / "took.jsonl"), "--format", "csv", "--out", str(tmp_path / "took.csv"))
    assert (code, text) == (0, "")
    assert "1 record as csv in" in err
    assert (tmp_path / "took.csv").read_text().splitlines()[1].startswith("train,other,run,1,")


def test_json_says_what_was_written_and_where(study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _, text, _ = leave(capfd, "export", str(study), "--out", str(tmp_path / "all.json"), "--json")
    said = json.loads(text)
    assert said.pop("not_covered").startswith("not covered by evidence: ")
    assert said == {"format": "json", "records": 3, "file": str(tmp_path / "all.json")}
    _, text, _ = leave(capfd, "export", str(study), "--format", "csv", "--json")
    assert json.loads(text)["text"].startswith("subject,activity")


def test_codecarbon_goes_out_in_another_format(capfd: pytest.CaptureFixture[str]) -> None:
    code, text, _ = leave(capfd, "export", str(ROOT / "exports" / "emissions.csv"), "--format", "opentelemetry")
    assert code == 0
    assert "paredown.other.package_energy" in text


def test_mistakes_are_told(tmp_path: Path, study: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = leave(capfd, "export", str(study), "--format", "promeheus")
    assert (code, "no export 'promeheus'. Did you mean 'prometheus'?" in err) == (2, True)
    code, _, err = leave(capfd, "export", str(tmp_path / "none"))
    assert (code, "none is not there" in err) == (2, True)
    code, _, err = leave(capfd, "export", str(tmp_path))
    assert (code, "holds no study" in err) == (2, True)
    code, _, err = leave(capfd, "export", str(study), "--out", str(tmp_path / "no" / "file"))
    assert (code, "cannot write" in err) == (2, True)
