"""The two faces of a result: what the terminal says and the page that is kept. Both read result.json alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def report_file(folder: Path, language: str = "en", variant: str = "") -> Path:
    """Where the report of a study stands: report.html; in another language, or with other factors, report.zh.html, report.NO.html."""
    words = [language] if language != "en" else []
    words += [re.sub(r"[^\w-]+", "-", variant).strip("-")] if variant else []
    return folder / ".".join(["report", *words, "html"])


def write_report(result: Mapping[str, Any], folder: Path, language: str = "en", variant: str = "") -> Path:
    """Write a report: whole or not at all, also when the machine stops in between.

    Args:
        result: The content of result.json.
        folder: An existing folder.
        language: One of the report's languages.
        variant: What tells it from the run's own report, for the file's name.

    Returns:
        The file.

    Raises:
        UnknownName: There is no such language.
        CannotWrite: The file cannot be written.
    """
    from paredown.ground.files import write_atomic
    from paredown.report.html import render

    page = render(result, language)
    file = report_file(folder, language, variant)
    write_atomic(file, page.encode())
    return file
