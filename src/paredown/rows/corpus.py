"""Documents that queries are asked among: in every split, and never cut."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.kinds.vector import relevant

MOST = {"test": 20_000, "validation": 600, "calibration": 400}
"""Documents of the splits that judge and calibrate, at most. Each candidate answers those of validation, which only ranks them; the claim
is about those of test, and a job may ask for others with `documents:`."""
_FROM = ("all", "train", "unlabeled", "test", "validation")


def apart(parts: Mapping[str, Rows], shared: Any) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """The rows of each split that are its own, and those that others may have too.

    Args:
        parts: Split -> rows, whose labels index words.
        shared: True for words of rows that may stand in several splits.

    Raises:
        BadData: A split has no row of its own.
    """
    own, corpora = dict(parts), dict[str, Rows]()
    for split, rows in parts.items():
        if rows.labels is None:
            continue
        documents = shared[np.asarray(rows.labels)]
        if documents.all():
            raise BadData(f"{split} has no query.\n  Give it some, with the documents that are relevant to each.")
        corpora[split], own[split] = rows.take(np.flatnonzero(documents)), rows.take(np.flatnonzero(~documents))
    return own, corpora


def together(
    parts: Mapping[str, Rows], corpora: Mapping[str, Rows], targets: Any, salt: str, notes: list[str], asked: int | None = None
) -> dict[str, Rows]:
    """Each split with documents before its queries: all, or those that are relevant to its queries and some others.

    Args:
        parts: Split -> its queries.
        corpora: Split -> documents, of the sources; a split that was cut from another has that one's.
        targets: The target of each word.
        salt: Another salt draws others.
        notes: Takes one sentence for each split that has not all.
        asked: Documents of test at most, where the job says it.
    """
    out = dict(parts)
    for split, queries in parts.items():
        if queries.labels is None:
            continue
        documents = corpora[next(name for name in (split, *_FROM) if name in corpora)]
        most = asked if asked and split == "test" else MOST.get(split, len(documents))
        if len(documents) > most:
            kept = _kept(documents, relevant(targets[np.asarray(queries.labels)]), targets, most, salt)
            notes.append(
                f"Each of the {len(queries)} queries of {split} is asked among {len(kept)} of the {len(documents)} documents: "
                "the relevant ones and others drawn by the seed."
            )
            documents = documents.take(kept)
        out[split] = _joined(documents, queries)
    return out


def _kept(documents: Rows, wanted: Any, targets: Any, most: int, salt: str) -> Any:
    """The places of the documents that are wanted, and of others up to `most`, by a salted digest of their rows."""
    own = np.isin(targets[np.asarray(documents.labels)][:, 0], wanted)
    others = np.flatnonzero(~own)
    digests = documents.row_digests()
    drawn = sorted(others.tolist(), key=lambda at: hashlib.sha256(f"{salt}/{digests[at]}".encode()).digest())
    return np.sort(np.concatenate([np.flatnonzero(own), np.array(drawn[: max(0, most - int(own.sum()))], np.int64)]))


def _joined(first: Rows, second: Rows) -> Rows:
    groups = {name: np.concatenate([np.asarray(first.groups[name]), np.asarray(values)]) for name, values in second.groups.items()}
    inputs, labels = (
        np.concatenate([np.asarray(one), np.asarray(other)])
        for one, other in ((first.inputs, second.inputs), (first.labels, second.labels))
    )
    return Rows(inputs=inputs, labels=labels, names=second.names, groups=groups, high=second.high)
