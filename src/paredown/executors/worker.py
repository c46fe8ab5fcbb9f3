"""The process that carries out work orders: one JSON line in, progress lines and one answer line out.

An order is {"verb": "package.module:function", "arguments": {...}}. The function gets `state`, a dict that lives as long as the worker, and
the arguments; what it returns is the answer, with what was read of the user's meanwhile. Whatever it prints goes to the log, not into the
protocol. The worker dies with its parent.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from typing import Any, TextIO

from paredown.ground import opened_files
from paredown.ground.files import cannot_write, no_room
from paredown.ground.lazy import hush

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends (Linux); elsewhere the closed pipe ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def carry_out(order: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """Run one order; errors become an answer too.

    Args:
        order: {"verb", "arguments"}.
        state: Kept from order to order; `state["progress"]` takes (done, total).

    Returns:
        {"ok": result, "cpu_s": seconds} or {"error": {"type", "message", "trace"}, "cpu_s": seconds}.
    """
    before = time.process_time()
    try:
        module, _, name = order["verb"].partition(":")
        verb = getattr(importlib.import_module(module), name)
        answer: dict[str, Any] = {"ok": verb(state, **order["arguments"])}
    except (Exception, SystemExit) as raised:  # code of the user's may call sys.exit
        error = cannot_write(getattr(raised, "filename", None) or _fullest(order["arguments"]), raised) if no_room(raised) else raised
        answer = {"error": {"type": type(error).__name__, "message": str(error), "trace": traceback.format_exc()}}
    answer["cpu_s"] = time.process_time() - before
    return answer


def _fullest(arguments: dict[str, Any]) -> str:
    """Of the folders that an order names, and the one for temporary files, the one whose disk has the least room."""
    named = [value for value in ({**arguments, **arguments.get("build_spec", {})}).values() if isinstance(value, str)]
    folders = [folder for value in named for folder in (value, os.path.dirname(value)) if os.path.isdir(folder)]
    return min([*folders, tempfile.gettempdir()], key=lambda folder: shutil.disk_usage(folder).free)


def serve(orders: TextIO, answers: TextIO) -> None:
    """Carry out orders until the pipe closes."""
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last > 0.2:
            last = now
            say({"progress": [done, total]})

    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    state: dict[str, Any] = {"progress": progress}
    say({"ready": os.getpid()})
    for line in orders:
        answer = carry_out(json.loads(line), state)
        say(answer | {"read": opened_files.taken()})


def main() -> None:
    """Keep the protocol's pipe apart from what libraries print, and what they would report to their makers at home."""
    die_with_parent(int(sys.argv[1]))
    if apart := sys.argv[2:3]:
        opened_files.watch(sys.argv[3:], *apart)
    hush()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        serve(sys.stdin, answers)
    except BrokenPipeError:
        os._exit(1)


if __name__ == "__main__":
    main()
