"""Whose functions a file may name: those that this user's paredown has built with on this machine, and those the user names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from paredown.ground import digests
from paredown.ground.files import state_folder

VARIABLE = "PAREDOWN_TRUST"
"""Names, separated by commas, that the user gives the word for in every process that inherits it."""
GIVEN = "PAREDOWN_GIVEN"
"""Folders that hold modules from memory, which are opened where they were sealed here; nothing is imported from them."""
_NOBODY: ContextVar[bool] = ContextVar("trusting_nobody", default=False)
_NAMED: ContextVar[frozenset[str]] = ContextVar("trusted", default=frozenset())


@contextmanager
def trusting(names: Iterable[str]) -> Iterator[None]:
    """While this lasts, files may name these functions (`pkg.mod:function`) here and in workers that are started."""
    token = _NAMED.set(_NAMED.get() | frozenset(names))
    try:
        yield
    finally:
        _NAMED.reset(token)


@contextmanager
def trusting_nobody() -> Iterator[None]:
    """While this lasts, no name is trusted, whoever has given the word for it and whatever was built here before."""
    token = _NOBODY.set(True)
    try:
        yield
    finally:
        _NOBODY.reset(token)


def trusted() -> frozenset[str]:
    """The names that the user has given the word for."""
    if _NOBODY.get():
        return frozenset()
    return _NAMED.get() | frozenset(filter(None, os.environ.get(VARIABLE, "").split(",")))


def environment() -> dict[str, str]:
    """What a worker has to be started with so that it trusts the same names."""
    return {VARIABLE: ",".join(sorted(trusted()))} if trusted() else {}


def remember(function: str, arguments: Mapping[str, Any]) -> None:
    """Keep on this machine that this user's paredown has called a function with these arguments; where nothing can be kept, nothing is."""
    path = _note(function, arguments)
    if not path.exists():
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(0o600)


def is_remembered(function: str, arguments: Mapping[str, Any]) -> bool:
    """True where `remember` was called with the same."""
    return not _NOBODY.get() and _note(function, arguments).is_file()


def _note(function: str, arguments: Mapping[str, Any]) -> Path:
    return state_folder() / "built" / digests.of_value([function, arguments])
