"""One run per study at a time."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from paredown.core.errors import StudyBusy
from paredown.ground.files import writable

POLL_S = 0.05
_held: set[int] = set()


def _forget_in_child() -> None:
    """A forked worker must not keep the lock alive when its parent dies."""
    for handle in _held:
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)


class StudyLock:
    """A lock on `folder/.lock` that the system takes back when the process ends, however it ends.

    Args:
        folder: The study folder; created when it is not there.
        wait_s: How long to wait in seconds for another run to end; 0 refuses at once.

    Raises:
        StudyBusy: On entering: another run holds the study; says its process, host and start.
        UsageError: On entering: the folder cannot be written.
    """

    def __init__(self, folder: Path, wait_s: float = 0.0) -> None:
        self.folder, self.wait_s = folder, wait_s
        self._handle: int | None = None

    def __enter__(self) -> Self:
        path = self.folder / ".lock"
        with writable(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                self._take(handle)
                holder = {"pid": os.getpid(), "host": socket.gethostname(), "started": datetime.now(UTC).isoformat(timespec="seconds")}
                os.ftruncate(handle, 0)
                os.pwrite(handle, json.dumps(holder).encode(), 0)
            except BaseException:
                os.close(handle)
                raise
        self._handle = handle
        _held.add(handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        handle, self._handle = self._handle, None
        if handle in _held:
            _held.remove(handle)
            os.close(handle)

    def _take(self, handle: int) -> None:
        end = time.monotonic() + self.wait_s
        while True:
            try:
                return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise StudyBusy(
                        f"{self.folder} is held by {_holder(handle)}.\n  Wait for it, or use another folder with `--study DIR`."
                    ) from None
            time.sleep(POLL_S)


def _holder(handle: int) -> str:
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
        return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
    except (ValueError, KeyError, TypeError):
        return "another run"
