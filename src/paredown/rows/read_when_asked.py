"""What stands for an array and is read, or made, when asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from paredown.core.rows import PART_ROWS


class ReadWhenAsked(ABC):
    """Goes over its rows some at a time, and is an array in memory for whoever asks for all."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, which: Any) -> Any: ...

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self), PART_ROWS):
            yield from self[start : start + PART_ROWS]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self[:] if dtype is None else self[:].astype(dtype)

    def tolist(self) -> list[Any]:
        """All values, in memory."""
        found: list[Any] = self[:].tolist()
        return found
