"""What a process reads of the user's: the files that any code in it opens, and the modules that are the user's own.

A result rests on these as much as on what a job names. A worker watches from its start; the digest is taken when a file is opened, so that
it is that of what was read and not of what stands there later.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from paredown.ground import digests

_PACKAGES = ("site-packages", "dist-packages")
_WRITES = os.O_WRONLY | os.O_RDWR


@functools.cache
def _installed() -> tuple[str, ...]:
    """Folders of what is not the user's: Python itself, installed packages, paredown."""
    paths = sysconfig.get_paths()
    given = [*(paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")), str(Path(__file__).parents[1])]
    return tuple({f"{form}{os.sep}" for path in given for form in (path, os.path.realpath(path))})


def _is_installed(path: str) -> bool:
    return path.startswith(_installed()) or any(f"{os.sep}{name}{os.sep}" in path for name in _PACKAGES)


def is_own(module: ModuleType | None) -> bool:
    """True for Python files of the user's: neither of the standard library, nor of an installed package, nor of paredown."""
    file = getattr(module, "__file__", None)
    if module is None or not isinstance(file, str) or not file.endswith(".py") or module.__name__.partition(".")[0] == "paredown":
        return False
    return not _is_installed(file) and not _is_installed(os.path.realpath(file))


class _Watch:
    """What this process has read since it began to watch.

    Args:
        roots: Folders whose files are the user's.
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
        path = os.path.realpath(os.fsdecode(name))
        if not path.startswith(self.roots):
            return
        if isinstance(flags, int) and flags & _WRITES:
            self.written.add(path)  # what it makes itself is none of what it was made from
            return
        inside = next(path[len(root) :] for root in self.roots if path.startswith(root))
        if os.path.basename(os.path.dirname(path)) == "__pycache__":
            path = importlib.util.source_from_cache(path)
        elif any(part.startswith(".") for part in inside.split(os.sep)[:-1]) or _is_installed(path):
            return  # caches of tools, and environments
        self.add(path)

    def add(self, path: str) -> None:
        """Take the digest of a file, the first time that it is read."""
        if path in self.found or path in self.written or path.startswith(self.apart) or not os.path.isfile(path):
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


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watch is not None:
        with suppress(ValueError, OSError):  # odd names are refused by what opens them
            _watch.opened(arguments[0], arguments[2])


def tell(paths: Iterable[Path]) -> None:
    """Say which files are read by code that is not Python, which no audit event shows; they may lie anywhere."""
    for path in paths:
        if _watch is not None:
            _watch.add(os.path.realpath(path))


def taken() -> dict[str, str]:
    """Path -> digest of what was read since this was last asked; empty where nobody watches."""
    if _watch is None:
        return {}
    _watch.add_modules()
    new = {path: digest for path, digest in _watch.found.items() if path not in _watch.given and path not in _watch.written}
    _watch.given |= new
    return new
