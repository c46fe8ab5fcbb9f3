"""Names and reasons as other tools take them: what somebody else wrote never ends a line, a quote or a cell."""

from __future__ import annotations

import json
import re
from typing import Any

from paredown.ground.untrusted import escaped_json, visible


def one_line(text: str) -> str:
    """A text on one line, with single spaces and nothing that is obeyed instead of shown."""
    return " ".join(visible(text).split())


def word(text: str) -> str:
    """A text as a part of a metric's or a key's name: small ASCII letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]", "_", text.lower())


def quoted(text: str) -> str:
    """A text on one line in double quotes, as JSON and YAML read it."""
    return json.dumps(one_line(text), ensure_ascii=False)


def json_text(document: Any) -> str:
    """A document as a JSON file; what no UTF-8 can hold or a terminal would obey is escaped, and reads back as it was."""
    return escaped_json(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"
