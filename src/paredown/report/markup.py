"""HTML by construction: text is escaped where it enters, so a user's text cannot become markup."""

from __future__ import annotations

import html
import re
import unicodedata

_TIE = re.compile(r"(?<=\d) (?=(?:\d{3}|%|pp|[nµmkMG]?[sJBW]|[kMG]|min|h)(?!\w))")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(text: object) -> Markup:
    """Text as HTML; control characters and lone surrogates become a visible mark."""
    letters = (
        letter if letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cs") else "\N{REPLACEMENT CHARACTER}"
        for letter in str(text)
    )
    return Markup(html.escape("".join(letters), quote=True))


def prose(text: str) -> Markup:
    """A sentence whose numbers do not part from their units at the end of a line."""
    return escape(_TIE.sub("\N{NO-BREAK SPACE}", text))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """One element; `class_` is `class`, `a_b` is `a-b`.

    Args:
        name: The element's name.
        children: What it holds; a child that is not Markup is escaped.
        attributes: None and False are left out, True stands without a value.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: object) -> Markup:
    """Children one after the other; None is nothing."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children if child is not None))


def recipe(text: str) -> Markup:
    """A recipe in code type."""
    return tag("code", text, class_="recipe")


def recorded(text: object) -> Markup:
    """A sentence that the study wrote down, in the language in which it did."""
    return tag("span", prose(" ".join(str(text).split())), lang="en")
