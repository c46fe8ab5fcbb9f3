"""Each row is answered with a direction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import LISTED
from paredown.kinds.kind import Kind

NOTHING = -1
"""Stands in targets where a row is no document, or no further one is relevant to a query."""
_DOCUMENT, _QUERY = "document", "query"
_MOST = 1 << 27
"""Numbers in the targets of all rows."""
_ROUNDING = 1e-6
_LEAST = 1e-12


class Vector(Kind):
    """Answers are vectors (N, D), float64, of which the direction counts. How far two are from each other is (1 - cosine) / 2.

    Targets are vectors too, or say what is relevant to what: whole numbers (N, 1 + 2 R), first the number of a document, -1 in the row of a
    query; there pairs follow of a relevant document's number and its grade, from 1 on, and -1 where there are fewer than R of them.
    """

    name = "vector"
    graph_outputs = ("embeddings",)
    named = "numbers"
    metrics = ("ndcg@10", "recall@10", "agreement")
    unsure = "answers that are directions do not say how sure a model is of them."

    def decoder(self, names: Sequence[str], size: Sequence[int] = ()) -> dict[str, Any]:
        """The numbers as the model gives them: one that answers with vectors of length 1 makes them so itself."""
        return {"kind": "values", "output": "embeddings", "width": len(names)}

    def targets(self, words: Sequence[str], column: str, names: Sequence[str] = ()) -> tuple[Any, tuple[str, ...]]:
        """What documents and queries are, from words as `document` and `query` make them.

        Raises:
            BadData: A word is none of these; a relevant document is not there; there are too many of them for one query.
        """
        cells = [word.split(LISTED) for word in words]
        strange = next((word for word, cell in zip(words, cells) if len(cell) < 3 or cell[1] not in (_DOCUMENT, _QUERY)), None)
        if strange is not None:
            raise BadData(
                f"the column {column!r} holds {strange.replace(LISTED, ' ').strip()!r:.60}, which says nothing of what is near to what.\n"
                "  Say which documents are relevant to which queries, as `test: qrels/test.tsv`, or write `metric: agreement`."
            )
        number = {document: at for at, document in enumerate(dict.fromkeys(cell[2] for cell in cells if cell[1] == _DOCUMENT))}
        most = max((len(cell) - 3 for cell in cells), default=0)
        if len(words) * (1 + most) > _MOST:
            query = next(cell[2] for cell in cells if len(cell) - 3 == most)
            raise BadData(
                f"the query {query!r:.60} has {most // 2} relevant documents; among {len(words)} rows "
                f"there is room for {_MOST // len(words) // 2} each.\n  Judge fewer documents for it, or remove it."
            )
        out = np.full((len(words), 1 + most), NOTHING, np.int64)
        for row, (_, role, name, *judged) in zip(out, cells):
            if role == _DOCUMENT:
                row[0] = number[name]
                continue
            unknown = next((document for document in judged[::2] if document not in number), None)
            if unknown is not None:
                raise BadData(
                    f"the document {unknown!r:.60} is relevant to the query {name!r:.60} and is not there.\n  Add it to the corpus."
                )
            row[1 : 1 + len(judged)] = [value for pair in zip(judged[::2], judged[1::2]) for value in (number[pair[0]], int(pair[1]))]
        return out, tuple(names)

    def shared(self, targets: Any) -> Any:
        """Documents: each query is asked among all of them."""
        return targets[:, 0] != NOTHING

    def changed(self, before: Any, after: Any) -> np.ndarray:
        """Another direction, by more than rounding."""
        differs: np.ndarray = _apart(before, after) > _ROUNDING
        return differs

    def moved(self, targets: Any, before: Any, after: Any) -> dict[str, float]:
        """The mean of (1 - cosine) / 2."""
        return {"distance": float(_apart(before, after).mean())}

    def credit(self, targets: Any, answers: Any) -> np.ndarray:
        """(1 + cosine) / 2, of targets that are vectors."""
        found: np.ndarray = 1.0 - _apart(targets, answers)
        return found

    def as_targets(self, answers: Any) -> Any:
        """The vectors themselves."""
        return np.asarray(answers, np.float64)

    def said(self, targets: Any, answers: Any, names: Sequence[str]) -> list[str]:
        """What a row is, and how its answer begins."""
        judged = np.issubdtype(np.asarray(targets).dtype, np.integer)
        begins = [f"the model says {', '.join(f'{value:.3g}' for value in row[:3])}, ..." for row in answers]
        return [f"{_role(target) if judged else 'a vector'}; {begin}" for target, begin in zip(targets, begins)]

    def blind(self, targets: Any) -> str:
        """Any order of the documents."""
        return "always giving the documents in an order of no meaning"


def document(name: str) -> str:
    """The label of a row that is a document, as a word."""
    return f"{LISTED}{_DOCUMENT}{LISTED}{name}"


def query(name: str, relevant: Iterable[tuple[str, int]]) -> str:
    """The label of a row that is a query, as a word.

    Args:
        name: Its identifier.
        relevant: Identifiers of documents with grades from 1 on.
    """
    return f"{LISTED}{_QUERY}{LISTED}{name}" + "".join(f"{LISTED}{other}{LISTED}{grade}" for other, grade in relevant)


def directions(vectors: Any) -> np.ndarray:
    """The same vectors (N, D) with length 1, float64; one of zeros stays."""
    found = np.asarray(vectors, np.float64)
    made: np.ndarray = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), _LEAST)
    return made


def _apart(one: Any, other: Any) -> np.ndarray:
    """(1 - cosine) / 2 of each pair of vectors (N,), by the distance of their ends: exactly 0 for the same."""
    found: np.ndarray = np.minimum(((directions(one) - directions(other)) ** 2).sum(axis=1) / 4, 1.0)
    return found


def _role(target: Any) -> str:
    if target[0] != NOTHING:
        return "a document"
    count = int((target[1::2] != NOTHING).sum())
    return f"a query with {count} relevant document{'' if count == 1 else 's'}"


def relevant(targets: Any) -> Any:
    """The numbers of all documents that are relevant to a query among these rows, each once."""
    asked = targets[targets[:, 0] == NOTHING, 1::2]
    return np.unique(asked[asked != NOTHING])
