"""Texts in, one class for each word out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.encoders.tokens import WORDS
from paredown.kinds.places import NOTHING
from paredown.tasks.texts import Texts, most_words


class TokenClassification(Texts):
    """Texts whose words stand between spaces; one of several classes for each word, as names of persons and places have."""

    kind = "tokens"

    def refuse_misfits(self, rows: Rows) -> None:
        """Refuse a row that has more tags than words, or fewer.

        Raises:
            BadData: Says the first such row.
        """
        at = 0
        for part in rows.parts() if rows.labels is not None else ():
            for text, tags in zip(part.inputs.tolist(), (part.labels != NOTHING).sum(axis=1).tolist()):
                if len(text.split()) != tags:
                    raise BadData(
                        f"row {at} has {tags} tags for {len(text.split())} words between spaces: {text!r:.60}.\n"
                        "  Give one tag per word; words that hold a space cannot be told apart."
                    )
                at += 1

    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """As of all texts, with the place of each word at its first token.

        Args:
            train: Rows, whose longest says how many words there are at most.
            options: As of all texts; words (the most words of a row: of a longer one the last have no answer).

        Raises:
            BadData: words is no whole number from 1 on; rows are pairs of texts.
        """
        options = dict(options)
        words = most_words(options, (text for part in train.parts() for text in part.inputs.reshape(len(part), -1)[:, 0].tolist()))
        made = super().encoder(train, options)
        if made["width"] != 1:
            raise BadData("the rows are pairs of texts.\n  Name one column with `text:`, whose words have the tags.")
        return made | {"inputs": {**made["inputs"], WORDS: "words"}, "words": min(words, made["max_length"])}
