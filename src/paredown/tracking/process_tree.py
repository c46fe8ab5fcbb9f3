"""CPU time of this process and of those it started, the running ones too."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_ROUNDED_S = 2 / _TICKS  # user and system time of a running process are each cut to a tick

_LOST = "a process below it ended and nobody waited for it: what it took since it was last seen is not in the CPU time, a lower bound"
_DOUBTFUL = (
    "processes below it ended together with those that had started them: where nobody waited for them, the CPU time is a lower bound"
)
_IGNORED = "SIGCHLD is ignored, so that a child that ends takes its time with it: the CPU time is a lower bound where there were children"

Key = tuple[str, str]
"""A process: its id, which is used again, and when it began, in ticks since the machine's start."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """CPU seconds of a process that runs: its own, and those of the children that it waited for.

    Args:
        above: The process that started it; None when that is the one that looks.
    """

    own_s: float
    waited_s: float
    above: Key | None = None

    @property
    def all_s(self) -> float:
        return self.own_s + self.waited_s


@dataclass(frozen=True, kw_only=True)
class TreeTime:
    """CPU seconds so far, user and system.

    Args:
        own_s: Of all threads of this process.
        children_s: Of its children, theirs included, waited for or running.
        running: Those of them that run.
        seen: False where the kernel does not say which children run, so that only those waited for are in.
        reaped: False while SIGCHLD is ignored: then the kernel throws the time of a child away when it ends.
    """

    own_s: float
    children_s: float = 0.0
    running: Mapping[Key, Spent] = field(default_factory=dict)
    seen: bool = True
    reaped: bool = True

    @property
    def _waited_s(self) -> float:
        """What those that run, and this process, have of children that ended."""
        return self.children_s - sum(each.own_s for each in self.running.values())

    def since(self, before: TreeTime) -> float:
        """CPU seconds between two readings."""
        return max(0.0, self.own_s - before.own_s) + self.below_s(before)[0]

    def below_s(self, before: TreeTime) -> tuple[float, tuple[str, ...]]:
        """CPU seconds of the children between two readings, and what makes them a lower bound, one sentence each.

        The time of one that ended stands with whoever waited for it. Where nobody did, because its parent had ended or SIGCHLD is ignored,
        it went with the process, and is not taken from what the others took.
        """
        gone = {key: spent for key, spent in before.running.items() if key not in self.running}
        left_s = self._waited_s - before._waited_s + sum(spent.waited_s for spent in gone.values())
        lost_s = doubtful_s = 0.0
        for spent in sorted(gone.values(), key=lambda each: (each.above in gone, each.all_s)):
            if spent.all_s > left_s + _ROUNDED_S or (spent.above is None and not self.reaped):
                lost_s += spent.all_s
                continue
            left_s -= spent.all_s
            doubtful_s += spent.all_s if spent.above in gone else 0.0
        said = (_LOST if lost_s else "", _DOUBTFUL if doubtful_s > _ROUNDED_S * len(gone) else "", "" if self.reaped else _IGNORED)
        return max(0.0, self.children_s - before.children_s + lost_s), tuple(filter(None, said))


def tree_time(children: bool = True, own: bool = True, root: Path = Path("/"), known: Mapping[Key, Spent] | None = None) -> TreeTime:
    """Read the clocks.

    Args:
        children: False leaves them out.
        own: False leaves this process out.
        root: Folder that holds `proc`.
        known: Processes that were below this one before; one that still runs is below it as ever, also where its parent has ended.

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
    proc = f"{'' if str(root) == '/' else root}/proc"
    found: dict[Key, Spent] | None = {}
    if not (str(root) == "/" and _childless()):
        try:
            found = dict(_running(proc, "self", None))
        except OSError:
            found = None
    for key, spent in (known or {}).items():
        if found is not None and key not in found and (again := _spent(proc, key[0], spent.above)) and again[0] == key:
            found |= {key: again[1], **dict(_running(proc, key[0], key))}
    running = found or {}
    return TreeTime(
        own_s=own_s,
        children_s=waited.ru_utime + waited.ru_stime + sum(spent.all_s for spent in running.values()),
        running=running,
        seen=found is not None,
        reaped=signal.getsignal(signal.SIGCHLD) is not signal.SIG_IGN,
    )


@cache
def processes() -> tuple[str, ...]:
    """This process and those above it, as "id@ticks"; empty where the kernel does not tell."""
    found, pid = [], "self"
    while fields := _stat("/proc", pid):  # there is no process 0
        found.append(f"{fields[0]}@{fields[20]}")
        pid = fields[2]
    return tuple(found)


def _childless() -> bool:
    """True where no child is there, running or not waited for: one call, where a look at all threads takes microseconds for each."""
    if not hasattr(os, "waitid"):
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def _running(proc: str, pid: str, above: Key | None) -> Iterator[tuple[Key, Spent]]:
    """All that runs below a process; OSError where the kernel does not list children, nothing where the process has gone meanwhile."""
    try:
        threads = os.listdir(f"{proc}/{pid}/task")
        children = [child for thread in threads for child in _text(f"{proc}/{pid}/task/{thread}/children").split()]
    except OSError:
        if above is None:
            raise
        return
    for child in children:
        if found := _spent(proc, child, above):
            yield found
            yield from _running(proc, child, found[0])


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


def _spent(proc: str, pid: str, above: Key | None) -> tuple[Key, Spent] | None:
    """A process and what it took so far; None when it has gone meanwhile."""
    fields = _stat(proc, pid)
    if not fields:
        return None
    user, system, waited_user, waited_system = map(int, fields[12:16])
    spent = Spent(own_s=(user + system) / _TICKS, waited_s=(waited_user + waited_system) / _TICKS, above=above)
    return (fields[0], fields[20]), spent


def _stat(proc: str, pid: str) -> list[str]:
    """Fields of a process: its id, then those behind its name from the state on; empty when it has gone."""
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as file:
            head, _, tail = file.read().rpartition(")")
    except OSError:
        return []
    return [head.partition(" ")[0], *tail.split(), ""]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=processes.cache_clear)
