"""Work orders in processes of their own, with limits; a crash or out-of-memory costs the order, never the parent."""

from __future__ import annotations

import json
import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import paredown.core.errors as errors
from paredown.core.errors import LimitExceeded, ParedownError, WorkerDied
from paredown.ground import trust
from paredown.ground.host import host

_TICK_S = 0.2
_SEEN_S, _FAR_OVER = 3.0, 1.3  # seconds of progress from which the rest is foretold; times its limit that work may be foretold to take

READ_B_PER_S = 20e6
"""Bytes per second of the files that work reads, for limits on its wall time that hold for files of any size."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one order may take.

    Args:
        wall_s: Wall time in seconds; None is open.
        memory_b: Resident memory of the worker in bytes; None is open.
        by_budget: True where the wall time is what the job's budget leaves.
    """

    wall_s: float | None = None
    memory_b: float | None = None
    by_budget: bool = False

    def within(self, wall_s: float) -> Limits:
        """The same, and no more than the wall time that a budget leaves."""
        if wall_s >= (math.inf if self.wall_s is None else self.wall_s):
            return self
        return replace(self, wall_s=max(0.0, wall_s), by_budget=True)

    def exceeded(self, needed_s: float | None = None) -> LimitExceeded:
        """The error of work that took, or by its progress would take, more than this wall time.

        Args:
            needed_s: Wall seconds that it would take; None where that is not known.
        """
        whose, knob = ("the budget leaves for it", "budget: ...") if self.by_budget else ("one trial may take", "trial: {time: ...}")
        took = "took more than" if needed_s is None else f"would take about {needed_s:.0f} s, more than"
        return LimitExceeded(f"{took} the {_short(self.wall_s or 0.0)} s that {whose}; raise `search: {{{knob}}}`.", needed_s)


