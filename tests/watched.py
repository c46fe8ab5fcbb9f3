"""Running code in a plain process that is watched: no test runner, no CI, a fresh home, and nobody whom it may reach."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WATCH = """
import runpy, sys

def hook(event, arguments):
    if event.startswith("socket.") and event != "socket.__new__" or event in ("os.fork", "subprocess.Popen"):
        print("REACHED OUT", event, arguments, file=sys.stderr)

sys.addaudithook(hook)

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"{name} is not here", name=name)

ABSENT = sys.argv.pop(1).split(",")
sys.meta_path.insert(0, Absent())
"""


def watched(home: Path, absent: str, code: str, *arguments: object) -> str:
    """What code prints in a plain process with a fresh home that no test runner or CI is known in; it must reach out to nobody."""
    home.mkdir()
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", WATCH + code, absent, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home, check=False)
    left = [str(path) for path in home.rglob("*") if path.is_file()]
    if done.returncode or left or "REACHED OUT" in done.stderr:
        raise AssertionError(f"exit code {done.returncode}, files left in a fresh home: {left}\n{done.stderr}")
    return done.stdout
