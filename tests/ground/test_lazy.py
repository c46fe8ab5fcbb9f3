"""What is not installed is said with the line that installs it; what is broken inside is not passed off as not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paredown.core.errors import MissingExtra
from paredown.ground.lazy import need


def test_need_imports_submodules() -> None:
    assert need("json.decoder", "a test") is sys.modules["json.decoder"]


def test_an_absent_package_is_named_as_the_index_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtra, match=r"^cutting needs the package onnxscript, .*\n  Run `pip install 'paredown\[compress\]'`\.$"):
        need("onnxscript", "cutting")
    with pytest.raises(MissingExtra, match=r"x needs the package no_such_engine, .*\n.*paredown\[all\]"):
        need("no_such_engine.inner", "x")


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from paredown.ground.lazy import need
need("paredown.training.trainer", "training the baseline")
"""


def test_our_own_module_without_its_package_is_a_missing_extra() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False)
    assert "MissingExtra: training the baseline needs the package torch, which is not installed.\n  Run `pip install" in done.stderr


def test_a_broken_package_is_not_called_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_installed.py").write_text("import its_own_lost_dependency\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="its_own_lost_dependency"):
        need("half_installed", "a test")
    with pytest.raises(ModuleNotFoundError, match=r"paredown\.no_such_file"):
        need("paredown.no_such_file", "a test")
