"""`paredown apply`: one recipe, and plain words that it is not confirmed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tiny_cli import leave
from tiny_study import TinyStudy, shorten


@pytest.fixture
def copy(tiny_study: TinyStudy, tmp_path: Path, monkeypatch) -> Path:
    """The study's folder, to go on in."""
    shorten(monkeypatch, tmp_path / "state")
    return Path(shutil.copytree(tiny_study.folder, tmp_path / "study"))


def test_a_recipe_is_built_shown_and_not_called_confirmed(copy: Path, tiny_study: TinyStudy, capfd) -> None:
    recipe = "quantize_dynamic() @ onnxruntime"
    code, out, err = leave(capfd, "apply", recipe, tiny_study.job, "--study", copy)
    assert code == 0
    assert re.match(r"quantize_dynamic\(\) @ onnxruntime\(threads=\d\)\n", out)
    assert "not confirmed on test" in out
    assert "validation rows" in out
    assert any(line.startswith("drop") and "% confidence" in line for line in out.splitlines())
    assert f"artifact: {copy / 'applied'}" in out
    assert (copy / "applied" / "predict.py").is_file()
    assert "building quantize_dynamic()" in err
    found = json.loads(leave(capfd, "apply", recipe, tiny_study.job, "--study", copy, "--json")[1])
    assert found["confirmed"] is False
    assert set(found["trial"]["ratios"]) >= {"cpu_time", "size"}


def test_what_cannot_be_built_exits_6_and_what_makes_no_sense_2(copy: Path, tiny_study: TinyStudy, capfd) -> None:
    code, _, err = leave(capfd, "apply", "prune_channels() @ onnxruntime", tiny_study.job, "--study", copy)
    assert code == 6
    assert "could not be built: prune_channels works on a model in torch form" in err
    for recipe, message in (
        ("quantize_dynamic() @ onnxruntim", "Did you mean 'onnxruntime'?"),
        ("quantize_dynamic(", "column 18"),
        ("quantize_dynamic(bits=4) @ onnxruntime", "bits"),
    ):
        code, _, err = leave(capfd, "apply", recipe, tiny_study.job, "--study", copy)
        assert (code, message in err) == (2, True), err
