"""What a start loads. The time itself is proven in benchmarks/startup.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from house_tree import write

HEAVY = {"numpy", "torch", "pydantic", "sqlalchemy", "onnxruntime", "onnx", "sklearn", "rich", "ruamel"}


def loaded(code: str, path: Path | None = None) -> set[str]:
    """Names of all modules in a fresh interpreter after `code`, which must print nothing."""
    tail = "\nimport sys; sys.stdout.write('\\n'.join(['', '#modules', *sys.modules]))"
    env = {"PYTHONPATH": str(path)} if path else {}
    out = subprocess.run([sys.executable, "-c", code + tail], env=env, check=True, capture_output=True, text=True).stdout
    return set(out.partition("#modules\n")[2].splitlines())


HELP = "from paredown.__main__ import paredown\ntry:\n    paredown.main(['--help'])\nexcept SystemExit:\n    pass"


def test_import_paredown_is_light() -> None:
    found = loaded("import paredown")
    assert found & HEAVY == set()
    assert {name for name in found if name.startswith("paredown.")} == set()


def test_help_imports_no_command_and_nothing_heavy() -> None:
    found = loaded(HELP)
    assert found & HEAVY == set()
    assert {name for name in found if name.startswith("paredown.")} == {
        "paredown.cli",
        "paredown.core",
        "paredown.core.errors",
        "paredown.__main__",
    }


def test_help_loads_few_modules() -> None:
    more = loaded(HELP) - loaded("pass")
    assert len(more) < 160, sorted(more)


def test_an_artifact_is_loaded_without_ledger_and_documents() -> None:
    assert loaded("import paredown.artifact.load") & {"torch", "pydantic", "sqlalchemy", "onnx", "sklearn"} == set()


def test_the_check_can_fail(tmp_path: Path) -> None:
    write(tmp_path / "heavy_package", __init__="import numpy")
    assert "numpy" in loaded("import heavy_package", tmp_path)
