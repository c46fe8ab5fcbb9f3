"""Files of hourly series, made for a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def saved(folder: Path, content: Any, name: str = "here.csv") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def plain(*pairs: tuple[str, object], head: str = "time,g_per_kwh") -> str:
    return "\n".join([head, *(f"{time},{value}" for time, value in pairs)]) + "\n"


def hours(values: list[object], day: str = "2023-01-01") -> list[tuple[str, object]]:
    return [(f"{day}T{hour:02}:00Z", value) for hour, value in enumerate(values)]
