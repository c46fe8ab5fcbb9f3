"""Running code in a plain process that is watched: no test runner, no CI, a fresh home, and nobody whom it may reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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


_EVERY_PROCESS = """
import os, sys

def note(*words):
    with open(os.environ["WATCH_LOG"], "a") as out:
        print(os.getpid(), *words, file=out)

def hook(event, arguments):
    if not event.startswith("socket.") or event in ("socket.__new__", "socket.gethostname"):
        return
    if len(arguments) > 1 and isinstance(arguments[1], (str, bytes)):
        return  # a socket file of this machine
    note("REACHED OUT", event, arguments[1:])

sys.addaudithook(hook)
note("runs", sys.argv[0])
"""
_NO_ROUTE = "OutNoRoutes"
_APART = 'ip link set lo up 2>/dev/null; "$@"; code=$?; grep ^Ip: /proc/net/snmp > "$WATCH_LOG.routes"; exit $code'


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What the processes of a command tried to reach.

    Args:
        done: The command's end.
        processes: How many Python processes ran.
        calls: One line for each network call or name look-up that Python made in any of them.
        packets: Packets that any process tried to send off the machine, native code included; None where no network could be taken away.
    """

    done: subprocess.CompletedProcess[str]
    processes: int
    calls: Sequence[str]
    packets: int | None


def reached(folder: Path, *words: object) -> Reached:
    """Run Python in a plain process without test runner, CI or network, with a fresh home, and see whom it and its children try to reach.

    Args:
        folder: An existing folder that it works in.
        words: The arguments of the interpreter.
    """
    hooks, log, home = folder / "hooks", folder / "watch.log", folder / "home"
    for place in (hooks, home):
        place.mkdir(exist_ok=True)
    (hooks / "sitecustomize.py").write_text(_EVERY_PROCESS)
    path = os.pathsep.join([str(hooks), *filter(None, sys.path)])
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": path, "WATCH_LOG": str(log)}
    command = [*_without_network(), sys.executable, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    lines = log.read_text().splitlines()
    routes = Path(f"{log}.routes")
    packets = None
    if routes.is_file():
        names, values = (line.split() for line in routes.read_text().splitlines())
        packets = int(values[names.index(_NO_ROUTE)])
    return Reached(
        done=done,
        processes=len({line.split()[0] for line in lines}),
        calls=[line for line in lines if "REACHED OUT" in line],
        packets=packets,
    )


def _without_network() -> list[str]:
    """A command that runs another one with no way off the machine; nothing where the system does not allow it."""
    for flags in ("-n", "-rn"):
        if shutil.which("unshare") and subprocess.run(["unshare", flags, "true"], capture_output=True, check=False).returncode == 0:
            return ["unshare", flags, "sh", "-c", _APART, "sh"]
    return []
