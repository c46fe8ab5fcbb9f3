"""The files of the user's that a process opens: beside the job whatever code in it does so, anywhere else the user's own code; and those of
the user's modules that it has imported.

A result rests on these as much as on what a job names. A worker watches from its start; the digest is taken when a file is opened, so that
it is that of what was read and not of what stands there later.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from paredown.ground import digests
from paredown.ground.user_code import is_installed, is_own, is_own_file

_WRITES = os.O_WRONLY | os.O_RDWR
_SYSTEM = tuple(f"{os.sep}{name}{os.sep}" for name in ("proc", "sys", "dev", "etc", "usr", "run"))


class _Watch:
    """What this process has read since it began to watch.

    Args:
        roots: Folders whose files are the user's, whoever opens them.
        apart: A folder of ours inside them, whose files are not.
    """

    def __init__(self, roots: Sequence[str], apart: str) -> None:
        self.roots = tuple(f"{os.path.realpath(root)}{os.sep}" for root in roots)
        self.apart = f"{os.path.realpath(apart)}{os.sep}"
        self.found: dict[str, str] = {}
        self.given: dict[str, str] = {}
        self.written: set[str] = set()
        self.modules: set[str] = set()
        self.busy = False

    def opened(self, name: Any, flags: Any) -> None:
        """An audit event: a file is about to be opened."""
        if self.busy or not isinstance(name, str | bytes | os.PathLike):
            return
        path = os.path.abspath(os.fsdecode(name))
        if not path.startswith(self.roots):  # by another way into the folder
            path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if isinstance(flags, int) and flags & _WRITES:
            self.written.add(path)  # what it makes itself is none of what it was made from
            return
        inside = next((path[len(root) :] for root in self.roots if path.startswith(root)), None)
        if inside is None:
            if path.startswith(_SYSTEM) or is_installed(path) or not _by_own_code():
                return
            inside = os.path.join(path, "")  # a hidden file there holds settings of a tool
        if os.path.basename(os.path.dirname(path)) == "__pycache__":
            path = importlib.util.source_from_cache(path)
        elif any(part.startswith(".") for part in inside.split(os.sep)[:-1]) or is_installed(path):
            return  # caches of tools, and environments
        self.add(path)

    def add(self, path: str) -> None:
        """Take the digest of a file, the first time that it is read; a link keeps its own name, since it may lead elsewhere tomorrow."""
        if path in self.found or path in self.written or not os.path.isfile(path) or os.path.realpath(path).startswith(self.apart):
            return
        self.busy = True
        try:
            with suppress(OSError):
                self.found[path] = digests.of_file(Path(path))
        finally:
            self.busy = False

    def add_modules(self) -> None:
        """The user's own modules that were imported, wherever they lie."""
        for name, module in list(sys.modules.items()):
            if name not in self.modules:
                self.modules.add(name)
                if is_own(module):
                    self.add(os.path.realpath(str(module.__file__)))


def _by_own_code() -> bool:
    """Whether code of the user's is at work: a function of theirs, or something that one called."""
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        if is_own_file(frame.f_code.co_filename):
            return True
    return False


_watch: _Watch | None = None


def watch(roots: Sequence[str], apart: str) -> None:
    """Watch what this process reads, to its end.

    Args:
        roots: Folders whose files are the user's, as the job's; hidden folders in them and environments are not.
        apart: The study's folder, whose files are ours.
    """
    global _watch
    before, _watch = _watch, _Watch(roots, apart)
    if before is None:
        sys.addaudithook(_heard)
        _hear_safetensors()


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watch is not None:
        with suppress(ValueError, OSError):  # odd names are refused by what opens them
            _watch.opened(arguments[0], arguments[2])


def _hear_safetensors() -> None:
    """Make an event of what safetensors opens: it is not Python, and raises none."""
    try:
        safetensors: Any = importlib.import_module("safetensors")
    except ImportError:  # then nobody opens anything with it
        return
    opens = safetensors.safe_open

    @functools.wraps(opens, updated=())
    def safe_open(filename: Any, *given: Any, **named: Any) -> Any:
        _heard("open", (filename, "r", os.O_RDONLY))
        return opens(filename, *given, **named)

    safetensors.safe_open = safe_open


def tell(paths: Iterable[Path]) -> None:
    """Say which files are read by code that is not Python, which no audit event shows; they may lie anywhere."""
    for path in paths:
        if _watch is not None:
            _watch.add(os.path.abspath(path))


def taken() -> dict[str, str]:
    """Path -> digest of what was read since this was last asked; empty where nobody watches."""
    if _watch is None:
        return {}
    _watch.add_modules()
    new = {path: digest for path, digest in _watch.found.items() if path not in _watch.given and path not in _watch.written}
    _watch.given |= new
    return new
