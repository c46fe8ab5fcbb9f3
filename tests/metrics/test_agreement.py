"""Agreement with the model as given, for each kind of answers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, hamming_loss
from sklearn.metrics.pairwise import paired_cosine_distances

from paredown.kinds.decode import best_spans
from paredown.kinds.known import KINDS
from paredown.metrics.agreement import Agreement
from paredown.testing.contracts import check_metric


@pytest.mark.parametrize("kind", KINDS)
def test_contract(kind: str) -> None:
    check_metric(Agreement(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_the_record_says_of_the_given_models_answers(kind: str) -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        size = (2, 2) if kind == "map" else (4,) if KINDS[kind].by_place else ()
        given, other = draw.random((40, 3, *size)), draw.random((40, 3, *size))
        found = Agreement(kind).over_set(KINDS[kind].as_targets(given), other)
        if kind == "class":
            assert found == pytest.approx(accuracy_score(given.argmax(1), other.argmax(1)))
        elif kind in ("tokens", "map"):
            assert found == pytest.approx(accuracy_score(given.argmax(1).ravel(), other.argmax(1).ravel()))
        elif kind == "spans":
            parts = [[{*range(first, last + 1)} for first, last in best_spans(each)[0].tolist()] for each in (given, other)]
            assert found == pytest.approx(np.mean([2 * len(one & two) / (len(one) + len(two)) for one, two in zip(*parts)]))
        elif kind == "labels":
            assert found == pytest.approx(1 - hamming_loss(given >= 0.5, other >= 0.5))
        elif kind == "tensors":
            spread = np.sqrt(((given - given.mean(0)) ** 2).mean())
            assert found == pytest.approx(1 - np.minimum(np.sqrt(((given - other) ** 2).mean(1)) / spread, 1).mean())
        elif kind == "vector":
            assert found == pytest.approx(1 - paired_cosine_distances(given, other).mean() / 2)
        else:
            apart = np.minimum(np.abs(given - other) / given.std(0), 1)
            assert found == pytest.approx(1 - apart.mean())
        assert Agreement(kind).over_set(KINDS[kind].as_targets(given), given) == 1.0
