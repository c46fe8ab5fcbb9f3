"""Keeping other packages' chatter off the user's screen."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_before: list[int] = []
"""What was kept off before: once for each that is quiet now, in any thread."""


@contextmanager
def quiet() -> Iterator[None]:
    """Warnings and log lines below ERROR of other packages are dropped inside; the last of all threads to leave lets them through."""
    with _LOCK:
        _before.append(logging.root.manager.disable)
        logging.disable(max(_before[0], logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        with _LOCK:
            first = _before[0]
            _before.pop()
            if not _before:
                logging.disable(first)
