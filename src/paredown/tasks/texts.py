"""Texts in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.core.task import Task
from paredown.encoders.tokens import ROLES
from paredown.kinds.known import kind_named

_OPTIONS = ("tokenizer", "inputs", "max_length", "length", "pad", "cut", "columns")
# parts of words of several scripts, with and without spaces between words: a probe that every tokenizer has to work on
_PARTS = ("ba", "ne", "ri", "to", "su", " ", " ", " ", "7", ".", "é", "ß", "да", "نا", "好", "的", "か", "ก")


FEWEST_WORDS = 8


def most_words(options: dict[str, Any], texts: Iterable[str]) -> int:
    """The most words of a row, where each has an answer of its own: as the option `words` says, which is taken out, else of the longest.

    Args:
        options: The job's `preprocess` entries.
        texts: Those of train whose words are answered.

    Raises:
        BadData: The option is no whole number from 1 on.
    """
    if "words" not in options:
        return max(FEWEST_WORDS, max(len(text.split()) for text in texts))
    words = options.pop("words")
    if type(words) is not int or words < 1:
        raise BadData(f"preprocess: words is {words!r}.\n  Give the most words of a row, a whole number from 1 on.")
    return int(words)


class Texts(Task):
    """Texts, or pairs of texts. Nothing is assumed about spaces or letters."""

    raw = "text"

    def check(self, rows: Rows) -> None:
        """Refuse what is no text, and texts that hold nothing.

        Raises:
            BadData: Says the first row and what was found.
        """
        texts = rows.inputs
        dtype, shape = getattr(texts, "dtype", None), getattr(texts, "shape", ())
        if dtype is None or dtype.kind not in "OU" or shape[1:] not in ((), (2,)):
            found = (
                f"the columns {', '.join(list(texts)[:8])}"
                if isinstance(texts, Mapping)
                else f"a {type(texts).__name__}"
                if dtype is None
                else f"an array {shape} of {dtype}"
            )
            raise BadData(f"the inputs are {found}.\n  Such a task needs texts; name their column with `text:`, two for pairs.")
        for at, row in enumerate(row for part in rows.parts() for row in part.inputs.reshape(len(part), -1).tolist()):
            for text in row:
                if not isinstance(text, str):
                    raise BadData(f"row {at} holds {text!r:.60}, which is no text.\n  Write all texts as text.")
                if not text.strip():
                    raise BadData(f"row {at} holds an empty text.\n  Remove the row, or write what stands there.")

    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """Tokens of the model's own tokenizer, padded to the longest row of a batch.

        Args:
            train: Rows; says whether texts come in pairs.
            options: tokenizer (a file; the model source names it), inputs (the model's input -> ids, mask or types), max_length (tokens),
                length (tokens that all rows have, where a graph says a number), pad and cut (as the tokenizer has them), columns (names of
                the texts).

        Raises:
            UnknownName: No such option or role.
            BadData: No tokenizer; max_length is no whole number from 4 on.
        """
        if "tokenizer" not in options:
            raise BadData(
                "texts need a tokenizer, and the model names none.\n  Add it beside the model: `tokenizer: folder or tokenizer.json`."
            )
        for key in options:
            if key not in _OPTIONS:
                raise UnknownName("preprocess option", key, _OPTIONS)
        length = int(options.get("length", 0))
        longest = options.get("max_length", length or 512)
        if not isinstance(longest, int) or isinstance(longest, bool) or longest < 4:
            raise BadData(f"preprocess: max_length is {longest!r}.\n  Give the most tokens of a row, a whole number from 4 on.")
        longest = min(longest, length or longest)
        inputs = dict(options.get("inputs", {"input_ids": "ids", "attention_mask": "mask"}))
        for role in inputs.values():
            if role not in ROLES:
                raise UnknownName("role of an input", str(role), ROLES)
        width = 2 if train.inputs.ndim == 2 else 1
        return {
            "kind": "text",
            "tokenizer": options["tokenizer"],
            "inputs": inputs,
            "max_length": longest,
            "pad": dict(options.get("pad", {"id": 0, "type_id": 0, "direction": "right"})),
            "cut": options.get("cut", "right"),
            "width": width,
            "columns": list(options.get("columns") or (["text"] if width == 1 else ["first", "second"])),
        } | ({"length": length} if length else {})

    def ships(self, encoder: Mapping[str, Any]) -> list[str]:
        """The tokenizer is the model's: nothing in it was made from these texts."""
        return ["the vocabulary of the tokenizer, as the model brought it"]

    def decoder(self, names: tuple[str, ...], encoder: Mapping[str, Any]) -> dict[str, Any]:
        """As the task's kind of answers has it."""
        return kind_named(self.kind).decoder(names, [encoder["words"]] if "words" in encoder else ())

    def probe(self, encoder: Mapping[str, Any], seed: int) -> np.ndarray:
        """Four made-up texts of several scripts, shape (4,), or (4, 2) for pairs."""
        random = np.random.default_rng(seed)
        texts = ["a" + "".join(random.choice(_PARTS, 4 * (at % 4 + 1))) for at in range(4 * encoder["width"])]
        return np.array(texts, object).reshape((4, 2) if encoder["width"] == 2 else (4,))