def _short(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"


_ROOM_B, _ARTIFACT_TIMES, _ROWS_TIMES, _OF_MEMORY = 8e9, 8, 256, 0.9


def room_for(artifact_b: int, rows_b: int) -> int:
    """Bytes that a process may take which answers rows: what no honest model needs, and at most nine tenths of the machine.

    Args:
        artifact_b: Bytes of its files.
        rows_b: Bytes of what is asked; packed numbers and what a network makes of them take many times that.
    """
    return int(min(_OF_MEMORY * host().memory_b, _ROOM_B + _ARTIFACT_TIMES * artifact_b + _ROWS_TIMES * rows_b))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an order gave.

    Args:
        value: The verb's result.
        cpu_s, wall_s: Spent on it, in seconds.
    """

    value: Any
    cpu_s: float
    wall_s: float


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Called while an order runs, from the parent's thread.

    Args:
        tick: Gets (wall_s, cpu_s) so far, about five times a second.
        progress: Gets (done, total) as the verb says it.
    """

    tick: Callable[[float, float], None] = lambda wall_s, cpu_s: None
    progress: Callable[[int, int], None] = lambda done, total: None


@dataclass
class _Pace:
    """How fast work comes on, by what it tells of itself."""

    first: tuple[float, int, int] | None = None
    last: tuple[float, int] = (0.0, 0)

    def learn(self, wall_s: float, done: int, total: int) -> None:
        if self.first is None or self.first[2] != total or done < self.last[1]:
            self.first = wall_s, done, total
        self.last = wall_s, done

    def whole_s(self) -> float | None:
        """Wall seconds that the order will have taken at its end; None while too little was seen."""
        if self.first is None or self.last[0] - self.first[0] < _SEEN_S or self.last[1] <= self.first[1]:
            return None
        return self.last[0] + (self.first[2] - self.last[1]) * (self.last[0] - self.first[0]) / (self.last[1] - self.first[1])


def _refuse_late(pace: _Pace, wall_s: float, limits: Limits) -> None:
    """What runs over its time is ended, and so is what by its progress will run far over it: the rest of the time is not its own."""
    if limits.wall_s is None:
        return
    whole_s = pace.whole_s()
    if whole_s is not None and whole_s > _FAR_OVER * limits.wall_s:
        raise limits.exceeded(whole_s)
    if wall_s > limits.wall_s:
        error = limits.exceeded()
        error.needed_s = whole_s
        raise error


def _status(pid: int) -> tuple[float, float]:
    """CPU seconds and resident bytes of a process; zeros where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0.0, 0.0


def _refuse_memory(resident_b: float, limits: Limits) -> None:
    if limits.memory_b is not None and resident_b > limits.memory_b:
        raise LimitExceeded(
            f"took {resident_b / 1e9:.2f} GB of memory; one trial may take {limits.memory_b / 1e9:.2f} GB. "
            "Raise `search: {trial: {memory: ...}}`."
        )


class Worker:
    """One resident worker process; started by the first order, restarted after it died.

    Args:
        path: Folders put before the worker's module search path (the job's folder, for `pkg.mod:function`).
        log: File that takes what the work prints; None drops it.
        environment: Variables set in the worker.
        apart: A study's folder: the worker tells what it reads in the folders of `path` and not there, in `read`; None watches nothing.
    """

    def __init__(
        self, path: tuple[Path, ...] = (), log: Path | None = None, environment: Mapping[str, str] | None = None, apart: Path | None = None
    ) -> None:
        self._path, self._log, self._environment, self._apart = path, log, dict(environment or {}), apart
        self.read: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None
        self._pending = b""
        self.started_wall_s = 0.0

    @property
    def pid(self) -> int:
        """The running worker's process id; 0 when none runs."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def start(self) -> None:
        """Start the process and wait until it takes orders; no effect while one runs.

        Raises:
            WorkerDied: It ended before it was ready; its last words are in the message.
        """
        if self.pid:
            return
        self.kill()
        self._pending = b""
        began = time.perf_counter()
        folders = [str(folder) for folder in self._path] + ([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [])
        environment = os.environ | trust.environment() | self._environment | ({"PYTHONPATH": os.pathsep.join(folders)} if folders else {})
        out: IO[bytes] | int = subprocess.DEVNULL
        if self._log is not None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            out = self._log.open("ab")
        watched = [] if self._apart is None else [str(self._apart), *map(str, self._path)]
        command = [sys.executable, "-P", "-m", "paredown.executors.worker", str(os.getpid()), *watched]  # -P: not from where it stands
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out, env=environment, text=True, encoding="utf-8", bufsize=1
            )
        finally:
            if not isinstance(out, int):
                out.close()
        self._read(began, Limits(wall_s=120), Watch())
        self.started_wall_s = time.perf_counter() - began

    def order(self, verb: str, limits: Limits = Limits(), watch: Watch = Watch(), **arguments: Any) -> Answer:
        """Carry out one order.

        Args:
            verb: `package.module:function`, called with the worker's state and `arguments`.
            limits: Wall time and memory; over them the worker is killed.
            watch: Told about time and progress meanwhile.
            arguments: Plain data.

        Raises:
            LimitExceeded: Over a limit; says which and by how much.
            WorkerDied: The process ended without an answer.
            ParedownError: What the verb raised, as the same class of the error tree; another exception comes as WorkerDied with its trace.
        """
        self.start()
        self.read = {}
        began = time.perf_counter()
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"verb": verb, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
        message = self._read(began, limits, watch)
        wall_s = time.perf_counter() - began
        self.read = message["read"]
        if "error" in message:
            raise _revive(message["error"])
        return Answer(value=message["ok"], cpu_s=message["cpu_s"], wall_s=wall_s)

    def _read(self, began: float, limits: Limits, watch: Watch) -> dict[str, Any]:
        try:
            return self._listen(began, limits, watch)
        except BaseException:
            # a late answer would be taken for that of the next order
            self.kill()
            raise

    def _listen(self, began: float, limits: Limits, watch: Watch) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        pace = _Pace()
        cpu_before, _ = _status(process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                if selector.select(_TICK_S):
                    # read past the pipe's own buffer: a line that waits in it would not wake the selector again
                    piece = os.read(process.stdout.fileno(), 1 << 20)
                    if not piece:
                        raise self._died()
                    *lines, self._pending = (self._pending + piece).split(b"\n")
                    for line in lines:
                        message: dict[str, Any] = json.loads(line)
                        if "progress" not in message:
                            _refuse_memory(_status(process.pid)[1], limits)  # short work ends between two looks
                            return message
                        pace.learn(time.perf_counter() - began, *message["progress"])
                        watch.progress(*message["progress"])
                wall_s = time.perf_counter() - began
                cpu_s, resident_b = _status(process.pid)
                watch.tick(wall_s, max(0.0, cpu_s - cpu_before))
                _refuse_late(pace, wall_s, limits)
                _refuse_memory(resident_b, limits)

    def _died(self) -> WorkerDied:
        process = self._process
        assert process is not None
        code = process.wait()
        self.kill()
        if code < 0:
            name = signal.Signals(-code).name
            hint = "; the machine ran out of memory, most likely" if name == "SIGKILL" else ""
            return WorkerDied(f"the worker process was ended by {name}{hint}.")
        last = self._log.read_text("utf-8", errors="replace").strip().splitlines()[-1:] if self._log and self._log.is_file() else []
        return WorkerDied(f"the worker process ended with exit code {code}{': ' + last[0] if last else ''}.")

    def pause(self) -> None:
        """Stop the process where it stands; it takes no CPU time until `go()`."""
        if self.pid:
            os.kill(self.pid, signal.SIGSTOP)

    def go(self) -> None:
        """Let a paused process run on."""
        if self.pid:
            os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the process at once."""
        process = self._process
        self._process = None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError, OSError):
                    pipe.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()


def _revive(error: Mapping[str, str]) -> ParedownError:
    """The worker's error as the class of the tree that it was."""
    kind = getattr(errors, error["type"], None)
    if isinstance(kind, type) and issubclass(kind, ParedownError):
        revived: ParedownError = kind.__new__(kind)
        Exception.__init__(revived, error["message"])
        return revived
    if error["type"] == "MemoryError":
        return LimitExceeded("the work ran out of memory.")
    return WorkerDied(f"{error['type']}: {error['message']}\n{error['trace']}")
