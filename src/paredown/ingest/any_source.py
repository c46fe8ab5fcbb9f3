"""The rows of a source, by the reader that claims it. Not a unit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ground import registry
from paredown.ground.files import PICKLES
from paredown.ingest.folders import ARCHIVE, refuse_archive


def read_rows(source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
    """The rows of one source, by the reader that claims it; `pkg.mod:function` goes to `python`.

    Raises:
        BadData: No reader takes it, or the reader refuses it.
    """
    readers = registry.working("datasets")
    chosen = next((reader for reader in readers if reader.claims(source, folder)), None)
    if chosen is None and re.fullmatch(r"[\w.]+:\w+", source):
        chosen = registry.get("datasets", "python")
    if chosen is None:
        if source.lower().endswith(PICKLES):
            raise BadData(
                f"{source} is a pickle; reading it could run any code, so it is not read.\n  Save the rows as .csv, .npz or .parquet."
            )
        if source.lower().endswith(ARCHIVE):
            refuse_archive(source, folder)
        known = ", ".join(sorted(suffix for reader in readers for suffix in reader.suffixes))
        if (folder / source).is_dir():
            raise BadData(
                f"no reader for the folder {source!r}.\n"
                "  Name a file in it, a folder that `datasets.save_to_disk` wrote, or one of images or sounds with a folder per class."
            )
        raise BadData(f"no reader for {source!r}.\n  Give a file that ends in {known}, `builtin: digits`, or `pkg.mod:function`.")
    rows: Rows = chosen().read(source, folder, columns, labels)
    return rows
