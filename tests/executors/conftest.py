"""Verbs in a module that only the worker can import."""

from __future__ import annotations

from pathlib import Path

import pytest

VERBS = """
import ctypes, os, signal, subprocess, sys, time


def add(state, a, b):
    return a + b


def remember(state, word=None):
    if word is not None:
        state["word"] = word
    return state.get("word")


def talk(state):
    print("from python", flush=True)
    os.write(1, b"from the file descriptor\\\\n")
    subprocess.run(["echo", "from a child"])
    sys.stderr.write("from stderr\\\\n")
    return "heard"


def wait(state, seconds):
    time.sleep(seconds)


def spin(state, seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return seconds


def fill(state, megabytes):
    state["full"] = b"x" * (megabytes << 20)
    time.sleep(30)


def count(state, to):
    for done in range(1, to + 1):
        state["progress"](done, to)
        time.sleep(0.01)
    return to


def burst(state):
    state["progress"](1, 1)
    state["progress"](2, 2)
    return "at once"


def fail(state, name, message):
    from paredown.core import errors
    raise getattr(errors, name)(message)


def lack(state):
    from paredown.core.errors import MissingExtra
    raise MissingExtra("torch", "compress", "this verb")


def no_memory(state):
    raise MemoryError


def bug(state):
    return {}["no such key"]


def leave(state, code):
    sys.stderr.write("last words\\\\n")
    sys.stderr.flush()
    os._exit(code)


def shoot(state, name):
    os.kill(os.getpid(), getattr(signal, name))
    time.sleep(30)


def segfault(state):
    ctypes.string_at(0)


def variable(state, name):
    return os.environ.get(name)
"""


@pytest.fixture(scope="session")
def verbs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the module `pare_verbs`."""
    folder = tmp_path_factory.mktemp("verbs")
    (folder / "pare_verbs.py").write_text(VERBS.replace("\\\\n", "\\n"))
    return folder
