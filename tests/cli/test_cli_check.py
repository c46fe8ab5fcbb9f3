"""`paredown check`: exit codes, findings, and that a later policy is called post hoc."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_cli import leave
from tiny_study import TinyStudy, rebind

POLICIES = {"1 GB": 0, "1 kB": 1}


@pytest.mark.parametrize("limit", POLICIES)
def test_the_exit_code_follows_the_policy(tiny_study: TinyStudy, tmp_path, capfd, limit: str) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"rules: [{{size: {{max: {limit}}}}}]\n")
    code, out, err = leave(capfd, "check", tiny_study.folder, "--policy", policy)
    assert code == POLICIES[limit]
    assert out.startswith("fail: quantize" if code else "pass: quantize")
    assert f"allowed at most {limit}" in out
    assert "Post hoc" in err


def test_the_run_s_own_policy_is_not_post_hoc_and_what_rows_cannot_show_exits_3(tiny_study: TinyStudy, tmp_path, capfd) -> None:
    code, out, err = leave(capfd, "check", tiny_study.folder)
    assert (code, err) == (0, "")
    assert "allowed 5 %" in out
    policy = tmp_path / "sharp.yaml"
    policy.write_text("rules: [{quality: {drop: 0.01 %}}]\n")
    code, out, _ = leave(capfd, "check", tiny_study.folder, "--policy", policy, "--json")
    assert code == 3
    (finding,) = json.loads(out)["findings"]
    assert (finding["outcome"], finding["blocks"]) == ("inconclusive", True)


def test_a_policy_that_is_not_there(tiny_study: TinyStudy, capfd) -> None:
    code, _, err = leave(capfd, "check", tiny_study.folder, "--policy", "frugall")
    assert code == 2
    assert "Did you mean 'frugal'?" in err


EVIL = "open({ran!r}, 'a').write(__name__ + chr(10))\ndef f(labels, answers):\n    return 1.0\n"


def test_nothing_is_imported_from_where_it_stands_or_from_what_a_study_names(tiny_study: TinyStudy, tmp_path) -> None:
    study = shutil.copytree(tiny_study.folder, tmp_path / "study")
    lock = study / "job.lock.yaml"
    lock.write_text(lock.read_text().replace("metric: accuracy", "metric: evilmod:f"))
    rebind(study)
    ran = tmp_path / "ran"
    for name in ("evilmod", "click", "numpy", "rich", "ruamel"):
        (tmp_path / f"{name}.py").write_text(EVIL.format(ran=str(ran)))
    script = Path(sys.executable).with_name("paredown")
    for words in ([sys.executable, "-m", "paredown"], [str(script)]):
        done = subprocess.run([*words, "check", "study", "--policy", "edge"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode in (1, 3), done.stderr
        assert "The metric evilmod:f is code of the job, which `paredown check` does not run" in done.stderr
    assert not ran.exists()


@pytest.mark.slow
@pytest.mark.parametrize("words", ["verify", "show", "whatif", "export", "report"])
def test_no_command_that_reads_imports_from_where_it_stands(tiny_study: TinyStudy, tmp_path, words: str) -> None:
    shutil.copytree(tiny_study.folder, tmp_path / "study")
    ran = tmp_path / "ran"
    for name in ("evilmod", "click", "numpy", "rich", "ruamel"):
        (tmp_path / f"{name}.py").write_text(EVIL.format(ran=str(ran)))
    subprocess.run([sys.executable, "-m", "paredown", words, "study"], cwd=tmp_path, capture_output=True, check=True)
    assert not ran.exists()
