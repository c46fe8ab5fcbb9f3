"""The contract of a dataset reader: one source in, rows out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.rows import Rows
from paredown.core.technique import snake


class DatasetReader(ABC):
    """Reads one kind of source. A unit's name is its class name in snake case.

    `prefix` is what a source starts with ("builtin:"), `suffixes` are the endings of the files it reads (".csv"). A reader of folders, or
    of files known by their content, has a `claims` of its own.
    """

    prefix: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()
    task: ClassVar[str] = ""
    """The task that its rows are for, where that is one alone."""

    @classmethod
    def name(cls) -> str:
        """The name in lists."""
        return snake(cls.__name__)

    @classmethod
    def claims(cls, source: str, folder: Path) -> bool:
        """Whether this reader takes a source, which may not exist: by its prefix or ending, or by what stands in `folder / source`."""
        return bool(cls.prefix and source.startswith(cls.prefix)) or source.lower().endswith(cls.suffixes)

    @abstractmethod
    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """Read all rows of one source.

        Args:
            source: As written in the job; shown in messages.
            folder: Where relative paths and modules start.
            columns: The job's entries that name columns, see `DataSpec.columns`; `label: None` reads no labels. `preprocess` is there
                too, for readers of files that the task changes.
            labels: Class names in the model's order; empty takes the names from the data.

        Returns:
            Rows in the order of the source.

        Raises:
            BadData: The source is missing, damaged or does not hold what `columns` asks for; with `file:line` where there is a line.
        """
