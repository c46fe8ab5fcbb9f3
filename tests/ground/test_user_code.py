"""A user's own code is told from all other, read before it runs, and looked up beside the job."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from job_sources import SOURCES, write
from paredown.core.errors import BadModel
from paredown.ground import user_code
from paredown.ground.user_code import refuse_standard, resolve, standard


def test_sources_say_what_a_module_imports_before_it_runs(tmp_path: Path) -> None:
    write(tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in user_code.sources("net_a", tmp_path)}
    assert found == set(SOURCES) - {"unused_a.py", "broken_a.py", "dynamic_a.py"}
    (tmp_path / "named.py").write_text("from importlib import import_module\nimport_module('dynamic_a')\n__import__('broken_a')\n")
    assert [path.name for path in user_code.sources("named", tmp_path)] == ["broken_a.py", "dynamic_a.py", "named.py"]
    assert user_code.sources("pkg_a.sub.deep", tmp_path)[0] == tmp_path / "pkg_a/__init__.py"
    assert user_code.sources("json", tmp_path) == user_code.sources("no.such", tmp_path) == []


def test_installed_modules_are_not_the_users() -> None:
    assert user_code.is_own(sys.modules[__name__])
    assert not any(user_code.is_own(module) for module in (np, json, user_code, pytest, None))


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
        with user_code.beside(tmp_path / job):
            found = resolve("pare_cost:cost", "metric")
        return int(found())

    assert [cost("one"), cost("two"), cost("one"), cost("one")] == [1, 2, 1, 1]
    (tmp_path / "one" / "pare_rate.py").write_text("RATE = 3  # dearer\n")
    assert cost("one") == 3
    assert str(tmp_path / "one") not in sys.path
