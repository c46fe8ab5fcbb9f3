"""CPU time of this process and of those it started, the running ones too."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True, kw_only=True)
class TreeTime:
    """CPU seconds so far, user and system.

    Args:
        own_s: Of all threads of this process.
        children_s: Of its children, theirs included, waited for or running.
        seen: False where the kernel does not say which children run, so that only those waited for are in.
    """

    own_s: float
    children_s: float = 0.0
    seen: bool = True

    def since(self, before: TreeTime) -> float:
        """CPU seconds between two readings; a child that went without being waited for takes its time with it, never below 0."""
        return max(0.0, self.own_s - before.own_s) + max(0.0, self.children_s - before.children_s)


def tree_time(children: bool = True, own: bool = True, root: Path = Path("/")) -> TreeTime:
    """Read the clocks.

    Args:
        children: False leaves them out.
        own: False leaves this process out.
        root: Folder that holds `proc`.

    A running child is counted in the kernel's ticks of 10 ms, all else in microseconds or finer.
    """
    own_s = time.process_time() if own else 0.0
    if not children:
        return TreeTime(own_s=own_s)
    try:
        import resource
    except ImportError:  # not on Windows
        return TreeTime(own_s=own_s, seen=False)
    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    here = str(root) == "/"
    running_s = 0.0 if here and _childless() else _running_s(f"{'' if here else root}/proc", "self")
    return TreeTime(own_s=own_s, children_s=waited.ru_utime + waited.ru_stime + (running_s or 0.0), seen=running_s is not None)


def _childless() -> bool:
    """True where no child is there, running or not waited for: one call, where a look at all threads takes microseconds for each."""
    if not hasattr(os, "waitid"):
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def _running_s(proc: str, pid: str) -> float | None:
    """CPU seconds of all that runs below a process; None where the kernel does not list children."""
    try:
        threads = os.listdir(f"{proc}/{pid}/task")
        children = [child for thread in threads for child in _text(f"{proc}/{pid}/task/{thread}/children").split()]
    except OSError:
        return None
    return sum(_spent_s(proc, child) + (_running_s(proc, child) or 0.0) for child in children)


def _text(path: str) -> str:
    """Content of a file of a thread; empty when the thread has gone meanwhile."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        if os.path.exists(os.path.dirname(path)):
            raise
        return ""
    try:
        return b"".join(iter(lambda: os.read(handle, 1 << 16), b"")).decode()
    except ProcessLookupError:  # it went after it was opened
        return ""
    finally:
        os.close(handle)


def _spent_s(proc: str, pid: str) -> float:
    """CPU seconds of a process and of the children that it waited for; 0 when it has gone meanwhile."""
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS
