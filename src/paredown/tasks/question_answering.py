"""A question and a text in, a part of the text out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.encoders.tokens import ENDS, WORDS
from paredown.tasks.texts import Texts, most_words


class QuestionAnswering(Texts):
    """Pairs of a question and a text, whose words stand between spaces; the answer is some words of the text that stand together."""

    kind = "spans"

    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """As of all pairs of texts, with the place of each word of the second text at its first and at its last token.

        Args:
            train: Rows, whose longest text says how many words there are at most.
            options: As of all texts; words (the most words of a text: the answer is looked for among these).

        Raises:
            BadData: words is no whole number from 1 on; rows are no pairs.
        """
        options = dict(options)
        if train.inputs.ndim != 2:
            raise BadData("the rows are single texts.\n  Name two columns with `text:`, the question and the text that holds the answer.")
        words = most_words(options, (text for part in train.parts() for text in part.inputs[:, 1].tolist()))
        made = super().encoder(train, options)
        inputs = {**made["inputs"], WORDS: "words", ENDS: "ends"}
        return made | {
            "inputs": inputs,
            "words": min(words, made["max_length"]),
            "columns": options.get("columns") or ["question", "context"],
        }
