"""A user's text in a form that every file, terminal and format takes."""

from __future__ import annotations

import unicodedata

_NOT_SHOWN = ("Cc", "Cs", "Zl", "Zp")


def escaped(text: str, keep: str = "") -> str:
    r"""Control characters, line separators, lone surrogates and what is no character as Python writes them (\n, \x1b, \udcff).

    Args:
        text: Somebody's.
        keep: Letters that stay as they are, as a line break.
    """
    return text if text.isprintable() else "".join(_escape(letter) if _odd(letter) and letter not in keep else letter for letter in text)


def _odd(letter: str) -> bool:
    return unicodedata.category(letter) in _NOT_SHOWN or ord(letter) & 0xFFFE == 0xFFFE


def _escape(letter: str) -> str:
    return letter.encode("unicode-escape").decode("ascii")
