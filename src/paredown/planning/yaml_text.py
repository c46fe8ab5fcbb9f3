"""Texts as YAML."""

from __future__ import annotations

import json
import re

from paredown.ground import documents

_PLAIN = re.compile(r"[A-Za-z_][\w./ -]*[\w/]|[A-Za-z]")
_YAML_1_1 = re.compile(r"y|n|yes|no|on|off", re.IGNORECASE)
"""Words that older readers of YAML take for true and false."""


def quoted(text: str) -> str:
    """A text as YAML that every reader takes for a text: NO, on, 2e6 and 1.0 get quotes."""
    if _PLAIN.fullmatch(text) and documents.plain(text) == text and not _YAML_1_1.fullmatch(text):
        return text
    return json.dumps(text, ensure_ascii=False)
