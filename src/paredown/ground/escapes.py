"""A user's text in a form that every file, terminal and format takes."""

from __future__ import annotations

import unicodedata

_NOT_SHOWN = ("Cc", "Cs", "Zl", "Zp")


def escaped(text: str) -> str:
    r"""The text on one line: control characters, line breaks and lone surrogates as Python writes them (\n, \x1b, \udcff)."""
    if text.isprintable():
        return text
    return "".join(letter.encode("unicode_escape").decode() if unicodedata.category(letter) in _NOT_SHOWN else letter for letter in text)
