"""Work that a thread does ahead of its use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")
_TICK_S = 0.1


def ahead(items: Iterable[Item], depth: int = 2) -> Iterator[Item]:
    """The same items in order, of which up to `depth` are made by a thread before they are asked for; its errors are raised here.

    Args:
        items: Gone over in the thread, until its end or until nobody asks for more.
        depth: Items that may wait, beside the one in the making.
    """
    waiting: queue.Queue[tuple[str, Any]] = queue.Queue(depth)
    left = threading.Event()

    def put(kind: str, value: Any) -> bool:
        while not left.is_set():
            try:
                waiting.put((kind, value), timeout=_TICK_S)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = waiting.get()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        left.set()
        thread.join()
