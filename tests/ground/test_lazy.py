"""What is not installed is said with the line that installs it; what is broken inside is not passed off as not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paredown.core.errors import BadModel, MissingExtra
from paredown.ground import lazy
from paredown.ground.lazy import need, refuse_standard, resolve, standard


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
need("paredown.modelkit.trainer", "training the baseline")
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


def test_resolve_finds_what_a_dotted_name_names() -> None:
    assert resolve("pathlib:Path", "model") is Path


@pytest.mark.parametrize(
    ("dotted", "message"),
    [
        ("pathlib.Path", r"model: 'pathlib\.Path' is not a dotted name\.\n  Write `package\.module:function`\."),
        (":Path", "model: ':Path' is not a dotted name"),
        ("pathlib:", "model: 'pathlib:' is not a dotted name"),
        ("no_such_nets:build", r"model: no module 'no_such_nets' \(for 'no_such_nets:build'\)\.\n  It is looked up beside the job file"),
        ("pathlib:Paht", r"model: module 'pathlib' has no 'Paht'\."),
    ],
)
def test_resolve_says_what_is_wrong(dotted: str, message: str) -> None:
    with pytest.raises(BadModel, match=message):
        resolve(dotted, "model")


@pytest.mark.parametrize(
    "dotted", ["os:system", "builtins:exec", "subprocess:run", "os.path:join", "importlib:import_module", "posix:system"]
)
def test_what_is_of_python_s_own_library_is_refused_unimported(tmp_path: Path, dotted: str) -> None:
    with pytest.raises(BadModel, match=rf"model: '{dotted}' is of Python's own library, .*\n  Name a module beside the job file"):
        refuse_standard(dotted, tmp_path, "model")


def test_a_file_of_the_user_s_is_meant_where_python_s_own_is_not_in_use(tmp_path: Path) -> None:
    for name in ("os", "turtledemo", "nets"):
        (tmp_path / f"{name}.py").touch()
    assert "turtledemo" not in sys.modules
    assert [standard(f"{name}:build", tmp_path) for name in ("os", "turtledemo", "nets", "torch.nn")] == [True, False, False, False]
    assert standard("turtledemo:build", tmp_path / "elsewhere")


def test_beside_a_job_its_own_modules_count_and_as_they_are_now(tmp_path: Path) -> None:
    """Two jobs in one process with modules of one name, and a helper that is edited between two runs."""
    for job, number in (("one", 1), ("two", 2)):
        (tmp_path / job).mkdir()
        (tmp_path / job / "pare_cost.py").write_text("from pare_rate import RATE\n\n\ndef cost():\n    return RATE\n")
        (tmp_path / job / "pare_rate.py").write_text(f"RATE = {number}\n")

    def cost(job: str) -> int:
        with lazy.beside(tmp_path / job):
            found = lazy.resolve("pare_cost:cost", "metric")
        return int(found())

    assert [cost("one"), cost("two"), cost("one"), cost("one")] == [1, 2, 1, 1]
    (tmp_path / "one" / "pare_rate.py").write_text("RATE = 3  # dearer\n")
    assert cost("one") == 3
    assert str(tmp_path / "one") not in sys.path
