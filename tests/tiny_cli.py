"""Running commands in this process, and in one where packages of the extras are not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from paredown.__main__ import main

HEAVY = ("torch", "sklearn", "onnx", "safetensors", "pydantic", "sqlalchemy")

_REFUSE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
"""


def leave(capfd: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Run a command in this process: exit code, stdout, stderr."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    out, err = capfd.readouterr()
    return int(left.value.code or 0), out, err


def bare(*words: object, absent: tuple[str, ...] = HEAVY) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that cannot import what the base install lacks, nor the study's database; or what `absent` names."""
    code = f"ABSENT = {absent!r}" + _REFUSE + "from paredown.__main__ import main\nmain(sys.argv[1:])"
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)


def bare_script(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a script file in such a process."""
    code = f"ABSENT = {HEAVY!r}" + _REFUSE + "import runpy\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
