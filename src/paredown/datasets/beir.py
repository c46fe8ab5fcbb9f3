"""Queries, documents, and which of these are relevant: a folder in the form of BEIR."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest.lines import Lines, objects
from paredown.ingest.sources import check_room, find, nearest, rows_from_arrays
from paredown.kinds.vector import document, query

HEADER = ("query-id", "corpus-id", "score")
_CORPUS, _QUERIES = ("corpus.jsonl", "corpus.jsonl.gz"), ("queries.jsonl", "queries.jsonl.gz")
_FIRST_B = 200
_LOOK = 10_000


class Beir(DatasetReader):
    """A `.tsv` file of judgments, with `query-id corpus-id score` as its first line; queries.jsonl and corpus.jsonl are searched.

    They lie beside it or one folder above, as they are or as `.gz`.

    Each of both has a JSON object per line with `_id` (or `id`), `text`, and of documents perhaps a `title`, which stands before the text.
    All documents become rows, and each query that has a relevant one. Documents of score 0 are not relevant.
    Source: Thakur et al. 2021, arXiv:2104.08663.
    """

    @classmethod
    def claims(cls, source: str, folder: Path) -> bool:
        """A file that begins with the header."""
        if not source.lower().endswith((".tsv", ".txt")) or not (folder / source).is_file():
            return False
        with (folder / source).open("rb") as file:
            first = file.read(_FIRST_B).decode("utf-8-sig", "replace")
        return tuple(first.split("\n")[0].strip().split("\t")) == HEADER

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """Documents first, then queries, both in the order of their files.

        Raises:
            BadData: A file is not there; a line is none of its form, or names a query or a document that is not there, with `file:line`.
        """
        path = find(source, folder)
        judged = _judged(path, source)
        texts, words, at = list[str](), list[str](), list[str]()
        known, size_b = set[str](), 0
        for where, name, text in _texts(_beside(path, _CORPUS, source)):
            if name in known:
                raise BadData(f"{where}: there are two documents {name!r:.60}.\n  Each needs an identifier of its own.")
            known.add(name)
            texts.append(text)
            words.append(document(name))
            at.append(where)
            size_b += 2 * len(text)
            if len(known) % _LOOK == 0:
                check_room(source, size_b, f"{len(known)} documents and more")
        for relevant in judged.values():
            lost = next((name for name in relevant if name not in known), None)
            if lost is not None:
                raise BadData(
                    f"{relevant[lost][1]}: there is no document {lost!r:.60}.{nearest(lost, known)}\n"
                    "  Add it to the corpus, or remove the line."
                )
        asked = set[str]()
        for where, name, text in _texts(_beside(path, _QUERIES, source)):
            if name in asked:
                raise BadData(f"{where}: there are two queries {name!r:.60}.\n  Each needs an identifier of its own.")
            asked.add(name)
            if name in judged and (grades := [(other, grade) for other, (grade, _) in judged[name].items() if grade > 0]):
                texts.append(text)
                words.append(query(name, grades))
                at.append(where)
        if missing := next((name for name in judged if name not in asked), None):
            where = next(iter(judged[missing].values()))[1]
            raise BadData(
                f"{where}: there is no query {missing!r:.60}.{nearest(missing, asked)}\n  Add it to the queries, or remove the line."
            )
        if len(texts) == len(known):
            raise BadData(f"{source}: no query has a relevant document, one of a score above 0.\n  Is it the right file?")
        name = next(iter([columns["text"]] if isinstance(columns.get("text"), str) else columns.get("text") or ()), "text")
        labeled = None if "label" in columns and columns["label"] is None else words
        return rows_from_arrays({name: texts}, labeled, source=source, text=(name,), where=lambda row: at[row])


def _judged(path: Path, source: str) -> dict[str, dict[str, tuple[int, str]]]:
    """Query -> document -> its grade, and where it stands."""
    found = dict[str, dict[str, tuple[int, str]]]()
    with Lines(path, source, skip=1) as lines:
        for text in lines:
            cells = [cell.strip() for cell in text.rstrip("\r\n").split("\t")]
            if not any(cells):
                continue
            grade = _grade(cells[2]) if len(cells) == len(HEADER) else None
            if grade is None or not cells[0] or not cells[1]:
                raise BadData(
                    f"{lines.where}: the line is {text.strip()!r:.80}.\n"
                    "  It has to be a query's identifier, a document's and a whole number from 0 on, parted by tabs."
                )
            found.setdefault(cells[0], {})[cells[1]] = (grade, lines.where)
    return found


def _grade(cell: str) -> int | None:
    """A whole number from 0 to a million; None for anything else. Negative scores mean no more than 0."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return max(0, int(value)) if value.is_integer() and abs(value) <= 1e6 else None


def _beside(path: Path, names: Sequence[str], source: str) -> Path:
    for place in (path.parent, path.parent.parent):
        for name in names:
            if (place / name).is_file():
                return place / name
    raise BadData(
        f"{source}: there is no {names[0]} beside it or one folder above.\n"
        "  A folder in the form of BEIR has corpus.jsonl, queries.jsonl and qrels/test.tsv."
    )


def _texts(path: Path) -> Iterator[tuple[str, str, str]]:
    """Where, identifier and text of each line, the title before the text."""
    with Lines(path, path.name) as lines:
        for line, item in objects(lines):
            where, name = f"{path.name}:{line}", item.get("_id", item.get("id"))
            parts = [item.get("title") or "", item.get("text") or ""]
            if isinstance(name, bool) or not isinstance(name, str | int) or not all(isinstance(part, str) for part in parts):
                raise BadData(f'{where}: the line is no text with an identifier.\n  Write {{"_id": "7", "text": "..."}}.')
            yield where, str(name), " ".join(part.strip() for part in parts if part.strip())
