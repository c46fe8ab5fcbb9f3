"""Raw texts to token numbers.

This file stands alone but for numpy and, on first use, the package `tokenizers`. Its source is copied into an artifact's `predict.py`
before that of `feed`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROLES = ("ids", "mask", "types", "words", "ends")
WORDS, ENDS = "word_places", "word_ends"
"""Names of the inputs that say at which tokens words begin, and at which they end."""
SHORTEST = 2
"""Tokens of the shortest row: graphs with a free axis are not exported for a length of one."""


def make_text_encoder(spec: Mapping[str, Any], folder: Path) -> Callable[[Any], dict[str, np.ndarray]]:
    """The function texts -> feed; rows are padded to the longest of their batch and cut at `max_length`.

    Args:
        spec: {"kind": "text", "tokenizer": file name, "inputs": {input: a role of ROLES}, "max_length": tokens, "pad": {"id",
            "type_id", "token", "direction"}, "cut": "right" | "left", "width": 1, or 2 for pairs, "columns": names of the texts in rows
            that are dicts}; "length" where all rows have that many tokens, filled up. The role "words" is the place of a word, from 1 on,
            at its first token, and 0 at all others, "ends" the same at its last token; words are what stands between spaces, of pairs
            in the second text, which alone is cut then.
        folder: Where the tokenizer's file lies.

    Returns:
        A function that takes one text, a sequence of them (of pairs where width is 2), dict rows, or columns by name as in a data frame,
        and gives {input: int64 array (N, T)}. It raises ValueError when a row is no text, or there is none.
    """
    from tokenizers import Tokenizer

    tokenizer, width, columns = Tokenizer.from_file(str(folder / spec["tokenizer"])), int(spec["width"]), list(spec["columns"])
    pad, longest, fixed = spec["pad"], int(spec["max_length"]), int(spec.get("length", 0))
    placed = [(name, role == "ends") for name, role in spec["inputs"].items() if role in ("words", "ends")]
    cut = "only_second" if placed and width == 2 else "longest_first"
    tokenizer.enable_truncation(max_length=longest, direction=spec["cut"], strategy=cut)
    tokenizer.no_padding()
    one, many = tokenizer.encode, tokenizer.encode_batch
    names = [(name, role) for name, role in spec["inputs"].items() if role not in ("words", "ends")]
    fills = {"ids": int(pad["id"]), "mask": 0, "types": int(pad["type_id"])}
    fields, left = {"ids": "ids", "mask": "attention_mask", "types": "type_ids"}, pad["direction"] == "left"
    int64 = np.dtype(np.int64)

    def encode(inputs: Any) -> dict[str, np.ndarray]:
        rows = as_texts(inputs, width, columns, listed=bool(placed) and width == 1)
        if len(rows) == 1:
            found = [one(rows[0]) if width == 1 else one(*rows[0])]
            size = len(found[0].ids)
            if size >= SHORTEST and size >= fixed:
                only = {name: np.array([getattr(found[0], fields[role])], int64) for name, role in names}
                return only | {name: np.array([places(rows[0], found[0], last)], int64) for name, last in placed}
        else:
            found = many(rows)
        sizes = [len(item.ids) for item in found]
        most, out = max(SHORTEST, fixed, *sizes), {}
        for name, role in names:
            array, field = np.full((len(found), most), fills[role], int64), fields[role]
            for line, item, size in zip(array, found, sizes):
                line[most - size if left else 0 : most if left else size] = getattr(item, field)
            out[name] = array
        for name, last in placed:
            out[name] = np.zeros((len(found), most), int64)
            for line, text, item, size in zip(out[name], rows, found, sizes):
                line[most - size if left else 0 : most if left else size] = places(text, item, last)
        return out

    def places(row: Any, item: Any, last: bool) -> list[int]:
        if width == 1:
            return word_places(row, item.offsets, last)
        mine = [span if of == 1 else (0, 0) for span, of in zip(item.offsets, item.sequence_ids)]
        return word_places(row[1], mine, last)

    return encode


def word_places(text: str, offsets: Sequence[tuple[int, int]], last: bool = False) -> list[int]:
    """The place of a word, from 1 on, at the first token that has a part of it, and 0 at all other tokens.

    Args:
        text: Words between spaces.
        offsets: Where the characters of each token begin and end in it; what was added to the text has none.
        last: True for the last token that has a part of it.
    """
    words, out = [found.span() for found in re.finditer(r"\S+", text)], [0] * len(offsets)
    at, before = 0, -1
    for token, (begin, end) in enumerate(offsets):
        while at < len(words) and words[at][1] <= begin:  # nothing is left of it: a tokenizer may drop what it does not know
            at += 1
        if begin < end and at < len(words) and end > words[at][0]:
            at, before = at + 1, token
            out[token] = at
        elif last and begin < end and before >= 0 and begin < words[out[before] - 1][1]:
            out[before], out[token], before = 0, out[before], token
    return out


def as_texts(inputs: Any, width: int, columns: Sequence[str], listed: bool = False) -> list[Any]:
    """Raw inputs as a list of texts, or of pairs of texts where `width` is 2; with `listed` a row may be a list of words.

    Raises:
        ValueError: A row is no text, says which one; there is none; a column is absent or of another length.
    """
    if isinstance(inputs, str):
        inputs = [inputs]
    if hasattr(inputs, "columns") and hasattr(inputs, "to_numpy"):  # a data frame, whose items are the names of its columns
        inputs = {name: list(inputs[name]) for name in inputs.columns}
    if isinstance(inputs, Mapping):
        lacking = [name for name in columns if name not in inputs]
        if lacking:
            raise ValueError(f"the inputs lack the column {lacking[0]!r}; they have {', '.join(map(str, inputs))}.")
        first, sizes = inputs[columns[0]], {name: len(inputs[name]) for name in columns}
        if not isinstance(first, str) and len(set(sizes.values())) > 1:
            raise ValueError(f"the columns have different lengths: {', '.join(f'{name} {size}' for name, size in sizes.items())}.")
        inputs = [inputs] if isinstance(first, str) else list(zip(*(inputs[name] for name in columns))) if width == 2 else first
    rows = inputs.tolist() if isinstance(inputs, np.ndarray) else list(inputs)
    if not rows:
        raise ValueError("there is no text in the inputs; give one or more.")
    if width == 2 and len(rows) == 2 and isinstance(rows[0], str):
        rows = [rows]
    for at, row in enumerate(rows):
        if isinstance(row, Mapping):
            absent = [name for name in columns if name not in row]
            if absent or not columns:
                raise ValueError(f"row {at} lacks the column {absent[0] if absent else 'text'!r}; it has {', '.join(map(str, row))}.")
            row = row[columns[0]] if width == 1 else [row[name] for name in columns]
        if width == 2:
            row = tuple(row) if isinstance(row, list | tuple | np.ndarray) else (row,)
        if listed and isinstance(row, list | tuple | np.ndarray):
            row = " ".join(map(str, row))
        if not (isinstance(row, str) if width == 1 else len(row) == 2 and all(isinstance(text, str) for text in row)):
            raise ValueError(f"row {at} is {row!r:.60}; it has to be {'a text' if width == 1 else 'a pair of texts'}.")
        rows[at] = row
    return rows
