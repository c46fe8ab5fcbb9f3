"""`paredown check`: exit codes, findings, and that a later policy is called post hoc."""

from __future__ import annotations

import json

import pytest

from tiny_cli import leave
from tiny_study import TinyStudy

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
