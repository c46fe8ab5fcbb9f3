"""Modules beside a job that import each other in every way that Python has."""

from __future__ import annotations

from pathlib import Path

SOURCES = {
    "net_a.py": "from parts_a import act\nfrom pkg_a.sub import deep\n\n\ndef late():\n    import late_a\n    return late_a\n",
    "parts_a.py": "import importlib\n\n\ndef act(name):\n    return importlib.import_module(name)\n",
    "pkg_a/__init__.py": "",
    "pkg_a/sub/__init__.py": "from . import leaf\nfrom ..other import x\n",
    "pkg_a/sub/leaf.py": "",
    "pkg_a/sub/deep.py": "from .leaf import *\n",
    "pkg_a/other.py": "x = 1\n",
    "late_a.py": "import json\n",
    "dynamic_a.py": "",
    "unused_a.py": "",
    "broken_a.py": "def (\n",
}


def write(folder: Path) -> None:
    """Put them into a folder."""
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
