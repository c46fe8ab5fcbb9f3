"""`paredown report`: written and shown again from result.json alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tiny_cli import leave
from tiny_study import TinyStudy


@pytest.fixture
def folder(tiny_study: TinyStudy, tmp_path: Path) -> Path:
    """A study of which only result.json is left."""
    shutil.copy(tiny_study.folder / "result.json", tmp_path)
    return tmp_path


def test_the_page_is_written_again_and_the_answer_shown(folder: Path, tiny_study: TinyStudy, capfd) -> None:
    code, out, _ = leave(capfd, "report", folder)
    assert code == 0
    assert "Pass" in out
    assert "quantize_dynamic() @" in out
    assert out.rstrip().endswith(f"report: {folder / 'report.html'}")
    assert (folder / "report.html").read_text() == (tiny_study.folder / "report.html").read_text()


def test_another_language_stands_beside(folder: Path, capfd) -> None:
    code, out, _ = leave(capfd, "report", folder, "--lang", "zh")
    assert code == 0
    assert "✓ 通过" in out
    assert out.rstrip().endswith(f"report: {folder / 'report.zh.html'}")
    assert '<html lang="zh">' in (folder / "report.zh.html").read_text("utf-8")
    assert not (folder / "report.html").exists()


def test_json_is_the_result_itself(folder: Path, capfd) -> None:
    code, out, err = leave(capfd, "report", folder, "--json")
    said = json.loads(out)
    assert said.pop("not_covered").startswith(f"not covered by evidence: {folder} has no folder `evidence`")
    assert (code, said) == (0, json.loads((folder / "result.json").read_text()))
    assert "result.json is not covered by evidence" in err
    assert "report.html" in err


def test_wrong_folder_wrong_language_and_a_damaged_result(folder: Path, capfd) -> None:
    code, _, err = leave(capfd, "report", folder, "--lang", "xx")
    assert (code, "no report language 'xx'" in err) == (2, True)
    code, _, err = leave(capfd, "report", folder / "none")
    assert (code, "none does not exist" in err) == (2, True)
    (folder / "result.json").write_text("{")
    code, _, err = leave(capfd, "report", folder)
    assert (code, "result.json is not JSON" in err) == (5, True)
