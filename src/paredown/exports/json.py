"""All that a record holds, as plain JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from paredown.core.export import Export
from paredown.core.record import EnergyRecord
from paredown.exports.records import FORMAT
from paredown.exports.sums import outermost
from paredown.exports.texts import json_text


class Json(Export):
    """All that the records hold, in SI base units; reads back without loss."""

    suffix = ".json"

    def text(self, records: Sequence[EnergyRecord]) -> str:
        """One document: format, the paredown that wrote it, records, and what of them not to add. What is not finite becomes null."""
        document = {"format": FORMAT, "paredown": metadata.version("paredown"), "records": [_plain(record.json()) for record in records]}
        _, left_out = outermost(records)
        return json_text(document | ({"not_added": left_out} if left_out else {}))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
